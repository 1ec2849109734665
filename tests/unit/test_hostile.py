"""Texts of users are texts in every place that has a language of its own."""

import json
import re
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pandas as pd
import pytest
from matplotlib import pyplot as plt
from snakemake.io import apply_wildcards
from snakemake.report import Category, html_reporter

from sigmoid_bce.figures import html, style
from sigmoid_bce.jobs.logs import one_line
from sigmoid_bce.jobs.snakemake_patches import escape_report
from sigmoid_bce.planning.functions import literal
from sigmoid_bce.planning.sections import as_input
from sigmoid_bce.tracking import views
from sigmoid_bce.tracking.notes import plain
from support.hostile import NAME, UNPRINTABLE

HOSTILE = pytest.mark.parametrize(
    "text", [NAME, UNPRINTABLE, "$x_{$ <!-- --"], ids=["code", "unprintable", "formula"]
)


@HOSTILE
def test_in_a_figure(text, tmp_path):
    style.use()
    figure, (axis,) = style.row(1, 6, 4, style.plain(text))
    axis.plot([1, 10], [1, 10], label=style.plain(text))
    axis.set(xscale="log", yscale="log", title=style.plain(text))
    shown = axis.legend().get_texts()
    svg, png = tmp_path / "a.svg", tmp_path / "a.png"
    style.save(figure, svg, png)
    assert [t.get_text() for t in shown] == [style.plain(text)]
    # a long text keeps its beginning and its end, a short one everything
    start, _, end = style.plain(text).strip().partition("…")
    assert len(start) + len(end) >= min(len(one_line(text).strip()), 30)
    assert one_line(text).strip().startswith(start)
    assert one_line(text).endswith(end)
    ET.parse(svg)
    plt.close(figure)


def test_a_figure_takes_nothing_from_the_user_s_matplotlibrc():
    style.use()
    before = dict(plt.rcParams)
    plt.rcParams |= {"text.usetex": True, "axes.formatter.use_locale": True, "lines.linewidth": 9}
    style.use()
    assert dict(plt.rcParams) == before


@HOSTILE
def test_on_a_page(text, tmp_path):
    table = pd.DataFrame({one_line(text): [one_line(text)]})
    html.write(tmp_path / "a.html", text, [html.Section(one_line(text), tables=[table])])
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<img" not in page


def test_in_the_data_of_a_report(monkeypatch, capsys):
    for name in ("categories", "results", "rules"):
        render = getattr(html_reporter.data, f"render_{name}")
        monkeypatch.setattr(html_reporter.data, f"render_{name}", render)  # put back afterwards
    escape_report(None)
    place = Category(NAME)
    data = html_reporter.data.render_categories({place: {place: [SimpleNamespace(path=NAME)]}})
    assert "<" not in data
    assert json.loads(data) == {NAME: {NAME: [NAME]}}
    monkeypatch.delattr(html_reporter.data, "render_rules")
    escape_report(None)
    (line,) = capsys.readouterr().err.splitlines()
    assert "is not patched (module has no render_rules): a name with </script>" in line


def test_in_params_and_paths_of_snakemake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert literal(NAME)(None) == NAME
    file = tmp_path / "{v1} {dataset}" / "t.csv"
    file.parent.mkdir()
    file.write_text("file,label\n")
    for given in (str(file), "{v1} {dataset}/t.csv"):
        path = as_input(given)
        assert apply_wildcards(path, {"dataset": "d"}) == path
        assert (tmp_path / path).read_text() == file.read_text()
        assert as_input(given) == path
    assert as_input("100% a/$x.csv") == "100% a/$x.csv"


def test_in_mlflow_s_note():
    note = views.note("1", NAME, {"datasets": {"d": {"licence": NAME}}}, [])
    question, *_, settings = note.split("\n\n")[:-1]
    assert not re.search(r"(?<!\\)[<>`*_\[\]]", question)
    (row,) = settings.splitlines()[2:]
    assert row.count("`") == 4
    assert row.count("|") == 3


def test_in_a_line():
    assert one_line(NAME).isprintable()
    assert one_line("naïve 猫 $x") == "naïve 猫 $x"
    assert len(one_line(UNPRINTABLE).splitlines()) == 1


def test_a_note_begins_with_the_answer(tmp_path):
    file = tmp_path / "answer.csv"
    pd.DataFrame({"name": ["same"], "sentence": [f"It does. {NAME}"]}).to_csv(file, index=False)
    note = views.note("1", "", {"learning": {"margins": {}}}, [file])
    assert note.startswith(f"## Result\n\nFrom `{file}`:\n\n- It does. {plain(NAME)}")
