"""Patches that are missing in a study's folder, taken from the runs that keep them under code/.

A run that holds more than the files describe is made again: without this, the only copy of a patch
would be lost with its run.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from sigmoid_bce.jobs import patches
from sigmoid_bce.jobs.attempts import read_attempts
from sigmoid_bce.jobs.files import Damaged, replacing
from sigmoid_bce.study.learning import LearningCell
from sigmoid_bce.tracking.cell_files import PATCHES, CellFiles
from sigmoid_bce.tracking.experiment import Experiment, everything
from sigmoid_bce.tracking.held import files_of
from sigmoid_bce.tracking.learning import LearningFiles

# isort: split
from mlflow.entities import Run, ViewType


def restore(
    experiment: Experiment,
    results: Path,
    cells: Sequence[CellFiles],
    learning: Sequence[LearningCell],
    *,
    attempts: bool = True,
) -> None:
    """Write the patches that records name, and that are missing, to patches/ again.

    Parameters
    ----------
    experiment : Experiment
        Its runs are asked, deleted ones last.
    results : Path
        The study's folder.
    cells : sequence of CellFiles
    learning : sequence of LearningCell
    attempts : bool
        Whether the patches of attempts are needed, too, that did not finish their cell.
    """
    records = _finished(results, cells, learning)
    more = _attempts(results, cells, learning) if attempts else ()
    named = {record.get("git_patch") for record in chain(records, more)}
    missing = {str(name) for name in named if name and not patches.place(results, name).exists()}
    if not missing:
        return
    views = (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY)
    for run in chain.from_iterable(_runs(experiment, view) for view in views):
        there = files_of(experiment.client, run, {PATCHES})
        for name in sorted(missing):
            file = patches.place(results, name)
            artifact = f"{PATCHES}/{file.name}"
            if artifact in there and _copy(experiment, run, artifact, file):
                missing.remove(name)
                print(f"{file} was missing: it is that of run {run.info.run_id} now", flush=True)
        if not missing:
            return


def _finished(
    results: Path, cells: Sequence[CellFiles], learning: Sequence[LearningCell]
) -> Iterator[Mapping[str, Any]]:
    """Yield the records of finished cells; damaged ones are told of elsewhere."""
    paired = (LearningFiles(results, cell) for cell in learning)
    found: Iterator[CellFiles | LearningFiles] = chain(cells, paired)
    for files in found:
        with suppress(Damaged, FileNotFoundError):
            yield files.record


def _attempts(
    results: Path, cells: Sequence[CellFiles], learning: Sequence[LearningCell]
) -> Iterator[Mapping[str, Any]]:
    yield from chain.from_iterable(files.attempts for files in cells)
    for cell in learning:
        yield from read_attempts(results / "learning" / str(cell))


def _runs(experiment: Experiment, view: int) -> Iterator[Run]:
    search = partial(experiment.client.search_runs, [experiment.id], run_view_type=view)
    found: Iterator[Run] = everything(lambda token: search(page_token=token))
    yield from found


def _copy(experiment: Experiment, run: Run, artifact: str, file: Path) -> bool:
    """Copy a patch from a run to its file; return whether its content is what its name says."""
    with tempfile.TemporaryDirectory() as folder:
        found = experiment.client.download_artifacts(run.info.run_id, artifact, folder)
        content = Path(found).read_bytes()
    if not hashlib.sha256(content).hexdigest().startswith(file.stem):
        return False
    with replacing(file) as part:
        part.write_bytes(content)
    return True
