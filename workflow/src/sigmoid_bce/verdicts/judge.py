"""Does it matter for these raw outputs? Counts turned into shares, and shares into plain words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.comparison import compare
from sigmoid_bce.numerics import catalogue, frameworks
from sigmoid_bce.verdicts import shares as record
from sigmoid_bce.verdicts.count import Counted, Tally, run
from sigmoid_bce.verdicts.read import BadOutputs, Outputs, from_arrays

BATCH_SIZES = (1, 4, 20, 128)
EVERY = "all"
"""What the labels together are called."""
DTYPES = ("float16", "bfloat16", "float32", "float64", "longdouble")
PRECISIONS = {
    "float32": ["float32"],
    "half precision": ["float16", "bfloat16"],
    "float64": ["float64"],
}
PAST = ("history", "exact")
"""Entries of the catalogue that nobody computes with today: in the tables, not in the words."""
WORDS = (
    "Wrong side: the raw output disagrees with its label. Clipped: the loss is flat. Dead: the "
    "gradient is exactly 0 though the true one is not. Shares are of all samples."
)
HARM = ("clipped_wrong_share", "dead_wrong_share", "clipped_correct_share", "dead_correct_share")


@dataclass(frozen=True, eq=False, repr=False)
class Verdict:
    """What it costs to compute binary cross-entropy of some raw outputs from their sigmoid.

    Attributes
    ----------
    name : str
        The file's name, or what the caller called them.
    outputs : DataFrame
        By label, and for all together: samples, the share of label 1, the share on the correct
        side, the range of raw outputs, the greatest magnitude on the wrong side, the mean loss.
    implementations : DataFrame
        By label, implementation, framework, version, mode and dtype: shares of samples, by side,
        as `sigmoid_bce.verdicts.shares.shares` returns them.
    batches : DataFrame
        By batch size: batches; how many hold a clipped sample; relative error of their mean loss
        from sigmoid outputs, median and largest, of a sample of `batch_rows` rows.
    sentences, warnings : tuple of str
        The verdict in plain words; what to bear in mind.
    instead : dict of str
        By framework, what to write for a loss from raw outputs.
    """

    name: str
    outputs: pd.DataFrame
    implementations: pd.DataFrame
    batches: pd.DataFrame
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    instead: dict[str, str]

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table of implementations."""
        return self.implementations.copy()

    def __repr__(self) -> str:
        parts = [self.name, *(f"warning: {text}" for text in self.warnings), *self.sentences]
        parts += ["", _listing(self.implementations), WORDS, ""]
        parts.append("What to write instead, x a raw output and y its label:")
        width = max(map(len, self.instead), default=0)
        parts += [f"  {title:{width}}  {line}" for title, line in self.instead.items()]
        return "\n".join(parts)


def _percent(share: float) -> str:
    """Return a share as a percentage, never 0 unless it is.

    Examples
    --------
    >>> _percent(0.0123456), _percent(2e-8), _percent(0.0)
    ('1.23 %', '2e-06 %', '0 %')
    """
    return f"{100 * share:.3g} %"


def _called(row: Any) -> str:
    """Return what an implementation is called in a sentence."""
    details = [row["framework"], row["mode"], row["dtype"]]
    return f"{row['implementation']} ({', '.join(filter(None, details))})"


def _instead(titles: Iterable[str]) -> dict[str, str]:
    """Return what to write, by framework's title."""
    lines = {module.TITLE: module.INSTEAD for module in map(catalogue.module, frameworks.names())}
    return {title: lines[title] for title in dict.fromkeys(titles) if lines.get(title)}


