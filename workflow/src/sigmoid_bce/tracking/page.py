"""What the page of a study's experiment was made, in a tag of the study's run."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

PAGE = "page"
"""The tag."""


def page(tags: Mapping[str, str]) -> str:
    """Return the digest of each tag of an experiment, in short, for a tag of the study's run.

    Examples
    --------
    >>> page({"mlflow.note.content": "It matters."})
    'mlflow.note.content=15fb0ee2'
    """
    digests = (f"{key}={sha256(text.encode()).hexdigest()[:8]}" for key, text in tags.items())
    return " ".join(sorted(digests))


def changed(told: str, tags: Mapping[str, str]) -> list[str]:
    """Return the names of an experiment's tags that are not what `page` told of them.

    Parameters
    ----------
    told : str
    tags : mapping
        Of the experiment, as MLflow holds them.

    Examples
    --------
    >>> tags = {"mlflow.a": "It matters.", "b": "1"}
    >>> changed(page(tags), {"mlflow.a": "No.", "b": "1"}), changed("", tags)
    (['a'], [])
    """
    keys = {pair.rpartition("=")[0] for pair in told.split()}
    found = page({key: tags[key] for key in keys & tags.keys()}).split()
    wrong = {pair.rpartition("=")[0] for pair in {*told.split()} ^ {*found}}
    return sorted(key.removeprefix("mlflow.") for key in wrong)
