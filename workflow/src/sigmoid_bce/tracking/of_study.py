"""The study's own run as its files describe it: figures, tables, report, and what names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sigmoid_bce.jobs.digests import recorded
from sigmoid_bce.jobs.records import RunRecord
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.learning import LearningCell
from sigmoid_bce.tracking.cell_files import CellFiles, patch_of
from sigmoid_bce.tracking.learning import LearningFiles
from sigmoid_bce.tracking.notes import NOTE, note
from sigmoid_bce.tracking.runs import Run, digests_by_cell, machine_of, provenance, text_of

FILES = "files.json"
"""The artifact of a study's run that names all files which are of no cell, with their digests."""
IN_STUDY = "In the tab Artifacts: `report.html` (download it), `figures`, `tables`."


class Trained(NamedTuple):
    """When and by what code a cell was trained."""

    start: int
    end: int
    made_by: dict[str, str]
    patch: list[tuple[str, Path]]


def trained(record: RunRecord, end: int, results: Path) -> Trained:
    """Return when, where and by what code a cell was trained, as its record says.

    Parameters
    ----------
    record : mapping
        The content of run.json, or of a learning cell's record.
    end : int
        When the training ended, in milliseconds since 1970.
    results : Path
        The study's folder.
    """
    keep = ("mlflow.source.git.commit", "git_dirty", "lock_sha256", "versions")
    tags = provenance(record)
    made_by = {key: tags[key] for key in keep} | {"machine": machine_of(record)}
    return Trained(record["started"], end, made_by, patch_of(record, results))


def study_run(
    study: str,
    results: Path,
    trained: Sequence[Trained],
    files: Sequence[Path],
    planned: Mapping[str, int],
    digests: Mapping[str, str] | None = None,
) -> Run:
    """Return the study's own run: figures, tables and report.

    Parameters
    ----------
    study : str
    results : Path
        The study's folder.
    trained : sequence of Trained
        The finished cells of both kinds. Without any, the run's times are those of the files.
    files : sequence of Path
        The run's artifacts.
    planned : mapping
        Numbers of cells in the study, by the kind's name.
    digests : mapping, optional
        The digest of each file that is of no cell, as its job recorded it.
    """
    newest = max(trained, key=lambda cell: cell.start, default=None)
    times = [(cell.start, cell.end) for cell in trained]
    if not trained:
        times = [(int(1000 * file.stat().st_mtime),) * 2 for file in files]
    artifacts = [(str(f.parent.relative_to(results)).removeprefix("."), f) for f in files]
    artifacts += {one: None for cell in trained for one in cell.patch}
    artifacts.sort(key=lambda one: (one[0], one[1].name))
    names = [f"{folder}/{file.name}".lstrip("/") for folder, file in artifacts]
    described = note(IN_STUDY, results, ["report.html", "figures/", "tables/"])
    return Run(
        key=study,
        name=f"study {study}",
        kind="study",
        status="FINISHED",
        start=min(start for start, _ in times),
        end=max(end for _, end in times),
        params={name: str(number) for name, number in planned.items() if number},
        tags=(newest.made_by if newest else {}) | {"rule": "track_study", NOTE: described},
        artifacts=tuple(artifacts),
        texts=(text_of(FILES, {"artifacts": names, "files": digests or {}}),),
    )


def run_of(
    study: str,
    results: Path,
    cells: Sequence[Cell],
    learning: Sequence[LearningCell],
    files: Sequence[Path],
) -> Run:
    """Return the study's own run, of the records of its cells and of the logs of its jobs.

    Parameters
    ----------
    study : str
    results : Path
        The study's folder.
    cells : sequence of Cell
    learning : sequence of LearningCell
        All cells of the study, of both kinds.
    files : sequence of Path
        The run's artifacts.

    Raises
    ------
    Damaged
        If the record of a cell cannot be read.
    """
    found = [CellFiles(results, cell) for cell in cells]
    done = [trained(cell.record, cell.ended, results) for cell in found if cell.finished]
    paired = [LearningFiles(results, cell) for cell in learning]
    done += [trained(cell.record, cell.ended, results) for cell in paired if cell.finished]
    planned = {"cells": len(cells), "learning_cells": len(paired)}
    digests = digests_by_cell(recorded(results).digests)[""]
    return study_run(study, results, done, files, planned, digests)
