"""The wrong side: what each misclassified sample loses, and which losses no longer say it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from sigmoid_bce.comparison.words import counted
from sigmoid_bce.figures import style
from sigmoid_bce.numerics import formulas

SHADE = "0.9"
"""The grey of the zone in which the gradient of the loss from the sigmoid output is 0."""
LEAST_REACH, MOST_REACH = 32.0, 200.0
"""A panel shows at least so much of the wrong side; one that shows more bends its axes."""
LINEAR = 32
"""Up to here a bent axis is linear."""
FURTHEST = 4
"""Samples in the list of those that are furthest on the wrong side."""
SIZES, MARKERS = (20, 5), "os"
"""Of label 0 and label 1."""
SIZE = style.SMALL
SPLITS = {"train": "training", "validation": "validation"}
"""The parts of a data set, and how figures call them."""
CLIP = float(np.log1p(-formulas.EPSILON) - np.log(formulas.EPSILON))
"""The distance from 0 from which Keras's clip acts."""


def is_wrong(table: pd.DataFrame) -> pd.Series:
    """Return which samples are misclassified.

    Examples
    --------
    >>> is_wrong(pd.DataFrame({"raw_output": [3.0, -1.0, 0.0], "label": [1, 1, 0]})).tolist()
    [False, True, False]
    """
    wrong: pd.Series = (table["raw_output"] > 0) != (table["label"] == 1)
    return wrong


def lost(table: pd.DataFrame) -> pd.Series:
    """Return which samples are on the wrong side of the clip, where the loss is flat.

    Examples
    --------
    >>> table = pd.DataFrame({"raw_output": [20.0, 20.0], "label": [0, 1], "clipped": True})
    >>> lost(table).tolist()
    [True, False]
    """
    return table["clipped"] & is_wrong(table)


def furthest(table: pd.DataFrame, number: int = FURTHEST) -> pd.DataFrame:
    """Return the misclassified samples with the greatest distance from 0, greatest first."""
    wrong = table[is_wrong(table)]
    order = pd.DataFrame({"far": -wrong["raw_output"].abs(), "id": wrong["sample_id"]})
    return wrong.loc[order.sort_values(["far", "id"]).index[:number]]


def reach(table: pd.DataFrame) -> float:
    """Return how much of the wrong side a panel shows."""
    far = furthest(table, 1)["raw_output"].abs()
    return max(LEAST_REACH, 1.1 * float(far.iloc[0]) if len(far) else 0)


def _marks(axes: Axes, table: pd.DataFrame, label: int, name: str) -> None:
    """Draw what the misclassified samples of one label lose: exactly, and from the sigmoid."""
    # those that no eye tells apart are drawn once
    names = ["clipped", "raw_output", "bce_sigmoid", "bce_exact"]
    rows = np.unique(table[names].astype(np.float64).abs().round(1), axis=0)
    gone, far, found, exact = rows.T
    gone = gone > 0
    colour, size = style.CLASS_COLOURS[label], SIZES[label]
    look: dict[str, Any] = {"s": size, "marker": MARKERS[label], "zorder": 3}
    axes.scatter(far, found, color=colour, lw=0, label=f"_{name}: from the sigmoid output", **look)
    axes.vlines(
        far[gone], found[gone], exact[gone], color=colour, lw=0.8, zorder=2, label="_nolegend_"
    )
    axes.scatter(
        far[gone], exact[gone], facecolor="white", edgecolor=colour, lw=1,
        label=f"_{name}: exact loss", **look,
    )  # fmt: skip


