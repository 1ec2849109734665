"""The report's chapters, its first page, and its tables as pages."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import docutils.core
import jinja2
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmoid_bce.comparison import metrics
from sigmoid_bce.figures import front, html, tables
from sigmoid_bce.figures.columns import COLUMNS, column
from sigmoid_bce.planning.chapters import CHAPTERS, SPACE, aligned, chapters
from sigmoid_bce.study.cells import Cell
from support.checkout import ROOT
from support.hostile import NAME


@pytest.mark.parametrize("without", [(), ("grid",), ("numerics",), ("learning", "grid")])
def test_chapters_are_numbered_as_they_are_there(without):
    sections = dict.fromkeys(("grid", "numerics", "learning"), True) | dict.fromkeys(without)
    names = chapters(SimpleNamespace(**sections))
    there = [name for key, name in names.items() if key not in without]
    assert [name.split(" ")[0] for name in there] == [str(i + 1) for i in range(len(there))]
    assert all(names[key] == CHAPTERS[key] for key in without)


@given(st.lists(st.integers(0, 99_999), min_size=1))
def test_numbers_are_sorted_as_numbers(numbers):
    names = aligned(map(str, numbers))
    texts = sorted(names.values(), key=lambda text: text.replace(SPACE, " "))
    assert [int(text.strip(SPACE)) for text in texts] == sorted(set(numbers))


def cells(*rows):
    """Return tables/cells.csv of fully trained networks: (seed, split, samples, right, wrong)."""
    return pd.DataFrame(
        {
            **vars(Cell("d", "m", "logits", 4, seed)),
            "stage": "full",
            "split": split,
            "samples": samples,
            "clipped_correct_share": right / samples,
            "clipped_wrong_share": wrong / samples,
            "raw_output_min": -3.25,
            "raw_output_max": 40.0,
        }
        for seed, split, samples, right, wrong in rows
    )


@pytest.mark.parametrize(
    ("rows", "sentence", "wrong"),
    [
        (
            [(0, "train", 90, 0, 0), (0, "validation", 10, 0, 0)],
            "acted on no sample of the fully trained network: raw outputs lie between -3.25",
            "no sample",
        ),
        (
            [(0, "train", 90, 9, 0), (0, "validation", 10, 1, 0), (1, "train", 100, 0, 0)],
            "In the 2 fully trained networks, Keras’s clip acted on 0 to 10 % of a network’s",
            "no sample",
        ),
        (
            [(0, "train", 90, 9, 0), (0, "validation", 10, 0, 1)],
            "On the wrong side, where a clipped sample has no gradient left, is 1 sample of 100",
            "1 sample of 100",
        ),
        (
            [(0, "train", 50, 0, 50), (1, "train", 50, 50, 0)],
            "acted on 100 % of a network’s samples (training and validation). On the wrong side",
            "50 samples of 100, in 1 of 2 networks",
        ),
    ],
)
def test_what_the_clip_did_is_said_with_its_side(rows, sentence, wrong):
    found = front.networks(cells(*rows))
    assert sentence in found.sentence
    assert found.cells[1] == wrong
    assert " 0 samples" not in found.sentence


@pytest.mark.parametrize(
    ("dead", "dtypes", "cell"),
    [
        ([], ["float32"], "none of 2 in float32"),
        ([("f", "a", "float32", 16.1)], ["float32"], "1 of 2 in float32"),
        ([("f", "a", "float16", 5.5)], ["float32", "float16"], "none of 2 in float32"),
        ([("f", "a", "float16", 5.5), ("f", "b", "float16", 6.0)], ["float16"], "2 of 2"),
    ],
)
def test_programs_are_counted_in_one_precision(dead, dtypes, cell):
    found = pd.DataFrame(dead, columns=["framework", "implementation", "dtype", "x"])
    rows = [("f", name, dtype, "measured") for name in "ab" for dtype in dtypes]
    names = ["framework", "implementation", "dtype", "status"]
    known = pd.DataFrame([*rows, ("g", "c", "float32", "missing")], columns=names)
    told = front.programs(found.assign(finding="dead when wrong"), known)
    assert told.cells == (cell,)


def test_what_is_stuck_or_undecided_is_said_first():
    said = pd.DataFrame(
        {
            "name": ["same", "harm", "stuck", "helps", "undecided"],
            "sentence": ["A.", "In no regime.", "3 of 4 stuck.", "C.", "In 1 regime undecided."],
        }
    )
    stuck = pd.DataFrame({"loss": ["sigmoid_clipped", "logits"], "stuck": [3, 0], "n": [4, 4]})
    told = front.trainings(said, stuck)
    assert told.sentence == "A. In no regime. 3 of 4 stuck. In 1 regime undecided."
    none = front.trainings(said[:2], stuck.assign(stuck=0))
    assert none.sentence == "A. In no regime."


def test_past_releases_are_no_programs_of_today():
    keys = {"implementation": "a", "dtype": "float32"}
    found = pd.DataFrame(
        [{**keys, "framework": "history", "x": 16.1, "finding": "dead when wrong"}]
    )
    known = pd.DataFrame(
        [{**keys, "framework": name, "status": "measured"} for name in ("history", "exact", "f")]
    )
    assert front.programs(found, known).cells == ("none of 1 in float32",)


STUDY = {"question": "", "grid": None, "learning": None, "datasets": {}, "models": {}}


def text_of(page):
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL).split())


def test_a_study_without_parts_has_a_first_page():
    found = [front.Found(cells=(front.ABSENT,) * 2), front.Found(), front.Found()]
    page = front.page(STUDY, found, None, {"answer": "1 Answer"})
    assert "<img" not in page
    assert page.count(front.ABSENT) == len(front.QUESTIONS)
    assert "Networks were trained" not in page


def test_texts_of_users_are_texts_on_the_first_page(tmp_path):
    asks = {"loss": ["logits", "naive"], "dataset": ["d", "e"]}
    study = {
        "question": NAME,
        "grid": {"loss": ["logits"]},
        "learning": {"exploratory": {"a": asks}, "confirmatory": {}},
        "datasets": {"d": {"licence": NAME}},
        "models": {"m": {"weights": "none"}},
    }
    told = front.trainings(
        pd.DataFrame({"name": ["same", "harm", "helps"], "sentence": [NAME, "two", "not quoted"]}),
        pd.DataFrame({"loss": ["logits"], "stuck": [0], "n": [3]}),
    )
    assert told.cells == ("none of 3 with logits",)
    found = [front.networks(cells((0, "train", 9, 1, 0))), front.Found(), told]
    page = front.page(study, found, None, {"answer": "1 Answer"})
    shown = text_of(page)
    assert shown.count("DROP TABLE runs") == 3
    assert "losses: logits. At two" in shown
    assert "seed by seed: logits, naive. Data sets: d, e." in shown
    assert "not quoted" not in shown
    for forbidden in ("<script", "<img", "onerror='"):
        assert forbidden not in page


def test_the_figure_is_of_the_network_with_the_most_clipped_samples(tmp_path):
    files = []
    for seed in (0, 1, 10):
        files.append(tmp_path / str(Cell("d", "m", "logits", 4, seed)) / "figure-5.png")
    rows = [(seed, "train", 100, seed, 0) for seed in (0, 1, 10)]
    image = front.picture([*map(str, files)], cells(*rows), {"figure-5": "Figure 5"})
    assert image.file == files[-1]
    assert "seed 10. It is the one with the most" in image.caption
    assert front.picture([], None, {}) is None


def test_the_citation_is_that_of_the_file():
    text = text_of(front.page(STUDY, [front.Found()] * 4, None, {}))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    for title in (citation["title"], citation["references"][0]["title"]):
        assert title in text
    assert f"the {citation['license']} licence" in text


def introduction(*files):
    """Return the report's introduction as Snakemake renders it."""
    text = (ROOT / "workflow/report/workflow.rst").read_text()
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    found = [SimpleNamespace(path=Path(file)) for file in files]
    caption = environment.from_string(text).render(files=found)
    return docutils.core.publish_parts(caption, writer="html")["html_body"]


