"""The tables and numbers of README's pages: frameworks, trained networks, learning, set-up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from committed import KERAS, RANGED, read
from sigmoid_bce.numerics import catalogue
from sigmoid_bce.numerics.tables import RECORD, read_thresholds
from words import NETWORKS, markdown, number

SHOWN = {
    ("Keras on TensorFlow", KERAS): "`Dense(1, sigmoid)`, `BinaryCrossentropy()`",
    ("Keras on TensorFlow", "Dense(1, sigmoid), Reshape, BinaryCrossentropy()"): "the same with a "
    "`Reshape` between",
    ("Keras on JAX", KERAS): "`Dense(1, sigmoid)`, `BinaryCrossentropy()`",
    ("Keras on PyTorch", KERAS): "`Dense(1, sigmoid)`, `BinaryCrossentropy()`",
    ("PyTorch", "BCELoss() after sigmoid"): "`BCELoss()` after a sigmoid",
    ("PyTorch", "BCEWithLogitsLoss()"): "`BCEWithLogitsLoss()`",
    ("JAX", "optax.sigmoid_binary_cross_entropy"): "optax `sigmoid_binary_cross_entropy`",
    ("TensorFlow", "sigmoid_cross_entropy_with_logits"): "`sigmoid_cross_entropy_with_logits`",
}
"""Framework and implementation of the programs in README's table, and how it writes them."""
METRIC = "evaluate, a sample a batch"
"""A mode that says what another one does."""
FACTS = {
    "constant from": "loss_flat",
    "gradient off from": "gradient_off",
    "gradient 0 from": "gradient_zero_first",
}
"""What README says of either label on the wrong side, and the threshold behind it."""


def _fact(row: pd.Series, place: str) -> str:
    """Return where something happens to one label of one program, in one word or number."""
    if place.startswith("gradient") and not (row["has_gradient"] and not row["gradient_by_hand"]):
        return "not for training"
    return number(row[place], ".1f") if np.isfinite(row[place]) else "never"


