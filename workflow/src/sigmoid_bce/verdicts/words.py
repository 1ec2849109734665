"""The verdict in plain words: sentences, warnings and a listing, from tables of shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.numerics import catalogue, frameworks
from sigmoid_bce.verdicts.count import Counted
from sigmoid_bce.verdicts.errors import EVERY
from sigmoid_bce.verdicts.outputs import Outputs
from sigmoid_bce.verdicts.shares import DTYPES

PRECISIONS = {
    "float32": ["float32"],
    "half precision": ["float16", "bfloat16"],
    "float64": ["float64"],
}
PAST = ("history", "exact")
"""Entries of the catalogue that are not in use today: in the tables, but not in the words."""
GLOSSARY = (
    "Wrong side: the raw output disagrees with its label. Clipped: the loss is flat. Dead: the "
    "gradient is exactly 0 although the true one is not. Shares are of all samples."
)
HARM = ["clipped_wrong_share", "dead_wrong_share", "clipped_correct_share", "dead_correct_share"]
BROKEN = ["nan_share", "inf_share"]
HEADINGS = {
    "clipped_wrong_share": "clipped: wrong",
    "clipped_correct_share": "clipped: correct",
    "dead_wrong_share": "dead: wrong",
    "dead_correct_share": "dead: correct",
}
Row = Mapping[Any, Any]


def percent(share: float) -> str:
    """Return a share as a percentage, which is 0 only if the share is.

    Examples
    --------
    >>> percent(0.0123456), percent(2e-8), percent(0.0)
    ('1.23 %', '2e-06 %', '0 %')
    """
    return f"{100 * share:.3g} %"


def _error(relative: float) -> str:
    """Return a relative error in words."""
    if relative < 10:
        return percent(relative)
    return f"a factor of {relative + 1:.2g}" if relative < 1e6 else "more than a millionfold"


def _called(row: Row) -> str:
    """Return the name of an implementation in a sentence."""
    details = [row["framework"], row["mode"], row["dtype"]]
    return f"{row['implementation']} ({', '.join(filter(None, details))})"


def _row(table: pd.DataFrame, position: int) -> Row:
    return dict(table.iloc[position])


def in_use(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of all labels together, for implementations in use today."""
    return table[(table["label"] == EVERY) & ~table["framework"].isin(PAST)]


