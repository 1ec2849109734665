"""Digests are kept from one start to the next, and no longer than the code stays as it is."""

import shutil
from pathlib import Path

import pytest

from sigmoid_bce.planning import remembered
from support.checkout import ROOT

SCRIPT = ROOT / "workflow/scripts/resize.py"
CACHES = ("_code", "_kept", "digest")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Start in an empty folder, and again before and after each test."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake").mkdir()
    start()
    yield tmp_path
    start()


def start():
    for name in CACHES:
        getattr(remembered, name).cache_clear()


def first_start(folder):
    found = remembered.digest(SCRIPT)
    remembered._write(folder / remembered.FILE)
    start()
    return found


def refuse(monkeypatch):
    monkeypatch.setattr(remembered.computed, "digest", lambda *files: pytest.fail("computed again"))


def test_the_second_start_computes_nothing(folder, monkeypatch):
    found = first_start(folder)
    refuse(monkeypatch)
    assert remembered.digest(SCRIPT) == found


def test_any_change_of_code_forgets(folder, monkeypatch):
    # an installed package has no folder of the workflow above it
    package = folder / "site/sigmoid_bce"
    package.mkdir(parents=True)
    monkeypatch.setattr(remembered, "PACKAGE", package)
    first_start(folder)
    (package / "new.py").write_text("")
    monkeypatch.setattr(remembered.computed, "digest", lambda *files: "computed")
    assert remembered.digest(SCRIPT) == "computed"


def test_a_script_is_known_by_its_content(folder, monkeypatch):
    """In a git repository, Snakemake's copy of a script is in another folder at each start."""
    found = first_start(folder)
    (folder / "scripts").mkdir()
    copy = shutil.copy(SCRIPT, folder / "scripts")
    refuse(monkeypatch)
    assert remembered.digest(Path(copy)) == found
    monkeypatch.undo()
    Path(copy).write_text(f"{SCRIPT.read_text()}\n1 + 1")
    monkeypatch.setattr(remembered.computed, "digest", lambda *files: "computed")
    remembered.digest.cache_clear()
    assert remembered.digest(Path(copy)) == "computed"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"code": 1}', '{"code": null, "digests": 3}'])
def test_a_damaged_record_is_forgotten(folder, text):
    found = first_start(folder)
    (folder / remembered.FILE).write_text(text)
    assert remembered.digest(SCRIPT) == found


def test_where_nothing_can_be_written_nothing_is_kept(folder):
    remembered.digest(SCRIPT)
    (folder / ".snakemake/digests.json").write_text("a file")
    remembered._write(folder / ".snakemake" / "digests.json" / "below")
    assert (folder / ".snakemake/digests.json").read_text() == "a file"
