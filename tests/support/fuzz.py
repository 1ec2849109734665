"""Generated configurations."""

import contextlib
import copy
import json
import string

import hypothesis
import yaml
from hypothesis import strategies as st

from sigmoid_bce.study.base import ConfigError
from sigmoid_bce.study.config import Study
from sigmoid_bce.study.parse import parse
from sigmoid_bce.study.reading import load
from support.checkout import DEFAULT, SMOKE
from support.hostile import NAME, UNPRINTABLE

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 10**9, 10**30, -(2**63), 0.5, 1.0, 1e-300, 1e308]),
    st.floats(),
    st.sampled_from(["", "no", "1e-3", "../..", "a" * 300, NAME, UNPRINTABLE, "a:b", "http://"]),
    st.text(max_size=6),
    st.dates(),
    st.lists(st.sampled_from([0, "a", None, 1.5, [], {}]), max_size=3),
    st.dictionaries(st.sampled_from(["a", "seed", "url", "package", 1, None]), st.none()),
)
EXTRA = {
    "folder": {"source": "folder", "path": ".", "image_size": 8, "classes": ["a", "b"]},
    "table": {"source": "table", "path": "a.csv", "image_size": 8, "positive": "a"},
    "http": {"source": "http", "image_size": 8, "positive": "a",
             "archive": {"url": ["http://localhost/a.zip"], "sha256": "0" * 64}},
}  # fmt: skip
BASES = [DEFAULT, SMOKE, DEFAULT | {"datasets": DEFAULT["datasets"] | EXTRA}]


def places(node, path=()):
    """Yield the path of every value in a configuration."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


@st.composite
def configurations(draw):
    """Return a study with one to three values that were changed, removed, added or renamed."""
    config = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 3))):
        *folder, key = draw(st.sampled_from(list(places(config))))
        node = config
        for part in folder:
            node = node[part]
        what = draw(st.sampled_from(["change", "remove", "add", "rename"]))
        if what == "change" or isinstance(node, list):
            node[key] = draw(ODD)
        elif what == "add":
            node[draw(st.text(string.ascii_lowercase, max_size=4))] = draw(ODD)
        else:
            value = node.pop(key)
            if what == "rename":
                node[draw(st.one_of(st.text(max_size=5), st.integers(), st.booleans()))] = value
    return config


def one_line_each(read, *arguments):
    """Return a study, or None after checking that the error has a line for each mistake."""
    try:
        return read(*arguments)
    except ConfigError as error:
        lines = str(error).splitlines()
        assert lines
        assert all(line.startswith("my.yaml") and line.isprintable() for line in lines), lines
        return None


@hypothesis.given(configurations(), st.data())
def generated(config, data):
    study = one_line_each(parse, config, "my.yaml")
    assert study is None or isinstance(study, Study)
    # what a valid study says is said again by its own dump
    if study:
        assert parse(json.loads(study.model_dump_json(exclude_none=True))) == study
    try:
        text = yaml.safe_dump(config, allow_unicode=data.draw(st.booleans()))
        text.encode()
    except (yaml.YAMLError, UnicodeError):
        return
    start, length = (data.draw(st.integers(0, n)) for n in (len(text), 3))
    broken = text[:start] + data.draw(st.sampled_from("\t:-[{&*!|>'\"#%@`\x07é ")) * length
    broken += text[start:]
    with open("my.yaml", "w", encoding="utf-8") as file:
        file.write(broken)
    read = one_line_each(load, "my.yaml")
    if read is not None:
        one_line_each(parse, read, "my.yaml")


def fuzz(examples, folder):
    """Check generated configurations, in a folder for their files."""
    with contextlib.chdir(folder):
        hypothesis.settings(max_examples=examples)(generated)()
