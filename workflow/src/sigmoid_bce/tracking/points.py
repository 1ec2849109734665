"""The values of a run's metrics, as the files have them and as MLflow's page shows them well."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

import pandas as pd

from sigmoid_bce.jobs.attempts import times
from sigmoid_bce.jobs.records import AttemptRecord, Row
from sigmoid_bce.tracking.notes import percent, units

# name in MLflow, by stage: the split, and the columns of tables/cells.csv whose sum is logged
STAGE_METRICS = {
    "early/val_accuracy": ("validation", ["accuracy"]),
    "early/clipped_share": ("train", ["clipped_correct_share", "clipped_wrong_share"]),
    "full/val_accuracy": ("validation", ["accuracy"]),
    "full/clipped_share": ("train", ["clipped_correct_share", "clipped_wrong_share"]),
    "full/dead_share": ("train", ["dead_correct_share", "dead_wrong_share"]),
    "full/bce_sigmoid_error_max": ("train", ["bce_sigmoid_error_max"]),
}

SHOWN = {
    "full/clipped_percent": ("full/clipped_share", 100.0, 4),
    "full/error_1e-7": ("full/bce_sigmoid_error_max", 1e7, 3),
}
"""What columns show in full, where MLflow cuts long numbers: of what, in which unit, its digits."""


COUNTS = ("nan_count", "inf_count")
"""What a run with values that are not finite has in place of those of `SHOWN`."""


class Point(NamedTuple):
    """One value of a metric."""

    key: str
    step: int
    value: float
    time: int


def split_by_value(points: Iterable[Point]) -> tuple[list[Point], Counter[str]]:
    """Return the points with a finite value, and the numbers of nan and inf.

    Examples
    --------
    >>> points, others = split_by_value([Point("a", 1, 0.5, 0), Point("a", 2, math.inf, 0)])
    >>> len(points), dict(others)
    (1, {'nan': 0, 'inf': 1})
    """
    counts, finite = Counter(nan=0, inf=0), []
    for point in points:
        if math.isfinite(point.value):
            finite.append(point)
        else:
            counts["nan" if math.isnan(point.value) else "inf"] += 1
    return finite, counts


def epoch_points(rows: Iterable[Row], ends: Iterable[int]) -> list[Point]:
    """Return every value of some epochs, at the time when its epoch ended.

    Examples
    --------
    >>> epoch_points([{"epoch": 3, "loss": 0.5}], [1000])
    [Point(key='loss', step=3, value=0.5, time=1000)]
    """
    return [
        Point(name, int(row["epoch"]), float(value), end)
        for row, end in zip(rows, ends, strict=True)
        for name, value in row.items()
        if name != "epoch"
    ]


def history_points(history: pd.DataFrame, record: AttemptRecord) -> list[Point]:
    """Return every value of an attempt's history."""
    if history.empty:
        return []
    seconds = history["seconds"].tolist()
    # a history that was cut off may have fewer epochs
    resumed = min(record.get("resumed_from", 0), len(seconds))
    rows = cast(list[Row], history.to_dict("records"))
    return epoch_points(rows, times(record["started"], seconds, resumed))


def counted(points: list[Point], step: int, end: int) -> tuple[Point, ...]:
    """Return the finite points; and the numbers of the others, or else what columns show.

    Both at once would be more than the 15 metrics that keep MLflow's page quick.
    """
    finite, counts = split_by_value(points)
    if not any(counts.values()):
        return (*finite, *shown_points(finite))
    return (*finite, *(Point(f"{k}_count", step, float(n), end) for k, n in counts.items()))


def stage_points(rows: Iterable[Mapping[str, Any]], end: int) -> list[Point]:
    """Return the metrics of a cell's stages, from its rows of tables/cells.csv."""
    found = {(row["stage"], row["split"]): row for row in rows}
    points = []
    for key, (split, columns) in STAGE_METRICS.items():
        if row := found.get((key.split("/")[0], split)):
            value = float(sum(row[column] for column in columns))
            points.append(Point(key, int(row["epochs"]), value, end))
    return points


def shown_points(points: Iterable[Point], part: str = "") -> list[Point]:
    """Return the points of `SHOWN`: other ones in units and digits that a column shows in full.

    Parameters
    ----------
    points : iterable of Point
    part : str
        What follows the names of the metrics.

    Examples
    --------
    >>> shown_points([Point("full/clipped_share_mean", 0, 0.0123456, 0)], "_mean")
    [Point(key='full/clipped_percent_mean', step=0, value=1.235, time=0)]
    """
    found, shown = {point.key: point for point in points}, []
    for name, (key, unit, digits) in SHOWN.items():
        point = found.get(key + part)
        if point and math.isfinite(point.value):
            value = float(f"{unit * point.value:.{digits}g}")
            shown.append(point._replace(key=name + part, value=value))
    return shown


def told_by(points: Iterable[Point]) -> tuple[str, dict[str, str]]:
    """Return the result of a cell in a sentence or two, and the tags that columns show.

    Parameters
    ----------
    points : iterable of Point
        The metrics of the cell's stages.
    """
    found = {point.key.removeprefix("full/"): point.value for point in points}
    if "val_accuracy" not in found:
        return "", {}
    accuracy = percent(found["val_accuracy"])
    text = (
        f"The fully trained network has {accuracy} of the validation images right. The clipped "
        f"loss is flat for {percent(found['clipped_share'])} of the training images, and "
        f"{percent(found['dead_share'])} of them get no gradient. The largest error of an image's "
        f"loss is {units(found['bce_sigmoid_error_max'])} units of 1e-7."
    )
    return text, {"accuracy": accuracy}
