"""Documents quote committed numbers, and these repeat when they are measured again."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

import badges
import check
import collect
import committed
import render
import reports
from sigmoid_bce.numerics.tables import RECORD, read_thresholds
from support.checkout import ROOT


@pytest.fixture
def documents(tmp_path):
    """A folder with copies of the rendered documents and their pictures."""
    made = *badges.drawn(), *reports.written()
    for name in (*render.DOCUMENTS, *made, *render.PICTURES, render.EXPLORER):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def contents(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.*")}


def test_make_readme_changes_nothing_on_a_clean_checkout(documents, capsys):
    before = contents(documents)
    render.main(["--root", str(documents)])
    assert contents(documents) == before
    assert capsys.readouterr().out == ""


def test_a_number_and_a_picture_that_were_edited_are_made_again(documents, capsys):
    before = contents(documents)
    readme = documents / "README.md"
    text = readme.read_text()
    mark = render.MARK.search(text)
    readme.write_text(text.replace(mark[0], f"{mark[1]}12345{mark[4]}"))
    (documents / "docs/figure-5.png").unlink()
    render.main(["--root", str(documents)])
    assert capsys.readouterr().out.splitlines() == [
        "README.md changed",
        "docs/figure-5.png changed",
    ]
    assert readme.read_bytes() == before[readme.relative_to(documents)]
    assert not render.differ(documents / "docs/figure-5.png", ROOT / "docs/figure-5.png")
    assert render.differ(documents / "docs/figure-5.png", ROOT / "docs/figure-3.png")


@pytest.mark.parametrize(
    ("mark", "error"),
    [
        ("program", "nothing is called 'program': expected one of programs, "),
        ("table weather", "nothing is called 'weather': expected one of models, "),
    ],
)
def test_a_mark_of_nothing_is_named(documents, mark, error):
    with (documents / "README.md").open("a") as file:
        file.write(f"see <!-- = {mark} --><!-- / -->\n")
    with pytest.raises(SystemExit) as end:
        render.main(["--root", str(documents)])
    assert str(end.value.code).startswith("README.md: ")
    assert error in str(end.value.code)


def test_every_number_in_the_readme_s_tables_is_rendered():
    text = (ROOT / "README.md").read_text()
    assert len(re.findall(r"<!-- = table (\w+) -->", text)) >= 2
    by_hand = render.MARK.sub("", text)
    assert [line for line in by_hand.splitlines() if line.startswith("|")] == []


def test_the_readme_is_short_and_its_badges_are_true():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 120
    said = badges.stated()
    assert all(f"(docs/badges/{name}.svg)" in text for name in said)
    pinned = (ROOT / "envs/requirements.lock").read_text()
    assert f"\nsnakemake=={said['snakemake']}." in pinned
    assert f"\ntensorflow=={said['tensorflow']}." in pinned
    assert said["python"] in "3.11 | 3.12 | 3.13"
    assert said["licence"] in (ROOT / "LICENSE").read_text()
    # each word of the list is used for nothing else, and each is there
    words = re.findall(r"\*\*([A-Z][\w\s,]+)\*\*", text[text.index("## Ten words") :])
    assert len(", ".join(words).split(", ")) >= 10


def test_the_readme_s_claim_about_sides_is_the_table_s():
    full = committed.read("models").query("stage == 'full'")
    assert "**all are on the correct side**" in (ROOT / "README.md").read_text()
    assert (full["dead_wrong_share_max"] == 0).all()


@pytest.mark.parametrize("name", render.DOCUMENTS)
def test_marks_are_well_formed(name):
    text = (ROOT / name).read_text()
    marks = render.MARK.findall(text)
    assert text.count("<!-- =") == text.count("<!-- / -->") == len(marks)
    for line in text.splitlines():
        # Markdown takes a line that begins with a comment as HTML, and formats nothing in it
        assert not re.match(r"\s*<!-- = (?!table)", line), line


# ---- docs/numbers itself


@pytest.mark.parametrize("name", committed.KEYS)
def test_every_row_says_where_it_was_measured(name):
    table = committed.read(name)
    assert len(table)
    assert not table.duplicated(committed.KEYS[name]).any()
    for column in committed.ORIGIN:
        assert (table[column] != "").all(), column
    assert table["date"].str.fullmatch(r"\d{4}-\d\d-\d\d").all()
    assert table["passed_on"].str.fullmatch("yes|no: .+").all()
    if "dataset" in table:
        withheld = table["passed_on"].str.startswith("no: ")
        assert (withheld == table["dataset"].isin(list(collect.WITHHELD))).all()


def test_every_csv_is_known_and_described():
    names = {file.stem for file in committed.FOLDER.glob("*.csv")} - {committed.RANGES.stem}
    assert names == set(committed.KEYS)
    text = (committed.FOLDER / "README.md").read_text()
    assert all(f"| `{name}.csv` |" in text for name in names)


def test_ranges_name_tables_and_columns():
    ranges = pd.read_csv(committed.RANGES, dtype=str).fillna("")
    assert list(ranges) == check.COLUMNS
    for line in ranges.to_dict("records"):
        table = committed.read(line["table"])
        assert set(line["columns"].split(";")) <= set(table)
        assert table.eval(line["rows"]).any() if line["rows"] else True
        assert line["same processor"] in ("exact", "range")
        assert line["relative"] or line["absolute"]
    # curves and samples are looked at as pictures, sentences follow from two other tables, and a
    # command is named for what was measured by hand
    assert set(ranges["table"]) == set(committed.KEYS) - {
        "figure-3",
        "figure-5",
        "answer",
        "conclusions",
        "by-hand",
    }


def test_the_smoke_study_gives_the_committed_numbers(smoke):
    assert list(check.differences("smoke", collect.smoke(smoke / "results/smoke"))) == []


def test_the_smoke_study_s_thresholds_are_the_committed_ones(smoke):
    thresholds = collect.thresholds(smoke / "results/smoke")
    assert set(thresholds["framework"]) == {"SciPy"}
    assert list(check.differences("thresholds", thresholds)) == []


def test_a_framework_that_is_not_installed_takes_no_row_away(smoke, tmp_path, capsys):
    study = tmp_path / "laboratory"
    shutil.copytree(smoke / "results/smoke/numerics", study / "numerics")
    file = study / "numerics/implementations.csv"
    table = pd.read_csv(file)
    assert not table["status"].str.endswith("not installed").any()
    table.assign(framework="JAX", status="jax is not installed").to_csv(file, index=False)
    for function in (collect.thresholds, collect.values):
        with pytest.raises(collect.Absent, match="JAX not measured: run `make frameworks-more`"):
            function(study)
    folder, _ = collect.TABLES["thresholds"]
    study.rename(tmp_path / folder)
    assert not any(line.startswith("thresholds") for line in check.outside(tmp_path))
    assert "thresholds.csv is not compared: JAX not measured" in capsys.readouterr().out


def test_thresholds_are_the_record_s():
    record = read_thresholds(RECORD)
    named = pd.MultiIndex.from_frame(record[["framework", "implementation"]])
    record = record[named.isin(list(committed.PROGRAMS)) & (record["dtype"] == "float32")]
    assert len(record) == len(committed.read("thresholds"))
    assert list(check.differences("thresholds", record, exact=False)) == []


def test_a_number_outside_its_range_is_named():
    table = committed.read("smoke")
    assert list(check.differences("smoke", table, exact=True)) == []
    moved = table.assign(accuracy=table["accuracy"] - 1e-3)
    assert list(check.differences("smoke", moved, exact=False)) == []
    (line, *rest) = check.differences("smoke", moved, exact=True)
    assert len(rest) == len(table) - 1
    assert line.startswith("smoke.csv, logits, early, train: accuracy is ")
    assert line.endswith("on the same processor with the same releases")
    far = table.assign(accuracy=table["accuracy"] - 0.2)
    assert len(list(check.differences("smoke", far, exact=False))) == len(table)
    other = table.assign(loss="another").head(1)
    assert "no row {'loss': 'another'" in next(check.differences("smoke", other))
    gone = table.assign(accuracy=np.nan).head(1)
    assert "accuracy is nan" in next(check.differences("smoke", gone, exact=False))


def test_make_numbers_writes_what_is_there(smoke, tmp_path, capsys):
    folder = tmp_path / "numbers"
    shutil.copytree(committed.FOLDER, folder)
    (folder / "smoke.csv").unlink()
    results = tmp_path / "results"
    shutil.copytree(smoke / "results/smoke", results / "smoke")
    record = {"part": "peers", "scale": 1, "minutes": 55.6, "rows": [["g", "m", 2.5, "ratio", ""]]}
    record["machine"] = {"processor": "P", "cores": "2 of 4", "commit": "abc", "tensorflow": "1",
                         "started": "2026-01-02 03:04:05", "snakemake": "9"}  # fmt: skip
    (results / "benchmarks").mkdir()
    (results / "benchmarks/peers.json").write_text(json.dumps(record))
    (results / "benchmarks/floor.json").write_text(json.dumps({**record, "scale": 0.1}))
    collect.main(results, folder)
    said = capsys.readouterr().out
    assert "models.csv stays as it is" in said
    assert "smoke.csv: 8 rows" in said
    new = pd.read_csv(folder / "smoke.csv")
    assert list(new) == list(pd.read_csv(committed.FOLDER / "smoke.csv"))
    assert (new["passed_on"] == "yes").all()
    assert (folder / "models.csv").read_bytes() == (committed.FOLDER / "models.csv").read_bytes()
    table = pd.read_csv(folder / "benchmarks.csv").set_index(["part", "measure"])
    assert table.loc[("peers", "m"), "value"] == 2.5
    assert table.loc[("peers", "minutes"), "value"] == 56
    assert ("peers", "careful / ours") not in table.index
    # a part that was scaled down says nothing
    assert ("floor", "wall / floor") in table.index


def test_make_numbers_refuses_a_study_of_another_machine(smoke, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(smoke / "results/smoke", results / "smoke")
    for file in results.rglob("run.json"):
        file.write_text(json.dumps({**json.loads(file.read_text()), "host": "elsewhere"}))
    with pytest.raises(SystemExit, match="was run on elsewhere"):
        collect.main(results, tmp_path)


def test_tuned_rates_are_the_best_of_the_exploratory_part():
    table = committed.read("learning")
    config = yaml.safe_load((ROOT / "config/studies/learning.yaml").read_text())
    tuned = config["learning"]["confirmatory"]["rate_tuned"]
    tried = table[table["question"] == "rates"]
    for dataset in tuned["dataset"]:
        here = tried[tried["dataset"] == dataset]
        means = here.pivot(index="model", columns="loss", values="mean")
        means["logits"] = here.groupby("model")["mean_reference"].mean()
        assert means.idxmax().to_dict() == tuned["model"]


def test_every_column_of_the_tables_is_described(smoke):
    text = (ROOT / "docs/reference/files.md").read_text()
    results = smoke / "results/smoke"
    files = [*(results / "tables").glob("*.csv"), *(results / "compare").rglob("*.parquet")]
    assert len(files) > 5
    for file in files:
        table = pd.read_csv(file) if file.suffix == ".csv" else pd.read_parquet(file)
        assert [column for column in table if f"`{column}`" not in text] == [], file.name


def minutes(text):
    """Return the times in a document's words: "10 minutes a head, 4 hours a network"."""
    units = {"minute": 1, "hour": 60}
    found = re.findall(r"(\d+) (minute|hour)", text)
    return [int(number) * units[unit] for number, unit in found]


def test_the_requests_of_rules_are_those_of_the_page_about_clusters():
    rules = "".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
    rows = re.findall(
        r"^ +\| ((?:`\w+`(?:, )?)+) \| ([\d.]+) GB \| (.+) \|$",
        (ROOT / "docs/cluster.md").read_text(),
        re.MULTILINE,
    )
    assert len(rows) == 6
    for names, memory, time in rows:
        for name in re.findall(r"\w+", names):
            rule = rules.split(f"\nrule {name}:\n", 1)[-1] if f"\nrule {name}:\n" in rules else ""
            rule = rule or rules.split(f"    rule {name}:\n", 1)[1]
            asked = re.search(r"mem_mb=\D*(\d+)\D*,\n\s+runtime=(.*),\n", rule)
            assert int(asked[1]) == float(memory) * 1000, name
            assert list(map(int, re.findall(r"\d+", asked[2]))) == minutes(time), name