def harmed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the implementations in use that are flat, dead, nan or inf at some sample."""
    table = in_use(table)
    return table[(table[[*HARM, *BROKEN]] > 0).any(axis=1)]


def instead(titles: Iterable[str]) -> dict[str, str]:
    """Return the code for a loss from raw outputs, by title of the framework.

    Examples
    --------
    >>> list(instead(["SciPy", "SciPy", "history"]))
    ['SciPy']
    """
    lines = {module.TITLE: module.INSTEAD for module in map(catalogue.module, frameworks.names())}
    return {title: lines[title] for title in dict.fromkeys(titles) if lines.get(title)}


def listing(table: pd.DataFrame, most: int = 20) -> str:
    """Return the implementations that are affected most, as a text table.

    Parameters
    ----------
    table : DataFrame
        Shares by label and implementation.
    most : int
        The most lines to show.
    """
    bad, total = harmed(table), len(in_use(table))
    if bad.empty:
        return "No implementation is flat, dead, nan or inf at any of these raw outputs."
    shown = bad[list(HEADINGS)].assign(broken=bad[BROKEN].max(axis=1))
    # modes with equal values share a line
    rank = (bad["dtype"].map(DTYPES.index) - DTYPES.index("float32")).abs()
    key = shown.fillna(-1.0).assign(rank=rank, **bad[["implementation", "framework", "dtype"]])
    modes = bad.groupby([key[name] for name in key], sort=False)["mode"]
    named = bad.assign(mode=modes.transform(lambda m: "/".join(filter(None, m))))
    shown.insert(0, "implementation", [_called(row) for row in named.to_dict("records")])
    # float32, the most common precision, comes first
    order = key.drop_duplicates().sort_values(["rank", *HARM], ascending=[True, *[False] * 4])
    shown = shown.loc[order.index].rename(columns={**HEADINGS, "broken": "nan, inf"})
    text = shown.head(most).to_string(index=False, float_format=percent, na_rep="-")
    if len(shown) > most:
        text += f"\n... and {len(shown) - most} more lines, in the table of implementations"
    return f"{text}\nThe other {total - len(bad)} of {total} implementations are not affected."


def _lost(part: pd.DataFrame, side: str) -> pd.DataFrame:
    """Return the implementations that are flat or dead on one side, the worst first."""
    columns = [f"dead_{side}_share", f"clipped_{side}_share"]
    part = part[(part[columns] > 0).any(axis=1)]
    return part.loc[part[columns].sum(axis=1).sort_values(ascending=False, kind="stable").index]


def _headline(table: pd.DataFrame) -> str:
    """Return the answer in one or two sentences."""
    wrong = _lost(table, "wrong")
    if len(wrong):
        columns = ["clipped_wrong_share", "dead_wrong_share"]
        most = wrong.groupby("dtype")[columns].max().max(axis=1).to_dict()
        where = [f"{name} (up to {percent(most[name])})" for name in DTYPES if name in most]
        return (
            "Verdict: it matters here. Samples on the wrong side are lost (clipped or dead) in "
            f"{', '.join(where)}. Training learns nothing from the mistakes that it should learn "
            "most from."
        )
    if len(_lost(table, "correct")):
        return (
            "Verdict: it costs little here. No sample on the wrong side is lost in any precision; "
            "some on the correct side are clipped or dead."
        )
    return "Verdict: it does not matter here. No implementation is clipped or dead at any sample."


def _worst(row: Row, side: str, samples: int) -> str:
    """Return how many samples the worst implementation loses."""
    flat, dead = (
        "" if np.isnan(share) else f"{round(share * samples):,} samples ({percent(share)})"
        for share in (row[f"clipped_{side}_share"], row[f"dead_{side}_share"])
    )
    gradient = f" and dead at {dead}" if dead else ""
    return f"The worst, {_called(row)}, is clipped at {flat}{gradient}."


def _number(lost: pd.DataFrame, of: int) -> str:
    start = int(lost["from_sigmoid"].sum())
    return (
        f"{len(lost)} of {of} implementations ({start} from the sigmoid output, "
        f"{len(lost) - start} from the raw output)"
    )


def _mean_loss_change(wrong: pd.DataFrame, mean_loss: float) -> str:
    """Return by how much the flat losses change the mean loss at most; "" if not at all."""
    change = wrong["loss_change"].abs().to_numpy()
    if not change.max() > 0:  # nan with soft labels
        return ""
    row = _row(wrong, int(change.argmax()))
    verb = "understates" if row["loss_change"] < 0 else "overstates"
    relative = f" ({percent(abs(row['loss_change']) / mean_loss)})" if mean_loss else ""
    return (
        f" The mean loss changes most with {_called(row)}, which {verb} it by "
        f"{abs(row['loss_change']):.2g}{relative}."
    )


def _on_precision(name: str, part: pd.DataFrame, samples: int, mean_loss: float) -> str:
    """Return the sentences on one precision."""
    wrong, correct = _lost(part, "wrong"), _lost(part, "correct")
    if len(wrong):
        return (
            f"In {name}, {_number(wrong, len(part))} lose samples on the wrong side. "
            f"{_worst(_row(wrong, 0), 'wrong', samples)}{_mean_loss_change(wrong, mean_loss)}"
        )
    if len(correct):
        return (
            f"In {name}, nothing is lost on the wrong side. On the correct side, "
            f"{_number(correct, len(part))} treat very good predictions as perfect. "
            f"{_worst(_row(correct, 0), 'correct', samples)}"
        )
    text = f"In {name}, none of {len(part)} implementations is clipped or dead at any sample."
    off = part[["loss_off_correct_share", "loss_off_wrong_share"]].sum(axis=1).to_numpy()
    if off.max() > 0:
        text += (
            f" The loss is more than 1 % off for at most {percent(off.max())} of samples, with "
            f"{_called(_row(part, int(off.argmax())))}."
        )
    return text


def _on_outputs(outputs: pd.DataFrame, shape: tuple[int, ...]) -> str:
    """Return the sentences on the raw outputs themselves."""
    whole = _row(outputs, -1)
    labels = f" of {len(outputs) - 1} labels" if len(outputs) > 1 else ""
    labels += f" in maps of {' x '.join(map(str, shape))} pixels (height x width)" if shape else ""
    return (
        f"{int(whole['samples']):,} raw outputs{labels} range from {whole['raw_output_min']:.3g} "
        f"to {whole['raw_output_max']:.3g}. {percent(whole['ones_share'])} have label 1, and "
        f"{percent(whole['correct_share'])} are on the correct side. The largest magnitude on the "
        f"wrong side is {whole['wrong_side_max']:.3g}. The mean loss is {whole['mean_loss']:.4g}."
    )


def _on_labels(implementations: pd.DataFrame) -> str:
    """Return the sentence on the label that is affected most, in float32."""
    single = implementations[implementations["label"] != EVERY]
    single = single[(single["dtype"] == "float32") & ~single["framework"].isin(PAST)]
    worst = single.groupby("label", sort=False)[HARM].max()
    worst = worst.sort_values(HARM, ascending=False).reset_index()
    row = _row(worst, 0)
    wrong, correct = (percent(row[f"clipped_{side}_share"]) for side in ("wrong", "correct"))
    return (
        f"Label {row['label']} is affected most in float32: depending on the implementation, up to "
        f"{wrong} of its samples are clipped on the wrong side and up to {correct} on the correct "
        "side."
    )


def _on_broken(table: pd.DataFrame) -> str:
    """Return the sentence on implementations that return nan or inf."""
    share = table[BROKEN].max(axis=1).to_numpy()
    worst = _row(table, int(share.argmax()))
    number = int((share > 0).sum())
    return (
        f"{number} of {len(table)} implementations {'return' if number > 1 else 'returns'} nan or "
        f"inf, most often {_called(worst)}: for {percent(share.max())} of samples."
    )


def _on_batches(batches: pd.DataFrame, counted: Counted) -> str:
    """Return the sentence on the mean loss of batches."""
    x = counted.sample[0]
    by_size = ", ".join(
        f"{size}: {_error(error)}"
        for size, error in zip(batches["batch_size"], batches["relative_error_max"], strict=True)
    )
    some = f" (of {len(x):,} rows, drawn evenly)" if len(x) < counted.rows else ""
    if x.shape[1] < len(counted.first[0]):
        some += f" (of {x.shape[1]:,} pixels a map)"
    return (
        "A batch mean hides part of this. With a loss from sigmoid outputs clipped at 1e-7, in "
        f"{x.dtype}, the largest relative error of a batch's mean loss is, by batch size{some}, "
        f"{by_size}."
    )


def sentences(
    outputs: pd.DataFrame, implementations: pd.DataFrame, batches: pd.DataFrame, counted: Counted
) -> list[str]:
    """Return the verdict in plain words, on implementations in use today.

    Parameters
    ----------
    outputs, implementations, batches : DataFrame
        As in `sigmoid_bce.verdicts.judge.Verdict`.
    counted : Counted

    Returns
    -------
    list of str
        The first is the answer; the others give the numbers behind it.
    """
    table, whole = in_use(implementations), _row(outputs, -1)
    lines = [_headline(table), _on_outputs(outputs, counted.shape)]
    for name, group in PRECISIONS.items():
        part = table[table["dtype"].isin(group)]
        if len(part):
            lines.append(_on_precision(name, part, int(whole["samples"]), whole["mean_loss"]))
    if len(outputs) > 1:
        lines.append(_on_labels(implementations))
    if (table[BROKEN] > 0).any(axis=None):
        lines.append(_on_broken(table))
    return [*lines, _on_batches(batches, counted)]


def warnings(outputs: Outputs, counted: Counted) -> list[str]:
    """Return limits of the verdict that the reader should know.

    Parameters
    ----------
    outputs : Outputs
    counted : Counted
    """
    out = []
    for name, tally in zip(outputs.labels, counted.tallies, strict=True):
        of = f"label {name}: " if name else ""
        if tally.left_out:
            whole = tally.left_out + tally.samples
            share = percent(tally.left_out / whole)
            out.append(f"{of}left out: {tally.left_out:,} of {whole:,} samples ({share})")
        if tally.ones in (0, tally.samples - tally.sideless):
            only = int(tally.ones > 0)
            out.append(
                f"{of}one class only: every label is {only}, and the verdict says nothing of "
                f"label {1 - only}"
            )
        if tally.soft:
            out.append(
                f"{of}{tally.soft:,} labels lie between 0 and 1: a soft label uses the thresholds "
                "of the nearer hard label, and the change of the mean loss is not computed"
            )
        if tally.sideless:
            out.append(f"{of}{tally.sideless:,} labels are 0.5, which counts for neither side")
    return out
