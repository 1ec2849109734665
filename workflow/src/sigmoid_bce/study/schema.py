"""The JSON schemas of a study: one for editors, one whose keys the Workflow Catalog can list."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sigmoid_bce.study.config import Study

Schema = dict[str, Any]

ANY_NAME = "NAME"
"""Stands in the list for any name of a data set, a network or a question; no study can use it."""

KINDS = ("source", "architecture")
"""The keys that tell sections of a kind apart."""


def _parts(node: object) -> Iterator[Schema]:
    """Yield the objects in a schema, itself included."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    for part in node if isinstance(node, list) else ():
        yield from _parts(part)


def schema() -> Schema:
    """Return the schema of a configuration file, in which each section is defined once.

    Examples
    --------
    >>> schema()["title"]
    'Study'
    """
    found = Study.model_json_schema()
    for part in _parts(found):
        if "patternProperties" in part:
            part["additionalProperties"] = False  # a name of another form
    return found


def _without_references(node: Any, definitions: Schema) -> Any:
    """Return a schema with each reference replaced by what it refers to."""
    if isinstance(node, list):
        return [_without_references(part, definitions) for part in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        node = definitions[node["$ref"].removeprefix("#/$defs/")] | node
    # a discriminator has references too, and says nothing that its alternatives do not say
    left_out = ("$ref", "$defs", "discriminator")
    return {
        key: _without_references(part, definitions)
        for key, part in node.items()
        if key not in left_out
    }


def _alternatives(part: Schema) -> list[Schema]:
    """Return the schemas of which a value has to fit one: the schema itself, if it lists none."""
    listed = part.get("oneOf") or part.get("anyOf")
    return [end for one in listed for end in _alternatives(one)] if listed else [part]


def _values(part: Schema) -> list[str]:
    """Return the values that a schema of fixed values allows."""
    return part.get("enum") or ([part["const"]] if "const" in part else [])


def _described(having: list[tuple[Schema, Schema]], everywhere: bool) -> str:
    """Return the descriptions of a key, each with the kinds of section in which it has it."""
    kinds: dict[str, list[str]] = {}
    for section, key in having:
        words = key.get("description", "")
        named = [value for kind in KINDS for value in _values(section["properties"].get(kind, {}))]
        kinds.setdefault(words, []).extend(named)
    alone = everywhere and len(kinds) == 1
    return " ".join(
        words if alone or not named else f"{', '.join(named)}: {words}"
        for words, named in kinds.items()
    )


def _listed_key(name: str, sections: list[Schema]) -> Schema:
    """Return the list's entry of a key that some of the sections have."""
    having = [(one, one["properties"][name]) for one in sections if name in one["properties"]]
    keys = [key for _, key in having]
    found = _listed({"anyOf": keys})
    found["description"] = _described(having, len(having) == len(sections))
    if name in KINDS:
        found["description"] = ", ".join(value for key in keys for value in _values(key))
    same = all("default" in key and key["default"] == keys[0].get("default") for key in keys)
    if same and "properties" not in found:
        found["default"] = keys[0]["default"]
    return found


def _listed_keys(ends: list[Schema]) -> Schema:
    """Return the `properties` of a list, and the `required` ones, of alternatives with keys."""
    sections = [end for end in ends if "properties" in end]
    names = list(dict.fromkeys(name for section in sections for name in section["properties"]))
    required = [name for name in names if all(name in s.get("required", ()) for s in sections)]
    keys = {name: _listed_key(name, sections) for name in names}
    for named in (value for end in ends for value in end.get("patternProperties", {}).values()):
        keys[ANY_NAME] = {"description": "Any name.", **_listed(named), "not": {}}
    found = {"properties": keys, "required": required}
    return {key: value for key, value in found.items() if value}


def _listed(part: Schema) -> Schema:
    """Return a list of the keys of a schema, as a schema that every value of the first one fits.

    Returns
    -------
    dict
        Some of `type`, `description`, `required`, and `properties`, whose values have the same form
        and may have a `default`.
    """
    ends = _alternatives(part)
    found: Schema = {}
    types = sorted({end.get("type", "object") for end in ends})
    if "object" not in types:  # the keys of an object say more than its type
        found["type"] = types[0] if len(types) == 1 else types
    words = {text for one in (part, *ends) if (text := one.get("description"))}
    if "description" in part or len(words) == 1:
        found["description"] = part.get("description") or words.pop()
    return found | _listed_keys(ends)


def inlined() -> Schema:
    """Return the same schema without references, with a list of all keys.

    The Workflow Catalog lists the keys under `properties`, and looks nowhere else. The list refuses
    nothing: `allOf` has the schema.

    Examples
    --------
    >>> keys = inlined()["properties"]
    >>> keys["models"]["properties"]["NAME"]["properties"]["filters"]["description"]
    'convnet: Filters of each 3 x 3 convolution.'
    """
    found = schema()
    whole: Schema = _without_references(found, found["$defs"])
    return _listed(whole) | {"allOf": [whole]}


class _Dumper(yaml.SafeDumper):
    """Writes equal parts each time: JSON has no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def texts() -> dict[str, str]:
    """Return the text of each file in workflow/schemas, by its name."""
    listed = yaml.dump(inlined(), Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
    head = "# For the Snakemake Workflow Catalog, which lists the keys. Written by make schema.\n"
    return {
        "config.schema.json": json.dumps(schema(), indent=2) + "\n",
        "config.schema.yaml": head + listed,
    }


if __name__ == "__main__":
    for name, text in texts().items():
        Path(sys.argv[1], name).write_text(text, encoding="utf-8")