def test_the_report_shows_the_page_wherever_it_lies(tmp_path, capfd):
    page = tmp_path / "a 'b' {c} é" / "front.html"
    page.parent.mkdir()
    page.write_text("<p>é *c* |b|</p>", encoding="utf-8")
    assert "<p>é *c* |b|</p>" in introduction("x/cells.html", page)
    # a report of some files has none
    ET.fromstring(introduction("x/cells.html"))
    assert capfd.readouterr().err == ""


VALUES = st.one_of(
    st.lists(st.floats(), min_size=3, max_size=3),
    st.lists(st.integers(-(10**9), 10**9), min_size=3, max_size=3),
    st.lists(st.text(max_size=60), min_size=3, max_size=3),
    st.just([True, False, True]),
)


@given(st.dictionaries(st.sampled_from([*COLUMNS, "missed_share", NAME]), VALUES))
@settings(max_examples=25)
def test_a_table_fits_and_keeps_its_rows(columns):
    table = pd.DataFrame(columns, index=range(3))
    listing = tables.listing(table, "a.csv")
    taken = sum(head.width + tables.PADDING for head in listing.heads if head.first)
    assert taken <= tables.ROOM
    assert all(len(row) == len(listing.heads) for row in listing.rows)
    html.render("a", [html.Section(listing=listing)])


def test_what_all_rows_share_is_said_once_and_empty_columns_are_left_out():
    table = pd.DataFrame({"seed": [7, 7], "stage": ["early", "full"], "cause": [np.nan, ""]})
    listing = tables.listing(table)
    assert (listing.shared, listing.rows) == ("seed 7", [["early"], ["full"]])
    page = html.render("a", [html.Section(listing=listing)])
    assert "The same in every row: seed 7." in page
    assert "No row" in html.render("a", [html.Section(listing=tables.listing(table[:0]))])


def test_columns_have_readable_names():
    assert metrics.METRICS.keys() <= COLUMNS.keys()
    assert column("my_own").name == "my own"
    for one in COLUMNS.values():
        assert "_" not in one.name
        assert (one.unit == "%") == (one.scale == 100)
