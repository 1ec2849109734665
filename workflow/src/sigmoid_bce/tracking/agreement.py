"""What of a run's data sets, network and artifacts is not what the files of a study say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from sigmoid_bce.jobs.digests import regular
from sigmoid_bce.jobs.files import sha256
from sigmoid_bce.tracking import runs
from sigmoid_bce.tracking.cell_files import PATCHES
from sigmoid_bce.tracking.experiment import Experiment
from sigmoid_bce.tracking.held import root_of
from sigmoid_bce.tracking.logged_digests import has_changed
from sigmoid_bce.tracking.models import (
    DIGEST,
    FILES,
    METRICS,
    digest_of,
    logged,
    name_of,
    params_of,
)

# isort: split
from mlflow.entities import LoggedModel, Run


def values(what: str, there: Mapping[str, object], expected: Mapping[str, object]) -> Iterator[str]:
    """Yield the values that MLflow holds and that the files do not say, or the other way round.

    Examples
    --------
    >>> list(values("param ", {"seed": "1"}, {"seed": "0"}))
    ["param seed is '1', the files say '0'"]
    """
    for name in sorted({*there, *expected}):
        one, other = there.get(name), expected.get(name)
        if one != other:
            yield f"{what}{name} is {_shown(one)}, the files say {_shown(other)}"


def _shown(value: object) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) < 80 else f"{text[:77]}..."


def of_data(held: Run, wanted: runs.Run) -> Iterator[str]:
    """Yield whether the data sets of a run are others."""
    there = []
    for one in held.inputs.dataset_inputs if held.inputs else ():
        data, tags = one.dataset, sorted((tag.key, tag.value) for tag in one.tags)
        more = (data.profile or "", data.schema or "", tags)
        there.append((data.name, data.digest, data.source_type, data.source, *more))
    expected = [
        (s.dataset, s.digest, runs.LOCAL, s.source, s.profile, "", [*runs.input_tags(s).items()])
        for s in wanted.data
    ]
    if sorted(there) != sorted(expected):
        yield "its data sets are not those of the files"


def of_model(experiment: Experiment, held: Run, wanted: runs.Run, partly: bool) -> Iterator[str]:
    """Yield whether the network of a run is another, or shows other numbers.

    Parameters
    ----------
    experiment : Experiment
    held : mlflow.entities.Run
    wanted : runs.Run
    partly : bool
        Leave out the model's metrics, which are made from a table.
    """
    if wanted.network is None:
        return
    model = logged(experiment, held, wanted.network)
    if model is None:
        yield "its model is missing, or is not the network of the files"
        return
    if model.name != name_of(wanted.network):
        yield f"its model's name is {model.name!r}, the files say {name_of(wanted.network)!r}"
    yield from values("its model's param ", model.params, params_of(wanted.network))
    if not partly:
        there = {m.key: (m.value, m.step, m.timestamp) for m in model.metrics or ()}
        expected = {p.key: (p.value, p.step, p.time) for p in wanted.points if p.key in METRICS}
        yield from values("its model's metric ", there, expected)
    if root := root_of(model.artifact_location):
        yield from _of_files(root, model, wanted.network)
    elif experiment.local:
        yield f"its model's files are said to be in {model.artifact_location}"


def _of_files(root: Path, model: LoggedModel, network: runs.Network) -> Iterator[str]:
    """Yield whether the files of a model on this machine are others."""
    file = network.weights
    if _digest(root / file.name) != sha256(file):
        yield f"its model's {file.name} is not the file {file}"
    told = (model.tags or {}).get(DIGEST)
    if told is None:
        yield f"its model has no tag {DIGEST}, with the digests of its files"
    for name in sorted(FILES):
        if not (root / name).is_file():
            yield f"its model's {name} is missing"
        elif told is not None and f"{name}={digest_of(root / name)}" not in told.split():
            yield f"its model's {name} is not what was logged"


def _digest(file: Path) -> str | None:
    try:
        return sha256(file)
    except OSError:
        return None


def of_artifacts(
    root: Path | None, there: Mapping[str, int], held: Run, wanted: runs.Run
) -> Iterator[str]:
    """Yield the artifacts that differ from their files: in content, on a server in size.

    Parameters
    ----------
    root : Path or None
        Where they are on this machine.
    there : mapping
        The size of each, by its name.
    held : mlflow.entities.Run
    wanted : runs.Run
    """
    sizes, texts = wanted.files, dict(wanted.texts)
    sources = {f"{folder}/{file.name}".lstrip("/"): file for folder, file in wanted.artifacts}
    for name in sorted({*there, *sizes}):
        if name not in there:
            yield f"artifact {name} is missing"
        elif name not in sizes:
            copy = ": keep it, if the patch is missing" if name.startswith(f"{PATCHES}/") else ""
            yield f"artifact {name} is none of the files{copy}"
        elif root and name in texts:
            yield from _of_text(root, name, texts[name], has_changed(held, wanted))
        elif there[name] != sizes[name] or (
            root and name in sources and _digest(root / name) != sha256(sources[name])
        ):
            yield f"artifact {name} is not the file {sources.get(name, name)}"


def _of_text(root: Path, name: str, expected: str, told: bool) -> Iterator[str]:
    """Yield what differs in an artifact that was made from records and logs.

    Its digests are left out if they were `told` of before, each with its file.
    """
    try:
        regular(root / name)
        text = (root / name).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        yield f"artifact {name} cannot be read: {error.strerror}"
        return
    if text == expected:
        return
    try:
        held, wanted = json.loads(text), json.loads(expected)
        files = [one.pop("files", {}) for one in (held, wanted)]
        lines = [*values(f"artifact {name}: ", held, wanted)]
        if told and files[0] != files[1]:
            yield from lines
            return
        lines += values(f"artifact {name}: the digest of ", *files)
    except (ValueError, AttributeError, TypeError, RecursionError):
        lines = []
    yield from lines or [f"artifact {name} is not what the files say"]
