"""The losses beside binary cross-entropy, as documents show them: a table, and a map of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sigmoid_bce.figures.inputs import LaboratoryTables
from sigmoid_bce.figures.laboratory import conformance
from sigmoid_bce.numerics.catalogue import PAST
from sigmoid_bce.numerics.names import TITLES
from sigmoid_bce.numerics.tables import RECORD, read_thresholds
from words import markdown, number

ROWS = 4
"""Rows of the record for each program and precision: two labels on two sides."""
PROGRAM = ["framework", "implementation", "mode", "dtype"]


@cache
def recorded(objective: str) -> pd.DataFrame:
    """Return the record's rows of an objective, of frameworks that are in use."""
    table = read_thresholds(RECORD, objective)
    return table[~table["framework"].isin(PAST)]


def _programs(rows: pd.DataFrame) -> int:
    return len(rows[PROGRAM].drop_duplicates())


def _least(objective: str, program: tuple[str, str], place: str, side: str = "wrong") -> float:
    """Return the least |raw output| of a program in float32, over its modes and both labels."""
    framework, implementation = program
    rows = recorded(objective)
    rows = rows[(rows["framework"] == framework) & (rows["implementation"] == implementation)]
    return float(rows[(rows["dtype"] == "float32") & (rows["side"] == side)][place].min())


TORCH = "BCELoss(weight) after sigmoid", "NLLLoss() of log after softmax"
QUOTED = {
    "weighted, gradient 0": ("weighted", ("PyTorch", TORCH[0]), "gradient_zero_first"),
    "focal, gradient 0, Keras": (
        "focal",
        ("Keras on PyTorch", "Dense(1), BinaryFocalCrossentropy(from_logits=True)"),
        "gradient_zero_first",
    ),
    "focal, gradient 0, timm": (
        "focal",
        ("timm", "AsymmetricLossMultiLabel(2, 2, clip=0), weighted"),
        "gradient_zero_first",
    ),
    "focal, off, torchvision": (
        "focal",
        ("torchvision", "sigmoid_focal_loss()"),
        "loss_off",
        "correct",
    ),
    "softmax, nan": ("softmax-2", ("PyTorch", TORCH[1]), "first_nan"),
    "softmax, clip": (
        "softmax-2",
        ("Keras on PyTorch", "Dense(2, softmax), CategoricalCrossentropy()"),
        "loss_flat",
    ),
    "softmax, flat": ("softmax-2", ("PaddlePaddle", "cross_entropy"), "loss_flat"),
}
"""Thresholds that prose quotes, by name."""


def quotes() -> dict[str, str]:
    """Return the numbers that prose quotes, by name."""
    every = pd.concat([recorded(objective) for objective in TITLES])
    programs = every[["objective", *PROGRAM]].drop_duplicates()
    return {
        "map, frameworks": number(every["framework"].nunique(), ".0f"),
        "map, programs": number(len(programs), ",.0f"),
        "explorer, programs": number(len(read_thresholds(RECORD, None)) // ROWS, ",.0f"),
    } | {name: number(_least(*where), ".1f") for name, where in QUOTED.items()}


def objectives() -> str:
    """Return the table of objectives: programs, and how many go wrong in which way."""
    lines = []
    for objective, title in TITLES.items():
        table = recorded(objective)
        least = conformance.first_wrong(table)
        wrong = table["side"] == "wrong"
        single = table[(table["dtype"] == "float32") & wrong]
        first = single["gradient_zero_first"].min()
        never = least.groupby([table[name] for name in PROGRAM]).min()
        lines.append(
            [
                f"[{title}](pictures/map-{objective}.png)",
                str(table["framework"].nunique()),
                str(_programs(table)),
                str(int(np.isinf(never).sum())),
                str(_programs(table[wrong & np.isfinite(least)])),
                str(_programs(table[wrong & table["gradient_zero_first"].notna()])),
                "–" if np.isnan(first) else number(first, ".1f"),
            ]
        )
    head = "loss, and its map|frameworks|programs|never wrong|wrong on misclassified samples"
    head += "|gradient 0 there|gradient 0 from, float32"
    return markdown(head.split("|"), "lrrrrrr", lines)


def draw(objective: str, folder: Path) -> Figure:
    """Draw the map of an objective from the record."""
    file = folder / "thresholds.csv"
    recorded(objective).to_csv(file, index=False)
    return conformance.draw(LaboratoryTables({"thresholds": file}, objective))


PICTURES: dict[str, Callable[[Path], Figure]] = {
    f"docs/pictures/map-{objective}.png": partial(draw, objective) for objective in TITLES
}
