"""The runs above the cells that differ only in their seed: means and intervals of their metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from sigmoid_bce.tracking.runs import Point, Run

METRICS = ("full/val_accuracy", "full/clipped_share", "full/bce_sigmoid_error_max")
PARAMS = ("dataset", "model", "loss", "batch_size")
CONFIDENCE = 0.95


def group_runs(runs: Sequence[Run]) -> list[Run]:
    """Return a run for each group of cells that differ only in their seed.

    Its metrics are the number of seeds n and, over the seeds, the mean, the standard deviation and
    the ends of the 95 % interval of the mean (Student's t).

    Parameters
    ----------
    runs : sequence of Run
        The runs of finished cells.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.parent:
            groups.setdefault(run.parent, []).append(run)
    return [_group_run(key, members) for key, members in groups.items()]


def _group_run(key: str, members: Sequence[Run]) -> Run:
    end = max(run.end for run in members)
    points = [Point("n", 0, float(len(members)), end)]
    for name in METRICS:
        values = [point.value for run in members for point in run.points if point.key == name]
        points += [Point(f"{name}_{part}", 0, v, end) for part, v in interval(values).items()]
    params = {name: members[0].params[name] for name in PARAMS}
    return Run(
        key=key,
        name="{model} {loss} batch {batch_size}, all seeds".format_map(params),
        kind="group",
        status="FINISHED",
        start=min(run.start for run in members),
        end=end,
        params=params,
        points=tuple(points),
    )


def interval(values: Sequence[float]) -> dict[str, float]:
    """Return the mean, the standard deviation and the 95 % interval of the mean.

    One value has a mean only; no value has nothing.

    Examples
    --------
    >>> {name: round(value, 3) for name, value in interval([1.0, 2.0, 3.0]).items()}
    {'mean': 2.0, 'sd': 1.0, 'low': -0.484, 'high': 4.484}
    >>> interval([1.0])
    {'mean': 1.0}
    """
    if not values:
        return {}
    mean = float(np.mean(values))
    if len(values) < 2:
        return {"mean": mean}
    sd = float(np.std(values, ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * sd / math.sqrt(len(values))
    return {"mean": mean, "sd": sd, "low": mean - half, "high": mean + half}
