"""The runs above the cells that differ only in their seed: means and intervals of their metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from sigmoid_bce.tracking.runs import Point, Run

METRICS = {
    "full/val_accuracy": (0.0, 1.0),
    "full/clipped_share": (0.0, 1.0),
    "full/bce_sigmoid_error_max": (0.0, math.inf),
}
"""Metrics, and the bounds within which each lies."""
PARAMS = ("dataset", "model", "loss", "batch_size")
CONFIDENCE = 0.95
FEWEST = 3
"""Values of which an interval is shown, at least."""


def group_runs(runs: Sequence[Run]) -> list[Run]:
    """Return a run for each group of cells that differ only in their seed.

    Its metrics are the number of seeds n and, over the seeds, what `summary` returns.

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
    for name, bounds in METRICS.items():
        values = [point.value for run in members for point in run.points if point.key == name]
        parts = summary(values, bounds).items()
        points += [Point(f"{name}_{part}", 0, value, end) for part, value in parts]
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


def summary(
    values: Sequence[float], bounds: tuple[float, float] = (-math.inf, math.inf)
) -> dict[str, float]:
    """Return the mean, and how far the values vary.

    Three values or more have a standard deviation and a 95 % interval of the mean (Student's t),
    of which the part within the bounds counts: the mean cannot lie beyond them. Two values have a
    range only, since their interval would say nothing; one has a mean only, and none has nothing.

    Parameters
    ----------
    values : sequence of float
    bounds : tuple of float
        The least and the greatest value that is possible.

    Examples
    --------
    >>> {name: round(value, 3) for name, value in summary([1.0, 2.0, 3.0], (0, 9)).items()}
    {'mean': 2.0, 'sd': 1.0, 'low': 0.0, 'high': 4.484}
    >>> summary([1.0, 2.0])
    {'mean': 1.5, 'min': 1.0, 'max': 2.0}
    """
    if not values:
        return {}
    mean = float(np.mean(values))
    if len(values) == 1:
        return {"mean": mean}
    if len(values) < FEWEST:
        return {"mean": mean, "min": min(values), "max": max(values)}
    sd = float(np.std(values, ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * sd / math.sqrt(len(values))
    low, high = np.clip([mean - half, mean + half], *bounds).tolist()
    return {"mean": mean, "sd": sd, "low": low, "high": high}
