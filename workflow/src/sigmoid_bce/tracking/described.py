"""All runs that the files of a study describe, as far as the files can be read and say it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sigmoid_bce.jobs.attempts import process
from sigmoid_bce.jobs.files import Damaged
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.tracking import runs
from sigmoid_bce.tracking.cell_files import CellFiles
from sigmoid_bce.tracking.experiment import Experiment
from sigmoid_bce.tracking.groups import METRICS, group_runs
from sigmoid_bce.tracking.learning import learning_attempts, learning_runs
from sigmoid_bce.tracking.notes import NOTE
from sigmoid_bce.tracking.points import COUNTS, SHOWN, STAGE_METRICS
from sigmoid_bce.tracking.reconcile import cells_with_attempts, learning_cells
from sigmoid_bce.tracking.runs import group_key
from sigmoid_bce.tracking.sync import cell_runs, rows_of

OF_TABLES = {"mlflow.parentRunId", NOTE} | {tag for tag, *_ in METRICS.values()}
"""Tags of a cell and of its group that are made from tables/cells.csv, and so from its grid."""
METRICS_OF_TABLES = {*STAGE_METRICS, *SHOWN, *COUNTS}
"""Metrics of a cell that are made from it; all of a group's are."""


@dataclass
class Described:
    """The runs that files describe.

    Attributes
    ----------
    finished : dict
        The runs of finished cells, by the cells' files.
    groups, attempts, tried, paired : list of runs.Run
        The runs above the cells; the lost attempts at cells; those at learning cells, and the runs
        of learning cells.
    partly : set of int
        The `id` of the runs of which the files say only a part: no table has their cells.
    errors : list of str
        A line for each file that cannot be read.
    unread : set of (str, str)
        Kind and key of runs that are not described for that reason.
    running : set of str
        The processes that still run.
    notes : list of str
        What is no difference.
    """

    finished: dict[CellFiles, runs.Run]
    attempts: list[runs.Run]
    groups: list[runs.Run] = field(default_factory=list)
    tried: list[runs.Run] = field(default_factory=list)
    paired: list[runs.Run] = field(default_factory=list)
    partly: set[int] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    unread: set[tuple[str, str]] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def described(experiment: Experiment, results: Path) -> Described:
    """Return the runs that the files of a study describe, but its own.

    Parameters
    ----------
    experiment : Experiment
        With all its runs: a cell that has left the grid is a member of its group if it was one when
        the group was logged.
    results : Path
        The study's folder.
    """
    files = [CellFiles(results, cell) for cell in cells_with_attempts(results)]
    rows, errors = _rows(results)
    cells = cell_runs(results, files, rows or {})
    found = Described(cells.finished, cells.attempts)
    found.errors += [*errors, *cells.errors.values(), *cells.lost]
    found.unread |= {("cell", name) for name in cells.errors}
    found.unread |= {("group", group_key(Cell.parse(name))) for name in cells.errors}
    found.running |= {process(r) for f in files for r in f.attempts if r["status"] == "RUNNING"}
    _add_groups(found, experiment, rows, results)
    learning = [*learning_cells(results)]
    found.paired, damaged = learning_runs(results, learning)
    found.tried, lost = learning_attempts(results, learning, found.paired)
    found.errors += [*damaged, *lost]
    described_cells = {run.key for run in found.paired}
    found.unread |= {("learning", str(c)) for c in learning if str(c) not in described_cells}
    return found


def _rows(results: Path) -> tuple[runs.Rows | None, list[str]]:
    """Return the rows of tables/cells.csv, None if it cannot be read, and the line that says so."""
    try:
        return rows_of(results), []
    except Damaged as error:
        return None, [str(error)]


def _add_groups(
    found: Described,
    experiment: Experiment,
    rows: runs.Rows | None,
    results: Path,
) -> None:
    """Add the runs above the cells, and note which runs the table says nothing of."""
    finished = [*found.finished.values()]
    # without a table the runs were logged without it
    lacking = [run for run in (*finished, *found.attempts) if _lacks(rows, run)]
    found.partly |= {id(run) for run in lacking}
    gone = {run.key for run in lacking if run.kind == "cell"}
    if gone and rows is not None:
        cells = f"{len(gone)} cell{'s' * (len(gone) > 1)}"
        found.notes.append(
            f"{cells} of the files, not in tables/cells.csv, as after a change of the grid: "
            "what their runs have from tables was not compared"
        )
    for group, whole in _grouped(finished, gone, experiment, results):
        found.groups.append(group)
        if not whole or ("group", group.key) in found.unread:
            found.partly.add(id(group))


def _lacks(rows: runs.Rows | None, run: runs.Run) -> bool:
    return rows is None or (bool(rows) and run.key not in rows)


def _grouped(
    finished: Sequence[runs.Run], gone: set[str], experiment: Experiment, results: Path
) -> Iterator[tuple[runs.Run, bool]]:
    """Yield each group as it was logged, and whether the files say all of it.

    The workflow logs the grid's cells, and after an error all that are there.
    """
    of_grid = [run for run in finished if run.key not in gone]
    kept = {group.key: group for group in group_runs(of_grid, results)}
    for whole in group_runs(finished, results):
        held = next(iter(experiment.runs["group", whole.key]), None)
        number = held.data.metrics.get("n") if held else None
        group = kept.get(whole.key)
        if group is None:
            if held:
                yield whole, False
        elif group.points != whole.points and number == whole.points[0].value:
            yield whole, False
        else:
            yield group, True