def _programs() -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield framework, program, its modes and its facts; modes with the same facts share a line."""
    record = read_thresholds(RECORD)
    wrong = record[(record["side"] == "wrong") & (record["dtype"] == "float32")]
    for (framework, implementation), written in SHOWN.items():
        here = wrong[
            (wrong["framework"] == framework) & (wrong["implementation"] == implementation)
        ]
        modes: dict[tuple[str, ...], list[str]] = {}
        for mode, part in here[here["mode"] != METRIC].groupby("mode", sort=False):
            label = part.set_index("y")
            cells = tuple(_fact(label.loc[y], place) for y in (1, 0) for place in FACTS.values())
            modes.setdefault(cells, []).append(str(mode))
        for cells, shared in modes.items():
            yield framework, written, ", ".join(filter(None, shared)), list(cells)


def frameworks() -> str:
    """Return the table of what happens to misclassified samples in float32, from the record."""
    lines = [[name, f"{text}: {mode}" if mode else text, *cells]
             for name, text, mode, cells in _programs()]  # fmt: skip
    facts = [f"label {y}: loss {fact}" if "constant" in fact else f"label {y}: {fact}"
             for y in (1, 0) for fact in FACTS]  # fmt: skip
    return markdown(["framework", "what you write", *facts], "llrrrrrr", lines)


def record_origin() -> str:
    """Return releases, processors and dates of the programs that README shows."""
    record = read_thresholds(RECORD)
    rows = record[
        pd.MultiIndex.from_frame(record[["framework", "implementation"]]).isin(list(SHOWN))
    ]
    own = {module.TITLE: module.PACKAGES[0] for _, module in catalogue.modules()}
    releases = set()
    for framework, version in rows[["framework", "version"]].drop_duplicates().to_numpy().tolist():
        # of a framework of one distribution, the record has the release alone
        words = version.split() if " " in version else [own[framework], version]
        releases |= {
            f"{name} {release}" for name, release in zip(words[::2], words[1::2], strict=True)
        }
    where, when = (" and ".join(sorted(rows[name].unique())) for name in ("processor", "date"))
    return f"{', '.join(sorted(releases))}; {where}; {when}"


def ranged() -> pd.DataFrame:
    """Return the trained networks of every set of instructions: a row a set, network and stage."""
    return pd.concat([read(name) for name in RANGED], ignore_index=True)


def span(values: pd.Series, form: str, unit: str = "") -> str:
    """Return the range of some values, one number if all are written alike.

    Examples
    --------
    >>> span(pd.Series([0.81, 0.82]), ".2f"), span(pd.Series([1.001, 1.0]), ".1f", " %")
    ('0.81 to 0.82', '1.0 %')
    """
    ends = dict.fromkeys(number(value, form) for value in (values.min(), values.max()))
    return " to ".join(ends) + unit


def networks() -> str:
    """Return the table of fully trained networks, each number as a range."""
    full = ranged().query("stage == 'full'")
    lines = [
        [
            NETWORKS[str(name)],
            span(rows["val_accuracy_mean"], ".2f"),
            span(rows["raw_output_max"], ".0f"),
            span(100 * rows["clipped_share_max"], ".1f", " %"),
            span(100 * rows["dead_wrong_share_max"], ".1g", " %"),
            span(rows["bce_sigmoid_error_max"], ".0e"),
            span(rows["furthest_wrong"], ".1f"),
        ]
        for name, rows in full.groupby("model", sort=False)
    ]
    head = [
        "network",
        "mean validation accuracy",
        "largest raw output, training",
        "training images beyond the clip, at most",
        "of these on the wrong side, at most",
        "largest error of a training image's clipped loss",
        "wrong validation image furthest out, &#124;raw output&#124;",
    ]
    return markdown(head, "lrrrrrr", lines)


def quotes() -> dict[str, str]:
    """Return the numbers of README's prose, by name."""
    clipped = read("learning").query("loss == 'sigmoid_clipped'")["verdict"].value_counts()
    stuck = read("stuck").groupby("loss")[["stuck", "n"]].sum()
    there = read("stuck").query("loss == 'sigmoid_clipped' and stuck > 0")
    record = read_thresholds(RECORD)
    wrong = record[(record["side"] == "wrong") & (record["dtype"] == "float32")]
    keras = wrong[wrong["implementation"].eq("Dense(1, sigmoid), Reshape, BinaryCrossentropy()")]
    dead = keras.query("framework == 'Keras on TensorFlow' and mode == 'eager' and y == 1")
    worst = read("learning").query("loss == 'sigmoid_clipped' and metric == 'auc'")
    worst = worst.loc[worst["difference"].idxmin()]
    full = ranged().query("stage == 'full'")
    return {
        "regimes": number(clipped.sum(), "d"),
        "regimes harmed": number(clipped["harms"], "d"),
        "regimes equivalent": number(clipped["equivalent"], "d"),
        "regimes helped": number(clipped["helps"], "d"),
        "regimes without a verdict": number(clipped["open"] + clipped["not decidable"], "d"),
        "stuck with the clip": number(stuck.loc["sigmoid_clipped", "stuck"], ",d"),
        "regimes with stuck networks": number(len(there), "d"),
        "networks there": number(there["n"].sum(), ",d"),
        "networks with the clip": number(stuck.loc["sigmoid_clipped", "n"], ",d"),
        "stuck from logits": number(stuck.loc["logits", "stuck"], ",d"),
        "networks from logits": number(stuck.loc["logits", "n"], ",d"),
        "worst regime, clipped": number(worst["mean"], ".2f"),
        "worst regime, logits": number(worst["mean_reference"], ".2f"),
        "dead from, label 1": number(dead["gradient_zero_first"].iloc[0], ".1f"),
        "clipped, range": span(100 * full["clipped_share_max"], ".1f", " %"),
        "furthest wrong, range": span(full["furthest_wrong"], ".1f"),
        "frameworks in the record": number(_frameworks(record), "d"),
        "origin of the record": record_origin(),
        "origin of ranges": " and ".join(full["processor"].unique()),
    }


def _frameworks(record: pd.DataFrame) -> int:
    return int(
        (~record["framework"].isin(["exact", "history"])).groupby(record["framework"]).any().sum()
    )
