"""The runs above the cells that differ only in their seed: means and intervals of their metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from sigmoid_bce.study.cells import Cell
from sigmoid_bce.tracking.notes import NOTE, note, over_seeds, percent, summary, units
from sigmoid_bce.tracking.points import Point, shown_points
from sigmoid_bce.tracking.runs import Run, group_name

METRICS = {
    "full/val_accuracy": ("accuracy", percent, (0.0, 1.0)),
    "full/clipped_share": ("clipped", percent, (0.0, 1.0)),
    "full/bce_sigmoid_error_max": ("error_1e-7", units, (0.0, math.inf)),
}
"""Of each metric: the tag that shows it in a column, how, and the bounds within which it lies."""
SAID = (
    "Means over the seeds. In brackets: the 95 % interval of the mean (Student's t) from three "
    "seeds on, both values of two."
)
PARAMS = ("dataset", "model", "loss", "batch_size", "precision")


def group_runs(runs: Sequence[Run], results: Path) -> list[Run]:
    """Return a run for each group of cells that differ only in their seed.

    Its metrics are the number of seeds n and, over the seeds, what `summary` returns.

    Parameters
    ----------
    runs : sequence of Run
        The runs of finished cells.
    results : Path
        The study's folder.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.parent:
            groups.setdefault(run.parent, []).append(run)
    return [_group_run(key, members, results) for key, members in groups.items()]


def _group_run(key: str, members: Sequence[Run], results: Path) -> Run:
    end = max(run.end for run in members)
    points = [Point("n", 0, float(len(members)), end)]
    tags: dict[str, str] = {}
    for name, (tag, show, bounds) in METRICS.items():
        values = [point.value for run in members for point in run.points if point.key == name]
        parts = summary(values, bounds).items()
        points += [Point(f"{name}_{part}", 0, value, end) for part, value in parts]
        tags |= {tag: over_seeds(values, show, bounds)} if values else {}
    points += shown_points(points, "_mean")
    of_one = members[0].params
    params = {name: of_one[name] for name in PARAMS if name in of_one}
    return Run(
        key=key,
        name=f"{group_name(Cell.parse(members[0].key))}, all seeds",
        kind="group",
        status="FINISHED",
        start=min(run.start for run in members),
        end=end,
        params=params,
        points=tuple(points),
        tags=tags | {NOTE: note(SAID, results, [f"train/{key}/", "tables/cells.csv"])},
    )
