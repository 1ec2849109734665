"""Accuracy against the learning rate, for each loss, with the twins of logits as a band."""

from __future__ import annotations

import json
import textwrap
from typing import Any, NamedTuple

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sigmoid_bce.figures import arms, style
from sigmoid_bce.figures.trainings import LearningTables, literal
from sigmoid_bce.study.learning import TWINS, Regime, rates

TITLE = "Figure 10: learning rates and label noise"


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
        axis.fill_between(band.index, low, high, color="0.75", lw=0, label="logits and twins")
    for loss, table in found.items():
        if loss not in TWINS:
            look = arms.look(loss)
            axis.plot(table.index, table["accuracy"], label=loss, ms=3.5, lw=1.4, **look.line)
            some = table[table["failed"] > 0]
            axis.plot(some.index, some["accuracy"], "o", ms=9, mfc="none", color=look.colour)
    axis.set_xscale("log")
    axis.set_title(
        "\n".join(textwrap.fill(line, 44) for line in sweep.title.splitlines()), fontsize=9
    )
    axis.xaxis.set_minor_locator(plt.NullLocator())
    axis.set_xticks(list(sweep.regimes), [f"{rate:g}" for rate in sweep.regimes])


def draw(tables: LearningTables) -> Figure:
    """Draw a panel for each sweep, with a line for each loss."""
    style.use()
    found = sweeps(tables)
    labels = ("learning rate", "mean validation accuracy")
    figure, axes = style.grid(len(found), 4, (3.6, 3), "", labels, beside=2, sharey=True)
    for axis, sweep in zip(axes, found, strict=True):
        losses = {loss for regime in sweep.regimes.values() for loss in regime.models}
        _panel(axis, tables, sweep, arms.ordered(losses))
    entries: dict[str, Any] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    figure.legend(entries.values(), entries, loc="outside right center", frameon=False)
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
    parts = [
        f"{accuracies(tables, sweep, loss)['accuracy'][rate]:.3g} with {literal(loss)}"
        for loss in ("logits", "sigmoid_clipped")
        if loss in regime.models
    ]
    where = f"With label noise of {100 * sweep.noise:g} % ({literal(regime.dataset)})"
    text = f"{where} and the highest learning rate, {rate:g}, the mean accuracy is "
    return {"panels": len(found), "highest": f"{text}{' and '.join(parts)}."}
