"""The raw outputs of both classes while networks learn, for each loss."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sigmoid_bce.comparison.words import counted
from sigmoid_bce.figures import arms, style
from sigmoid_bce.figures.trainings import LearningTables, literal
from sigmoid_bce.numerics.formulas import CLIP
from sigmoid_bce.study.learning import CLIPPED, REFERENCE

TITLE = "Figure 7: raw outputs while learning"
COLUMNS = 5
"""Panels in a row."""
SIZE = (style.PAGE / COLUMNS, 1.5)
"""Inches of a panel."""
LEVELS = {"q05": 0.05, "q50": 0.5, "q95": 0.95}
"""The quantile over the seeds of each quantile over the samples: the band holds both."""


def bands(tables: LearningTables, loss: str) -> dict[int, dict[str, np.ndarray]]:
    """Return the epochs and the three curves of each class in the regime that is shown."""
    columns = [f"raw_{label}_{name}" for label in (0, 1) for name in LEVELS]
    groups = tables.runs(tables.plainest, loss, columns).groupby("epoch")
    return {
        label: {
            "epoch": np.array(sorted(groups.groups)),
            **{
                name: groups[f"raw_{label}_{name}"].quantile(level).to_numpy()
                for name, level in LEVELS.items()
            },
        }
        for label in (0, 1)
    }


def draw(tables: LearningTables) -> Figure:
    """Draw a panel for each loss: a line and a band for each class, beyond the clip shaded."""
    style.use()
    regime = tables.plainest
    losses = arms.ordered(regime.models)
    title = f"{tables.place(regime)}, {counted(len(regime.seeds), 'seed')}"
    labels = ("epoch", "raw output")
    figure, axes = style.grid(len(losses), COLUMNS, SIZE, title, labels, sharex=True, sharey=True)
    for axis, loss in zip(axes, losses, strict=True):
        lines = []
        for label, curve in bands(tables, loss).items():
            colour, epochs = style.CLASS_COLOURS[label], curve["epoch"]
            about = {"color": colour, "zorder": 3}
            lines += axis.plot(epochs, curve["q50"], lw=1.6, label=f"label {label}", **about)
            axis.fill_between(
                epochs, curve["q05"], curve["q95"], color=colour, alpha=0.22, lw=0,
                label=f"_label {label}, 5 % to 95 %",
            )  # fmt: skip
            for edge in ("q05", "q95"):  # where bands overlap, their edges tell them apart
                axis.plot(epochs, curve[edge], lw=0.5, label="_nolegend_", **about)
        axis.set_title(tables.heading(regime, loss, SIZE[0] - 0.1), fontsize=style.SMALL)
        axis.set_yscale("symlog", linthresh=10)
        arms.epochs(axis, int(epochs[-1]))
    low, high = axes[0].get_ylim()
    low, high = min(low, -30), max(high, 30)
    for axis in axes:
        for ends in ((low, -CLIP), (CLIP, high)):
            axis.axhspan(*ends, color="0.9", lw=0, zorder=0)
        axis.axhline(0, color="0.6", lw=0.6, zorder=0.5)
        axis.set_yticks(arms.decades(max(-low, high), 2), minor=False)
        axis.set_ylim(low, high)  # ticks may widen it
        axis.yaxis.set_major_formatter(style.power)
    shade = Patch(color="0.9", lw=0, label=f"beyond ±{CLIP}: the clip acts")
    band = Patch(fc="0.6", ec="0.3", lw=0.5, label="5 % to 95 % of each")
    style.legend(figure, [*lines, band, shade])
    return figure


def values(tables: LearningTables) -> dict[str, int | float | str]:
    """Return what the caption quotes.

    Parameters
    ----------
    tables : LearningTables

    Returns
    -------
    dict
        The regime in a sentence, the seeds, the clip, and how far the bands reach, with logits and
        with the clip, before the first step and at the end.
    """
    regime = tables.plainest
    losses = [loss for loss in (REFERENCE, CLIPPED) if loss in regime.models]
    return {
        "regime": tables.why_plainest(),
        "seeds": counted(len(regime.seeds), "seed"),
        "clip": str(CLIP),
        "reach": " ".join(_reach(tables, loss) for loss in losses),
    }


def _reach(tables: LearningTables, loss: str) -> str:
    """Return a sentence on how far the bands of a loss reach."""
    both = bands(tables, loss).values()
    low, high = (
        [pick(curve[level][row] for curve in both) for row in (0, -1)]
        for pick, level in ((min, "q05"), (max, "q95"))
    )
    first, last = (f"from {low[row]:.3g} to {high[row]:.3g}" for row in (0, -1))
    if not np.isfinite([low[-1], high[-1]]).all():
        return f"With {literal(loss)}, no training has finite raw outputs at the end."
    ends = f"{first} before the first step and {last} at the end"
    return f"With {literal(loss)}, the bands reach {ends}."
