"""The schemas of a study: both accept the same studies, and the Workflow Catalog lists all keys."""

import copy
import json
from functools import cache

import hypothesis
import jsonschema
import pytest
import yaml

from sigmoid_bce.jobs import plugins
from sigmoid_bce.study.parse import parse
from sigmoid_bce.study.schema import ANY_NAME, inlined, schema, texts
from support.checkout import DEFAULT, ROOT
from support.fuzz import BASES, configurations, places

FOLDER = ROOT / "workflow/schemas"
STUDIES = sorted((ROOT / "config").rglob("*.yaml"))
HEAD = "# yaml-language-server: $schema="


@cache
def validators():
    both = [jsonschema.Draft202012Validator(found) for found in (schema(), inlined())]
    for validator in both:
        validator.check_schema(validator.schema)
    return both


def accepted(study):
    """Return whether a study fits the schemas, which have to agree."""
    as_json = json.loads(json.dumps(study, default=str))
    whole, listed = (validator.is_valid(as_json) for validator in validators())
    assert whole == listed
    return whole


def test_the_files_are_the_generated_ones():
    assert {file.name: file.read_text() for file in FOLDER.iterdir()} == texts(), "make schema"


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_committed_studies_fit(file):
    study = yaml.safe_load(file.read_text())
    parse(study)
    assert accepted(study)


@pytest.mark.parametrize("name", [ANY_NAME, "Dogs and cats", "dögs", "", "-d", "d" * 129])
@pytest.mark.parametrize("section", ["datasets", "models"])
def test_a_name_of_another_form_is_refused(section, name):
    study = copy.deepcopy(DEFAULT)
    assert accepted(study)
    study[section][name] = next(iter(study[section].values()))
    assert not accepted(study)


@pytest.mark.parametrize("base", BASES[1:], ids=["smoke", "default and more"])
def test_both_schemas_require_the_same_keys(base):
    kept = []
    for *folder, key in list(places(base)):
        study = copy.deepcopy(base)
        node = study
        for part in folder:
            node = node[part]
        del node[key]
        kept.append(accepted(study))
    assert 0.2 < sum(kept) / len(kept) < 0.8


@hypothesis.settings(max_examples=100)
@hypothesis.given(configurations())
def test_both_schemas_accept_the_same(study):
    accepted(study)


def test_the_schema_lists_plug_ins():
    grid = schema()["$defs"]["Grid"]["properties"]
    assert grid["loss"]["items"]["enum"] == plugins.names("training/losses")


def rows(part, path=()):
    """Yield path and entry of the keys that the Workflow Catalog lists, as its source does."""
    for name, entry in part.get("properties", {}).items():
        yield (*path, name), entry
        yield from rows(entry, (*path, name))


def test_the_catalog_lists_every_key():
    """It reads workflow/schemas/config.schema.yaml, and follows `properties` alone."""
    found = dict(rows(yaml.safe_load((FOLDER / "config.schema.yaml").read_text())))
    sections = [schema(), *schema()["$defs"].values()]
    keys = {name for section in sections for name in section["properties"]}
    assert {path[-1] for path in found} - {ANY_NAME} == keys
    assert found[("datasets", ANY_NAME, "archive", "url")]["default"] == []
    assert "learning_rate" in found[("models", ANY_NAME)]["required"]
    for path, entry in found.items():
        # a cell of a table in Markdown, where <name> would be HTML
        assert entry["description"].strip(), path
        assert not set(f"{entry['description']}{entry.get('default')}") & set("|<>\n"), path
        assert "default" not in entry or "properties" not in entry


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_editors_find_the_schema(file):
    first = file.read_text().splitlines()[0]
    assert first.startswith(HEAD)
    named = file.parent / first.removeprefix(HEAD)
    assert named.resolve() == FOLDER / "config.schema.json"
