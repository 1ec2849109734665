"""The raw outputs of both classes while networks learn, for each loss."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sigmoid_bce.figures import arms, style
from sigmoid_bce.figures.trainings import LearningTables
from sigmoid_bce.numerics.formulas import CLIP

TITLE = "Figure 7: raw outputs while learning"
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
    title = f"{tables.place(regime)}, {len(regime.seeds)} seeds"
    figure, axes = style.grid(
        len(losses),
        5,
        (2.6, 2.3),
        title,
        ("epoch", "raw output"),
        beside=1.7,
        sharex=True,
        sharey=True,
    )
    for axis, loss in zip(axes, losses, strict=True):
        for label, curve in bands(tables, loss).items():
            colour, epochs = style.CLASS_COLOURS[label], curve["epoch"]
            axis.plot(epochs, curve["q50"], color=colour, lw=2, label=f"label {label}")
            axis.fill_between(epochs, curve["q05"], curve["q95"], color=colour, alpha=0.2, lw=0)
            for edge in ("q05", "q95"):  # where bands overlap, their edges tell them apart
                axis.plot(epochs, curve[edge], color=colour, lw=0.7, label=edge)
        axis.set_title(tables.heading(regime, loss), fontsize="medium")
        axis.set_yscale("symlog", linthresh=10)
        arms.epochs(axis, int(epochs[-1]))
    low, high = axes[0].get_ylim()
    low, high = min(low, -30), max(high, 30)
    for axis in axes:
        for ends in ((low, -CLIP), (CLIP, high)):
            axis.axhspan(*ends, color="0.9", lw=0, zorder=0)
        axis.axhline(0, color="0.6", lw=0.6, zorder=0.5)
        axis.set_ylim(low, high)
        axis.set_yticks(arms.decades(max(-low, high)), minor=False)
        axis.yaxis.set_major_formatter(style.power)
    lines = [line for line in axes[0].get_lines() if line.get_label().startswith("label")]
    shade = Patch(color="0.9", label=f"beyond ±{CLIP}:\nKeras's clip acts")
    figure.legend(handles=[*lines, shade], loc="outside right center", frameon=False)
    return figure


def values(tables: LearningTables) -> dict[str, int | float | str]:
    """Return what the caption quotes.

    Parameters
    ----------
    tables : LearningTables

    Returns
    -------
    dict
        The regime in a sentence, the seeds, the clip, and the ends of the two bands, before the
        first epoch and after the last.
    """
    both = bands(tables, "logits").values()
    ends = {
        f"{name}_{end}": float(pick([curve[f"q{level}"][row] for curve in both]))
        for end, row in (("first", 0), ("last", -1))
        for name, level, pick in (("low", "05", min), ("high", "95", max))
    }
    return {
        "regime": tables.why_plainest(),
        "seeds": len(tables.plainest.seeds),
        "clip": str(CLIP),
        **ends,
    }