def _of_all(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of all labels together and of implementations in use."""
    return table[(table["label"] == EVERY) & ~table["framework"].isin(PAST)]


def _listing(table: pd.DataFrame, most: int = 20) -> str:
    """Return the implementations that are worst off, as text."""
    table = _of_all(table)
    bad = table[(table[[*HARM, "nan_share", "inf_share"]] > 0).any(axis=1)]
    if bad.empty:
        return "No implementation is flat, dead, nan or inf at any of these raw outputs."
    # the common precision first
    rank = (bad["dtype"].map(DTYPES.index) - DTYPES.index("float32")).abs()
    columns = [
        f"{what}_{side}_share" for what in ("clipped", "dead") for side in ("wrong", "correct")
    ]
    shown = bad[columns].assign(broken=bad[["nan_share", "inf_share"]].max(axis=1))
    # one line where modes differ in nothing
    key = shown.fillna(-1.0).assign(rank=rank, **bad[["implementation", "framework", "dtype"]])
    modes = bad.groupby([key[name] for name in key], sort=False)["mode"]
    named = bad.assign(mode=modes.transform(lambda m: "/".join(filter(None, m))))
    shown.insert(0, "implementation", [_called(row) for row in named.to_dict("records")])
    order = key.drop_duplicates().sort_values(["rank", *HARM], ascending=[True, *[False] * 4])
    shown = shown.loc[order.index]
    shown.columns = [
        "implementation",
        "clipped: wrong side",
        "correct",
        "dead: wrong side",
        "correct ",
        "nan, inf",
    ]
    text = shown.head(most).to_string(index=False, float_format=_percent, na_rep="-")
    if len(shown) > most:
        text += f"\n... and {len(shown) - most} more lines, in the table of implementations"
    rest = len(table) - len(bad)
    return f"{text}\nNothing of that in the other {rest} of {len(table)} implementations."


def _summary(name: str, tally: Tally) -> dict[str, object]:
    """Return what there is to say of the raw outputs of one label."""
    sided = tally.samples - tally.sideless
    return {
        "label": name,
        "samples": tally.samples,
        "ones_share": tally.ones / tally.samples,
        "correct_share": tally.correct / sided if sided else np.nan,
        "raw_output_min": tally.low,
        "raw_output_max": tally.high,
        "wrong_side_max": tally.wrong,
        "mean_loss": tally.loss / tally.samples,
    }


def compared(counted: Counted) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the comparison by sample and by batch, of the rows that were kept.

    Parameters
    ----------
    counted : Counted

    Returns
    -------
    samples, batches : DataFrame
        As `sigmoid_bce.comparison.compare` returns them. A batch holds whole rows: all labels, or
        all pixels, of a row.
    """
    x, y = counted.sample
    table = compare.samples(
        pd.DataFrame(
            {"sample_id": np.arange(x.size), "label": y.reshape(-1), "raw_output": x.reshape(-1)}
        )
    )
    rows = table
    if x[0].size > 1:
        columns = {n: table[n].to_numpy().reshape(len(x), -1) for n in table.columns}
        rows = pd.DataFrame(
            {
                "label": columns["label"].sum(axis=1),
                "clipped": columns["clipped"].sum(axis=1),
                **{n: columns[n].mean(axis=1) for n in compare.LOSSES},
            }
        )
    return table, compare.batches(rows, [s for s in BATCH_SIZES if s <= len(x)], seed=0)


def _by_size(batches: pd.DataFrame, rows: int) -> pd.DataFrame:
    """Return how far the mean loss of batches is off, by batch size."""
    out = []
    for size, part in batches.groupby("batch_size"):
        exact = part["bce_exact"].to_numpy()
        error = np.abs(part["bce_sigmoid"].to_numpy(np.float64) - exact)
        # the true loss may be close to the least number there is
        with np.errstate(over="ignore"):
            relative = np.divide(error, exact, out=np.zeros_like(error), where=exact > 0)
        out.append(
            {
                "batch_size": size,
                "batches": len(part),
                "with_clipped": int((part["clipped"] > 0).sum()),
                "relative_error_median": np.median(relative),
                "relative_error_max": relative.max(),
                "rows": rows,
            }
        )
    return pd.DataFrame(out)


def _off(relative: float) -> str:
    """Return a relative error in words."""
    if relative < 10:
        return _percent(relative)
    return f"a factor of {relative + 1:.2g}" if relative < 1e6 else "more than a millionfold"


def _lost(part: pd.DataFrame, side: str) -> pd.DataFrame:
    """Return the implementations that are flat or dead on one side, the worst first."""
    columns = [f"dead_{side}_share", f"clipped_{side}_share"]
    part = part[(part[columns] > 0).any(axis=1)]
    return part.loc[part[columns].sum(axis=1).sort_values(ascending=False, kind="stable").index]


def _headline(table: pd.DataFrame) -> str:
    """Return the answer in one sentence."""
    wrong = _lost(table, "wrong")
    if len(wrong):
        columns = ["clipped_wrong_share", "dead_wrong_share"]
        most = wrong.groupby("dtype")[columns].max().max(axis=1)
        where = [f"{name} (up to {_percent(most[name])})" for name in DTYPES if name in most]
        return (
            f"Verdict: it matters here. Samples on the wrong side are lost, in {', '.join(where)}: "
            "training learns nothing from mistakes it should learn most from."
        )
    if len(_lost(table, "correct")):
        return (
            "Verdict: it costs little here: no sample on the wrong side is lost in any precision, "
            "some on the correct side are."
        )
    return "Verdict: it does not matter here: no implementation is flat or dead at any sample."


def _on_precision(name: str, part: pd.DataFrame, samples: int, mean_loss: float) -> str:
    """Return what happens in one precision."""

    def worst(lost: pd.DataFrame, side: str) -> str:
        row = lost.iloc[0]
        shares = row[f"clipped_{side}_share"], row[f"dead_{side}_share"]
        flat, dead = (
            "" if np.isnan(s) else f"{round(s * samples):,} ({_percent(s)})" for s in shares
        )
        zero = f", gradient exactly zero for {dead}" if dead else ""
        return f"worst, {_called(row)}: loss flat for {flat}{zero}"

    def such(lost: pd.DataFrame) -> str:
        start = lost["from_sigmoid"].sum()
        return (
            f"{len(lost)} of {len(part)} implementations ({start} from the sigmoid output, "
            f"{len(lost) - start} from the raw output)"
        )

    wrong, correct = _lost(part, "wrong"), _lost(part, "correct")
    if len(wrong):
        text = (
            f"In {name}, samples on the wrong side are lost with {such(wrong)}; "
            f"{worst(wrong, 'wrong')}."
        )
        change = wrong["loss_change"]
        if change.abs().max() > 0:
            row = wrong.loc[change.abs().idxmax()]
            verb = "understates" if row["loss_change"] < 0 else "overstates"
            relative = f" ({_percent(abs(row['loss_change']) / mean_loss)})" if mean_loss else ""
            text += (
                f" The mean loss says little of that: {_called(row)} {verb} it by "
                f"{abs(row['loss_change']):.2g}{relative}."
            )
        return text
    if len(correct):
        return (
            f"In {name}, nothing is lost on the wrong side; on the correct side the difference "
            f"between very good and perfect is, with {such(correct)}; {worst(correct, 'correct')}."
        )
    off = part[["loss_off_correct_share", "loss_off_wrong_share"]].sum(axis=1)
    text = f"In {name}, none of {len(part)} implementations is flat or dead at any sample."
    if off.max() > 0:
        text += (
            f" The loss is more than 1 % off for at most {_percent(off.max())} of samples, with "
            f"{_called(part.loc[off.idxmax()])}."
        )
    return text


def _sentences(
    outputs: pd.DataFrame, implementations: pd.DataFrame, batches: pd.DataFrame, counted: Counted
) -> list[str]:
    """Return the verdict in plain words, of implementations in use today."""
    whole = outputs.iloc[-1]
    table, samples = _of_all(implementations), int(whole["samples"])
    lines = [
        _headline(table),
        f"{samples:,} raw outputs"
        + (f" of {len(outputs) - 1} labels" if len(outputs) > 1 else "")
        + f", from {whole['raw_output_min']:.3g} to {whole['raw_output_max']:.3g}; "
        f"{_percent(whole['ones_share'])} with label 1, {_percent(whole['correct_share'])} on the "
        f"correct side; the furthest on the wrong side has {whole['wrong_side_max']:.3g}. "
        f"Mean loss {whole['mean_loss']:.4g}.",
    ]
    for name, group in PRECISIONS.items():
        part = table[table["dtype"].isin(group)]
        if len(part):
            lines.append(_on_precision(name, part, samples, whole["mean_loss"]))
    if len(outputs) > 1:
        single = implementations[implementations["label"] != EVERY]
        single = single[(single["dtype"] == "float32") & ~single["framework"].isin(PAST)]
        worst = single.groupby("label", sort=False)[list(HARM)].max()
        worst = worst.sort_values(list(worst.columns), ascending=False).iloc[0]
        wrong, correct = (_percent(worst[f"clipped_{side}_share"]) for side in ("wrong", "correct"))
        lines.append(
            f"By label, in float32, {worst.name} is worst off: {wrong} of its samples are flat on "
            f"the wrong side, {correct} on the correct side, with one implementation or another."
        )
    broken = table[(table["nan_share"] > 0) | (table["inf_share"] > 0)]
    if len(broken):
        worst = broken.loc[broken[["nan_share", "inf_share"]].max(axis=1).idxmax()]
        share = max(worst["nan_share"], worst["inf_share"])
        lines.append(
            f"nan or inf comes from {len(broken)} of {len(table)} implementations, most from "
            f"{_called(worst)}: {_percent(share)}."
        )
    x = counted.sample[0]
    by_size = ", ".join(
        f"{size}: {_off(error)}"
        for size, error in zip(batches["batch_size"], batches["relative_error_max"], strict=True)
    )
    some = f" (of {len(x):,} rows, drawn evenly)" if len(x) < counted.rows else ""
    if x.shape[1] < len(counted.first[0]):
        some += f" (of {x.shape[1]:,} pixels a map)"
    lines.append(
        f"What a batch mean hides: a loss from sigmoid outputs clipped at 1e-7, in {x.dtype}, is "
        f"off by at most, in batches of {by_size}{some}."
    )
    return lines


def _warnings(outputs: Outputs, counted: Counted) -> list[str]:
    """Return what to bear in mind."""
    out = []
    for name, tally in zip(outputs.labels, counted.tallies, strict=True):
        of = f"label {name}: " if name else ""
        if tally.ones in (0, tally.samples - tally.sideless):
            only = int(tally.ones > 0)
            out.append(f"{of}one class only: every label is {only}; nothing is said of the other")
        if tally.soft:
            out.append(
                f"{of}{tally.soft:,} labels lie between 0 and 1: each is counted by the thresholds "
                "of the nearer label; what flat losses do to the mean is left out"
            )
        if tally.sideless:
            out.append(f"{of}{tally.sideless:,} labels are 0.5, which has no correct side")
    return out


def judge(
    outputs: Outputs,
    thresholds: str | Path | None = None,
    really_raw: bool = False,
    progress: bool = False,
) -> tuple[Verdict, Counted, pd.DataFrame, pd.DataFrame]:
    """Count raw outputs and say what that means.

    Parameters
    ----------
    outputs : Outputs
        From `sigmoid_bce.verdicts.read.from_file` or ``from_arrays``.
    thresholds : str or Path, optional
        A study's ``numerics/thresholds.csv`` in place of the package's record.
    really_raw : bool
        Accept raw outputs that all lie within [0, 1], as probabilities do.
    progress : bool
        Say now and then on standard error how far it is.

    Returns
    -------
    verdict : Verdict
    counted : Counted
        Counts and sample that figures are drawn from.
    samples, batches : DataFrame
        What `compared` returned.

    Raises
    ------
    BadOutputs
        If a value is missing, nan, inf or no label, if there is none, or if all raw outputs of a
        label lie within [0, 1].
    """
    table = record.read(thresholds)
    edges = record.edges(table)
    counted = run(outputs, edges, progress)
    for name, tally in zip(outputs.labels, counted.tallies, strict=True):
        if tally.low >= 0 and tally.high <= 1 and not really_raw:
            of = f" of label {name}" if name else ""
            raise BadOutputs(
                f"{outputs.name}: every raw output{of} lies within [0, 1] ({tally.low:.3g} to "
                f"{tally.high:.3g}), as probabilities do. Convert them: raw_output = log(p) - "
                "log1p(-p), or better, take what goes into the sigmoid. If they are raw outputs, "
                "say so: REALLY_RAW=1 (--really-raw, really_raw=True)"
            )
    tallies = list(zip(outputs.labels, counted.tallies, strict=True)) if outputs.labels[1:] else []
    tallies.append((EVERY, counted.total()))
    summary = pd.DataFrame([_summary(name, tally) for name, tally in tallies])
    shares = []
    for name, tally in tallies:
        part = record.shares(tally, table, edges)
        part.insert(0, "label", name)
        shares.append(part)
    implementations = pd.concat(shares, ignore_index=True)
    samples, batches = compared(counted)
    sizes = _by_size(batches, len(counted.sample[0]))
    whole = _of_all(implementations)
    harmed = whole[(whole[[*HARM, "nan_share", "inf_share"]] > 0).any(axis=1)]
    verdict = Verdict(
        name=outputs.name,
        outputs=summary,
        implementations=implementations,
        batches=sizes,
        sentences=tuple(_sentences(summary, implementations, sizes, counted)),
        warnings=tuple(_warnings(outputs, counted)),
        instead=_instead(harmed["framework"]),
    )
    return verdict, counted, samples, batches


def verdict(
    raw_output: Any,
    label: Any = None,
    *,
    name: str = "",
    labels: Iterable[str] = (),
    thresholds: str | Path | None = None,
    really_raw: bool = False,
) -> Verdict:
    """Say what it costs to compute binary cross-entropy of raw outputs from their sigmoid.

    Parameters
    ----------
    raw_output : array_like, shape (n,), (n, labels), (n, height, width) or (..., labels)
        Raw outputs (logits): of one label; of several; of each pixel. Or, without `label`, an
        iterable of pairs (raw outputs, labels), for what does not fit into memory.
    label : array_like, shape of `raw_output`
        Labels in [0, 1]. With 0.5, a sample has no correct side.
    name : str
        What messages call it.
    labels : iterable of str
        Names of the labels, if there are several; else a frame's columns, or 0, 1, and so on.
    thresholds : str or Path, optional
        A study's ``numerics/thresholds.csv`` in place of the package's record.
    really_raw : bool
        Accept raw outputs that all lie within [0, 1], as probabilities do.

    Returns
    -------
    Verdict
        Its repr is the verdict in plain words, ``to_frame()`` the table behind it.

    Raises
    ------
    BadOutputs
        A `ValueError` of one line, with the place: nan, inf, labels outside [0, 1], shapes that
        differ, no values at all, or probabilities in place of raw outputs.

    Examples
    --------
    >>> import sigmoid_bce
    >>> found = sigmoid_bce.verdict([-18.5, 3.0, 21.0, -2.0], [1, 1, 1, 0])
    >>> float(found.outputs["wrong_side_max"].iloc[0])
    18.5
    """
    outputs = from_arrays(raw_output, label, name, labels)
    return judge(outputs, thresholds, really_raw)[0]
