"""A configuration file is read strictly: each mistake is one line with the file and the line."""

import itertools
import os
from pathlib import Path

import pytest
import yaml

from sigmoid_bce.study.base import ConfigError
from sigmoid_bce.study.reading import check_arguments, load
from support.checkout import ROOT
from support.fuzz import fuzz
from support.hostile import NAME, UNPRINTABLE

QUOTES = "put it in quotes"
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in itertools.pairwise("abcdefghi")
)
"""A few lines that stand for a billion values."""

REFUSED = [
    ("a: 1\nb: 2\na: 3", 3, "the key 'a' is given twice, first in line 1"),
    ("grid:\n  seed: [0]\n  seed: [1]", 3, "the key 'seed' is given twice, first in line 2"),
    ("a: {b: 1, b: 2}", 1, "the key 'b' is given twice"),
    ("a: 1\n'a': 2", 2, "the key 'a' is given twice"),
    ("seed: [010]", 1, f"seed: 010 is read as 8: write 8, or {QUOTES}"),
    ("seed: [-0_7]", 1, f"is read as -7: write -7, or {QUOTES}"),
    ("batch_size:\n  - 1:20", 2, f"batch_size: 1:20 is read as 80: write 80, or {QUOTES}"),
    ("learning_rate: 1:30.5", 1, "is read as 90.5"),
    ("learning_rate: yes", 1, f"learning_rate: yes is read as true: write true, or {QUOTES}"),
    ("positive: yes", 1, "is read as true"),
    ("classes: [no, si]", 1, "classes: no is read as false"),
    ("classes: [On, OFF]", 1, "On is read as true"),
    ("classes: [2026-01-02, b]", 1, f"2026-01-02 is read as a date: {QUOTES}"),
    ("classes: [2026-01-02 03:04:05, b]", 1, "is read as a date"),
    ("classes: [1.10, 1.1]", 1, "classes: 1.10 is read as 1.1"),
    ("classes: [0x10, b]", 1, "0x10 is read as 16"),
    ("classes: [1_000, b]", 1, "1_000 is read as 1000"),
    ("datasets:\n  no: {}", 2, "no is read as false"),
    ("a:\n\t- b", 2, "a tab: indent with spaces"),
    ("a: [1, 2\nb: 3", 2, "expected ',' or ']'"),
    ("a: b: c", 1, "mapping values are not allowed here"),
    ("a: *b", 1, "found undefined alias 'b'"),
    ("a: &a [*a]", 1, "it holds itself"),
    ("a: =", 1, QUOTES),
    ("a: @b", 1, QUOTES),
    ("a: !!python/name:os.system", 1, QUOTES),
    ("a: !b c", 1, QUOTES),
    ("? [a]\n: b", 1, "unhashable key"),
    ("a: 1\n---\nb: 2", 2, "another document"),
    ("a: 1\nb: \x07", 2, "YAML does not allow '\\x07'"),
    ("", None, "it is empty"),
    ("# nothing", None, "it is empty"),
    ("- a", None, "expected keys and values, found list"),
    ("text", None, "expected keys and values, found str"),
    ('{"a": 1, "a": 2}', None, "the key 'a' is given twice"),
    ("a: " + "[" * 400 + "]" * 400, 1, "nested too deep"),
    (LAUGHS, None, "more than 100,000 values"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "message"), REFUSED)
def test_a_mistake(text, line, message, tmp_path):
    file = tmp_path / "my study.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    first, *_ = str(caught.value).splitlines()
    assert first.startswith(f"{file}, line {line}: " if line else f"{file}: ")
    assert message in first


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("\ufeffa: 1\r\n", {"a": 1}),
        ("a: 1e-3", {"a": "1e-3"}),
        ("a: 0x10", {"a": 16}),
        ("a: [0, 7, 1_000, 0.10, 00.5]", {"a": [0, 7, 1000, 0.1, 0.5]}),
        ("xla: yes", {"xla": True}),
        ("xla: true\nclasses: ['no', \"010\", '1:20']", None),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 3, "c": 2}}),
        ("classes: [1, 1.5]\npositive: -2", {"classes": [1, 1.5], "positive": -2}),
        ('{"a":\t[1e-3]}', {"a": [1e-3]}),
        ("a: |\n  no\n  yes: 1", None),
        (yaml.safe_dump({"question": NAME, "licence": UNPRINTABLE.replace("\ud800", "")}), None),
    ],
)
def test_nothing_else_is_refused(text, content, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(text, encoding="utf-8", newline="")
    assert load(file) == (content or yaml.safe_load(text))


def test_the_studies_are_read():
    for file in [ROOT / "config/config.yaml", *(ROOT / "config/studies").glob("*.yaml")]:
        assert load(file) == yaml.safe_load(file.read_text())


def test_what_is_no_file_of_text(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    (tmp_path / "utf16.yaml").write_bytes("a: 1".encode("utf-16"))
    for name, said in {
        "latin.yaml": "latin.yaml, line 2: byte 0xe9 is not UTF-8",
        "utf16.yaml": "utf16.yaml, line 1: byte 0xff is not UTF-8",
        ".": "this is a folder",
        "none.yaml": "there is no such configuration file",
        "long" * 100: "it cannot be read: File name too long",
        "a\0b": "it cannot be read: ",
    }.items():
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / name)
        assert said in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "bad"),
    [
        (["--configfile", "good.yaml", "bad.yaml", "-n"], True),
        (["all", "--configfile=bad.yaml", "--cores", "2"], True),
        (["--configfiles", "bad.yaml"], True),
        (["--cores", "2", "--configfile", "good.yaml", "--config", "a=1"], False),
        (["--configfile"], False),  # Snakemake explains it
        (["-n"], True),  # the default
    ],
)
def test_the_files_that_snakemake_is_called_with(arguments, bad, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_arguments(["-n"])
    (tmp_path / "config").mkdir()
    for name in ("bad.yaml", "config/config.yaml"):
        (tmp_path / name).write_text("a: 1\na: 2\n")
    (tmp_path / "good.yaml").write_text("a: 1\n")
    if not bad:
        check_arguments(arguments)
        return
    with pytest.raises(SystemExit, match=r"mistakes:\n.*\.yaml, line 2: the key 'a' is given"):
        check_arguments(arguments)


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "theirs/.snakemake").mkdir(parents=True)
    locked = {Path(), Path("theirs/.snakemake")}
    monkeypatch.setattr(os, "access", lambda folder, mode: folder not in locked)
    check_arguments(["-n", "--directory", "own"])
    for arguments in (["-n"], ["--directory=theirs"], ["-d", "theirs"]):
        with pytest.raises(SystemExit, match="cannot be written by this user: work in a copy"):
            check_arguments(arguments)


def test_a_hundred_configurations_without_a_traceback(tmp_path):
    fuzz(100, tmp_path)
