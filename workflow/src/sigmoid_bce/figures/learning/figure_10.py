"""Accuracy against the learning rate, for each loss, with the twins of logits as a band."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sigmoid_bce.comparison.words import counted
from sigmoid_bce.figures import arms, style
from sigmoid_bce.figures.trainings import LearningTables, literal
from sigmoid_bce.study.learning import CLIPPED, REFERENCE, TWINS, Regime, rates

TITLE = "Figure 10: learning rates and label noise"
COLUMNS = 3
"""Panels in a row."""
RING = "_some ended in nan"
RINGED = {"ls": "none", "marker": "o", "ms": 9, "mfc": "none", "mew": 0.8, "color": "0.3"}
"""How a mean is marked from which trainings are missing."""
SIZE = (style.PAGE / COLUMNS, 2.3)
"""Inches of a panel."""


class Sweep(NamedTuple):
    """The regimes of one question that differ in their learning rate alone."""

    title: str
    noise: float
    regimes: dict[float, Regime]  # by learning rate


def sweeps(tables: LearningTables) -> list[Sweep]:
    """Return every sweep of at least two rates, in the order of the questions.

    If a question flips labels, only those of questions that do so: with their own data without
    flipped labels, if they have it.
    """
    groups = rates(tables.regimes, tables.models)
    noisy = {key[:2] for key in groups if tables.noise[key[2]]}
    found = []
    for (*place, dataset, batch_size, model), regimes in groups.items():
        if tuple(place) in noisy or not noisy:
            network = json.loads(model)
            title = f"{style.plain(place[1])}: {style.plain(dataset)}, label noise "
            title += f"{100 * tables.noise[dataset]:g} %\n{network['architecture']}, "
            title += f"{network['optimizer']}, batch {batch_size}"
            found.append(Sweep(title, tables.noise[dataset], dict(sorted(regimes.items()))))
    return found


def accuracies(tables: LearningTables, sweep: Sweep, loss: str) -> pd.DataFrame:
    """Return mean validation accuracy of finite runs, and the share that failed, by rate."""
    rows = {}
    for rate, regime in sweep.regimes.items():
        if loss in regime.models:
            last = tables.judged(regime, loss)
            accuracy = last["val_accuracy"].where(~last["failed"]).mean()
            rows[rate] = {"accuracy": accuracy, "failed": last["failed"].mean()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["accuracy", "failed"])


def _panel(axis: Axes, tables: LearningTables, sweep: Sweep, losses: list[str]) -> None:
    """Draw one sweep."""
    found = {loss: accuracies(tables, sweep, loss) for loss in losses}
    plain = [found[loss]["accuracy"] for loss in ("logits", *TWINS) if loss in found]
    if len(plain) > 1:
        band = pd.concat(plain, axis=1)
        low, high = band.min(axis=1), band.max(axis=1)
        axis.fill_between(band.index, low, high, color="0.8", lw=0, label="logits and twins")
    shown = {loss: table for loss, table in found.items() if loss not in TWINS}
    for i, (loss, table) in enumerate(shown.items()):
        look = arms.look(loss)
        # later curves are thinner and have smaller markers, so that none hides another
        size = 1 - i / max(len(shown) - 1, 1)
        axis.plot(
            table.index, table["accuracy"], label=style.plain(loss), ms=3 + 4 * size,
            lw=1 + 1.8 * size, **look.line,
        )  # fmt: skip
        some = table[table["failed"] > 0]
        axis.plot(some.index, some["accuracy"], label=RING, **RINGED)
    if not any(table["accuracy"].notna().any() for table in shown.values()):
        style.empty(axis, "Every training ended in nan.")
    axis.set_xscale("log")
    lines = [
        part
        for line in sweep.title.splitlines()
        for part in style.wrap(line, SIZE[0] - 0.15, style.SMALL)
    ]
    axis.set_title("\n".join(lines), fontsize=style.SMALL)
    axis.xaxis.set_minor_locator(plt.NullLocator())
    axis.set_xticks(list(sweep.regimes), [f"{rate:g}" for rate in sweep.regimes])


def draw(tables: LearningTables) -> Figure:
    """Draw a panel for each sweep, with a line for each loss."""
    style.use()
    found = sweeps(tables)
    labels = ("learning rate", "mean validation accuracy")
    figure, axes = style.grid(len(found), COLUMNS, SIZE, "", labels, sharey=True)
    for axis, sweep in zip(axes, found, strict=True):
        losses = {loss for regime in sweep.regimes.values() for loss in regime.models}
        _panel(axis, tables, sweep, arms.ordered(losses))
    entries: dict[str, Any] = {}
    for axis in axes:
        handles, names = axis.get_legend_handles_labels()
        entries |= dict(zip(names, handles, strict=True))
    if any(line.get_label() == RING and len(line.get_xdata()) for a in axes for line in a.lines):
        ring = Line2D([], [], label=RING.strip("_"), **RINGED)
        entries[RING] = ring
    if entries:
        style.legend(figure, list(entries.values()))
    return figure


def values(tables: LearningTables) -> dict[str, int | float | str]:
    """Return what the caption quotes.

    Parameters
    ----------
    tables : LearningTables

    Returns
    -------
    dict
        The number of panels, and a sentence on the highest rate where most labels are flipped.
    """
    found = sweeps(tables)
    sweep = max(found, key=lambda one: one.noise)
    rate = max(sweep.regimes)
    regime = sweep.regimes[rate]
    means = {
        loss: accuracies(tables, sweep, loss)["accuracy"][rate]
        for loss in (REFERENCE, CLIPPED)
        if loss in regime.models
    }
    parts = [
        f"every training with {literal(loss)} ended in nan"
        if np.isnan(mean)
        else f"the mean accuracy is {mean:.3g} with {literal(loss)}"
        for loss, mean in means.items()
    ]
    where = f"With label noise of {100 * sweep.noise:g} % ({literal(regime.dataset)})"
    if not sweep.noise:
        where = f"With {literal(regime.dataset)}, no label of which is flipped,"
    highest = f"{where} and the highest learning rate, {rate:g}, {' and '.join(parts)}."
    return {"panels": counted(len(found), "panel"), "highest": highest}
