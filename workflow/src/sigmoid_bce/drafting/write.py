"""A study file: YAML with a comment for each key that one may want to change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import yaml

WIDTH = 100
PLAIN = r"[A-Za-z][\w./-]*(?: [\w./-]+)*"
"""Texts that need no quotes, unless YAML takes them for something else."""

COMMENTS = {
    "study": "results go to results/<study>/",
    "question": "shown in the report; any sentence",
    "datasets": "add others here, and to grid.dataset",
    "datasets.*.path": "looked for where Snakemake starts, then beside this file",
    "datasets.*.archive.file": "looked for where Snakemake starts, then beside this file",
    "datasets.*.classes": "of label 0, of label 1",
    "datasets.*.positive": "of label 1, against all others",
    "datasets.*.columns": "the features, in this order",
    "datasets.*.image_size": "pixels a side of the stored images",
    "datasets.*.channels": "1: grey, 3: colour",
    "datasets.*.scale": "raw: as it is; standardised: mean 0, deviation 1",
    "datasets.*.split": "numbers of samples, or a share; without train, all others",
    "models": "add others here, and to grid.model",
    "models.*.image_size": "pixels a side of its input",
    "models.*.filters": "of each convolution; fewer are faster",
    "models.*.max_epochs": "more for a longer training",
    "models.*.learning_rate": "lower it if the loss jumps",
    "models.*.weights": "ImageNet weights, from the Python package index",
    "models.*.function": "the function that returns the network",
    "grid": "every combination is trained once",
    "grid.loss": "of the training; docs/learning.md has all of them",
    "grid.batch_size": "each size is a training more",
    "grid.seed": "more seeds show how much chance does",
    "training.early_epochs": "epochs of the stage early",
    "training.patience": "the stage full ends after so many epochs without progress",
    "comparison.batch_sizes": "losses are averaged over batches of these sizes",
    "learning": "does the loss matter for what is learned? Remove the section to skip it",
    "learning.margins": "differences that do not matter",
    "learning.*.*.primary": "accuracy, auc, ece or exact_loss",
    "learning.*.*.loss": "logits is the reference; the twins measure chance",
    "learning.*.*.seeds": "pairs of trainings; more decide more",
}
"""What one would change, by key; `*` stands for any name."""


def scalar(value: Any) -> str:
    """Return a value as YAML that reads as the same value, whatever it is.

    Examples
    --------
    >>> print(scalar("cat"), scalar("yes"), scalar("1e3"), scalar("a: {b}"), scalar(0.2))
    cat "yes" "1e3" "a: {b}" 0.2
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return repr(value)
    if re.fullmatch(PLAIN, value, re.ASCII) and yaml.safe_load(value) == value:
        return value
    quoted = yaml.dump(value, default_style='"', allow_unicode=True, width=float("inf"))
    return quoted.rstrip("\n")


def _flow(value: Any) -> str:
    """Return a value in one line."""
    if isinstance(value, dict):
        inside = ", ".join(f"{scalar(key)}: {_flow(one)}" for key, one in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return scalar(value)


def _is_short(value: Any) -> bool:
    """Return whether a section is written in one line: numbers and words alone."""
    return all(isinstance(one, int | float) or key == "by" for key, one in value.items())


def _lines(section: dict[str, Any], where: tuple[str, ...], indent: int) -> Iterator[str]:
    for key, value in section.items():
        path = (*where, key)
        pattern = (p for p in COMMENTS if _matches(path, p))
        comment = COMMENTS.get(next(pattern, ""), "")
        head = f"{' ' * indent}{scalar(key)}:"
        if isinstance(value, dict) and not _is_short(value):
            yield f"{head}  # {comment}" if comment else head
            yield from _lines(value, path, indent + 2)
            continue
        line = f"{head} {_flow(value)}"
        if isinstance(value, list) and len(line) > WIDTH:
            yield f"{head}  # {comment}" if comment else head
            yield from (f"{' ' * (indent + 2)}- {_flow(one)}" for one in value)
            continue
        whole = f"{line}  # {comment}" if comment else line
        if comment and len(whole) > WIDTH:
            yield f"{' ' * indent}# {comment}"
            whole = line
        yield whole


def _matches(path: tuple[str, ...], pattern: str) -> bool:
    parts = pattern.split(".")
    return len(parts) == len(path) and all(map(fnmatchcase, path, parts))


def text(config: dict[str, Any], head: list[str]) -> str:
    """Return a study file.

    Parameters
    ----------
    config : dict
        Its content.
    head : list of str
        Comments above it, without their signs.

    Examples
    --------
    >>> print(text({"study": "a", "grid": {"seed": [0]}}, ["mine"]))
    # mine
    study: a  # results go to results/<study>/
    <BLANKLINE>
    grid:  # every combination is trained once
      seed: [0]  # more seeds show how much chance does
    <BLANKLINE>
    """
    lines = [f"# {line}" for line in head]
    for key, value in config.items():
        lines += [""] if isinstance(value, dict) else []
        lines += _lines({key: value}, (), 0)
    return "\n".join(lines) + "\n"