def panel(
    axes: Axes,
    table: pd.DataFrame,
    classes: Sequence[str],
    far: float,
    unit: str,
    size: float,
    some: bool = False,
) -> None:
    """Draw the losses of misclassified samples against their distance from 0.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns label, raw_output, bce_sigmoid, bce_exact, clipped.
    classes : sequence of two str
        Names of label 0 and label 1.
    far : float
        The distance up to which the panel shows the wrong side.
    unit : str
        What the samples are called, in the plural.
    size : float
        The width of the panel in inches.
    some : bool
        Whether the table holds only some samples, the furthest among them.
    """
    x = np.linspace(0, far, 400).astype(table["raw_output"].to_numpy().dtype)
    axes.axvspan(CLIP, far, color=SHADE, lw=0, zorder=0)
    axes.plot(x, np.logaddexp(0, x), color="0.6", lw=0.8, zorder=1, label="_exact loss")
    flat = x[x >= CLIP - 1]
    for raw, label in ((flat, 0), (-flat, 1)):
        loss = formulas.loss_from_probabilities(formulas.sigmoid(raw), np.full_like(raw, label))
        name = f"_clip, {classes[label]}"
        axes.plot(flat, loss, color=style.CLIP_COLOUR, ls="--", lw=1, zorder=1, label=name)
    wrong = table[is_wrong(table)]
    for label in (0, 1):
        _marks(axes, wrong[wrong["label"] == label], label, classes[label])
    axes.set(xlim=(0, far), ylim=(0, far), xlabel="raw output, on the wrong side")
    axes.set_ylabel(f"loss of {unit}")
    axes.set_box_aspect(1)
    axes.locator_params(nbins=5)
    if far > MOST_REACH:
        decades = np.arange(2, np.log10(far))
        ticks = [0, *10.0 ** decades[:: -(-len(decades) // 4)]]
        axes.set_xscale("symlog", linthresh=LINEAR)
        axes.set_yscale("symlog", linthresh=LINEAR)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(ticks, [style.power(tick) for tick in ticks])
            axis.set_minor_locator(NullLocator())
    gone = int(wrong["clipped"].sum())
    shown = " shown" if some and gone else ""
    of = " of the clip" if len(wrong) else ""
    zone = axes.transAxes.inverted().transform(axes.transData.transform((CLIP, 0)))[0]
    words = f"{counted(gone, unit.removesuffix('s'))}{shown} on the wrong side{of}"
    axes.text(
        0.98, 0.03, "\n".join(style.wrap(words, (1 - zone) * size - 0.06, SIZE)),
        transform=axes.transAxes, ha="right", va="bottom", fontsize=SIZE, linespacing=1.1, zorder=5,
        bbox={"fc": SHADE, "ec": "none", "pad": 1, "alpha": 0.8},
    )  # fmt: skip


def _entry(row: Mapping[Hashable, Any], classes: Sequence[str], unit: str, room: float) -> str:
    """Return two lines about a sample: who it is, and what it loses."""
    split, number = SPLITS.get(row.get("split", ""), ""), row["sample_id"]
    one = unit.removesuffix("s")
    who = f"{split or one} {number if number >= 0 else ''}".strip()
    label = classes[int(row["label"] == 1)]
    name = style.wrap(label, room - style.width(f"{who}, ", SIZE), SIZE, 1)
    dead = ", gradient 0" if row["dead"] else ""
    losses = f"{row['bce_exact']:.2f} → {row['bce_sigmoid']:.2f}{dead}"
    return f"{who}, {name[0] if name else label}\n    {losses}"


def listed(axes: Axes, table: pd.DataFrame, classes: Sequence[str], unit: str, room: float) -> None:
    """Write the samples that are furthest on the wrong side, and what each loses, into a panel.

    Parameters
    ----------
    axes : Axes
        Nothing else is drawn in it.
    table : DataFrame
        Columns sample_id, label, raw_output, bce_exact, bce_sigmoid, dead; and split if there are
        several.
    classes : sequence of two str
        Names of label 0 and label 1.
    unit : str
        What the samples are called, in the plural.
    room : float
        The width of the panel in inches.
    """
    axes.axis("off")
    rows = furthest(table).to_dict("records")
    one = unit.removesuffix("s")
    head = "Furthest on the wrong side:\nexact loss → from the sigmoid"
    axes.text(
        0, 1, head if rows else f"Every {one} is\non the correct side.", transform=axes.transAxes,
        va="top", fontsize=SIZE, linespacing=1.35,
    )  # fmt: skip
    entries = [_entry(row, classes, unit, room) for row in rows]
    axes.text(
        0, 0.8, "\n".join(entries), transform=axes.transAxes, va="top", fontsize=SIZE,
        linespacing=1.35,
    )  # fmt: skip
