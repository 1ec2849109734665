"""The digests of files that a run has among its artifacts, compared with those in the jobs' logs.

Who changes a file and the log of its job has to change the run, too.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from sigmoid_bce.jobs.digests import Difference, digest, regular
from sigmoid_bce.jobs.verified import rank
from sigmoid_bce.tracking import runs
from sigmoid_bce.tracking.held import root_of

# isort: split
from mlflow import MlflowClient
from mlflow.entities import Run


def has_changed(held: Run, wanted: runs.Run) -> bool:
    """Return whether files have changed since a run was logged: its tag names their content then.

    Parameters
    ----------
    held : mlflow.entities.Run
    wanted : runs.Run
        The run as the files describe it.
    """
    return bool(held.data.tags.get("content") != wanted.content)


def changed_since(
    client: MlflowClient, held: Run, wanted: runs.Run, results: Path
) -> Iterator[Difference]:
    """Yield the files of which a run has another digest than the logs of their jobs.

    Parameters
    ----------
    client : MlflowClient
    held : mlflow.entities.Run
    wanted : runs.Run
        The run as the files describe it.
    results : Path
        The study's folder.
    """
    if not has_changed(held, wanted):
        return  # at most the artifact itself was changed
    for name, text in wanted.texts:
        said = json.loads(text).get("files")
        if said is None or (logged := _digests(client, held, name)) is None:
            continue
        for file in sorted({*said, *logged}):
            if said.get(file) != logged.get(file):
                what = _what(results / file, said.get(file), logged.get(file))
                yield Difference(file, f"{what} (run {held.info.run_id})")


def _digests(client: MlflowClient, held: Run, name: str) -> dict[str, str] | None:
    """Return the digests in an artifact; None if it has none, which is told of the artifact."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            root = root_of(held.info.artifact_uri)
            file = (
                root / name if root else client.download_artifacts(held.info.run_id, name, folder)
            )
            found = json.loads(Path(file).read_text())["files"]
    except Exception:  # of each kind of store
        return None
    return found if isinstance(found, dict) else None


def _what(file: Path, said: str | None, logged: str | None) -> str:
    if logged is None:
        return "it was made after the run was logged"
    if said is None:
        return "no log of a job names it any more, but the run that was logged"
    try:
        regular(file)
        alone = digest(file) == logged
    except (OSError, ValueError):
        alone = False
    if alone:
        return "its job's log was changed after the run was logged"
    return "it and its job's log were changed after the run was logged"


def in_order(found: Iterable[Difference]) -> list[str]:
    """Return a line for each difference, in the order of the data's way."""
    return [str(one) for one in sorted(found, key=lambda one: rank(one.file))]
