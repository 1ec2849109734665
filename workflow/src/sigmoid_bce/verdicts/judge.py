"""Does it matter for these raw outputs? The verdict: tables, and the words that sum them up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.comparison import compare, metrics
from sigmoid_bce.verdicts import shares, words
from sigmoid_bce.verdicts.count import Counted, run
from sigmoid_bce.verdicts.errors import EVERY, BadOutputs
from sigmoid_bce.verdicts.outputs import Outputs, from_arrays
from sigmoid_bce.verdicts.programs import Mine, notes
from sigmoid_bce.verdicts.read import from_file
from sigmoid_bce.verdicts.result import Verdict
from sigmoid_bce.verdicts.tally import Tally
from sigmoid_bce.verdicts.words import Answer

BATCH_SIZES = (1, 4, 20, 128)


def _summary(name: str, tally: Tally) -> dict[str, object]:
    """Return the row of the table of outputs for one label."""
    sided = tally.samples - tally.sideless
    return {
        "label": name,
        "samples": tally.samples,
        "ones_share": tally.ones / tally.samples,
        "correct_share": tally.correct / sided if sided else np.nan,
        "raw_output_min": tally.low,
        "raw_output_max": tally.high,
        "mistakes": sided - tally.correct,
        "wrong_side_max": tally.wrong,
        # a mistake of label 1 is negative, one of label 0 positive
        "wrong_side_max_0": max([0.0, *map(float, tally.extremes[0][-1:])]),
        "wrong_side_max_1": max([0.0, *map(float, -tally.extremes[1][:1])]),
        "mean_loss": tally.loss / tally.samples,
        "left_out": tally.left_out,
    }


def compared(counted: Counted) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the comparison by sample and by batch, over the sampled rows.

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
    out = np.isnan(y)
    if out.all():  # where few pixels are not left out, none may be in the sample
        x, y = (part[None] for part in counted.first)
        out = np.isnan(y)
    table = compare.samples(
        pd.DataFrame(
            {
                "sample_id": np.arange(x.size),
                "label": np.where(out, 0, y).reshape(-1),
                "raw_output": np.where(out, x.dtype.type(0), x).reshape(-1),
            }
        )
    )
    kept = table[~out.reshape(-1)]
    if x[0].size == 1:
        return kept, _batches(kept)
    columns = {n: table[n].to_numpy().reshape(len(x), -1) for n in table.columns}
    if out.any():
        mask = out.reshape(len(x), -1)
        columns = {n: np.ma.array(values, mask=mask) for n, values in columns.items()}
    rows = pd.DataFrame(
        {
            "label": columns["label"].sum(axis=1),
            "clipped": columns["clipped"].sum(axis=1),
            **{n: columns[n].mean(axis=1).astype(columns[n].dtype) for n in compare.LOSSES},
        }
    )
    return kept, _batches(rows[~out.all(axis=(1, 2))])


def _batches(rows: pd.DataFrame) -> pd.DataFrame:
    return compare.batches(rows, [s for s in BATCH_SIZES if s <= len(rows)], seed=0)


def _by_size(batches: pd.DataFrame, rows: int) -> pd.DataFrame:
    """Return the error of the mean loss of batches, by batch size."""
    out = []
    for size, part in batches.groupby("batch_size"):
        relative = metrics.relative_error(
            part["bce_sigmoid"].to_numpy(), part["bce_exact"].to_numpy(np.float64)
        )
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


def refuse_probabilities(outputs: Outputs, counted: Counted) -> None:
    """Raise `BadOutputs` if all raw outputs of a label lie within [0, 1], as probabilities do."""
    whole = np.isin(counted.sample[0], (0, 1)).all()
    swapped = ". All are 0 or 1: are they labels, or predicted classes?" if whole else ""
    for name, tally in zip(outputs.labels, counted.tallies, strict=True):
        if tally.low >= 0 and tally.high <= 1:
            of = f" of label {name}" if name else ""
            raise BadOutputs(
                f"{outputs.name}: every raw output{of} lies within [0, 1] ({tally.low:.3g} to "
                f"{tally.high:.3g}), as probabilities do. Convert probabilities with raw_output = "
                "log(p) - log1p(-p), or better, save the input of the sigmoid. If these are raw "
                "outputs, confirm it with --really-raw (really_raw=True in Python)" + swapped
            )


def judge(
    outputs: Outputs,
    thresholds: str | Path | None = None,
    really_raw: bool = False,
    progress: bool = False,
    mine: Mine | None = None,
) -> tuple[Verdict, Counted, pd.DataFrame, pd.DataFrame]:
    """Count raw outputs and judge the counts.

    Parameters
    ----------
    outputs : Outputs
        From `sigmoid_bce.verdicts.read.from_file` or `sigmoid_bce.verdicts.outputs.from_arrays`.
    thresholds : str or Path, optional
        A study's ``numerics/thresholds.csv`` in place of the committed record.
    really_raw : bool
        Accept raw outputs that all lie within [0, 1], as probabilities do.
    progress : bool
        Print the number of rows to standard error every few seconds.
    mine : Mine, optional
        What the user runs; by default everything that the record holds is compared.

    Returns
    -------
    verdict : Verdict
    counted : Counted
        The counts and the sample from which figures are drawn.
    samples, batches : DataFrame
        As `compared` returns them.

    Raises
    ------
    BadOutputs
        If a value is missing, nan, inf or not a label, if there is none, or if all raw outputs of
        a label lie within [0, 1]; or if the record does not hold what the user runs.

    Examples
    --------
    >>> verdict, counted, *_ = judge(from_arrays([3.0, -2.0], [1, 0]))
    >>> counted.rows, verdict.answer.answer.split(" Every")[0]
    (2, '21 of 23 frameworks lose nothing that matters.')
    """
    mine = mine or Mine()
    mine = replace(mine, split=mine.split or outputs.split, raw_dtype=outputs.dtype)
    if mine.split and mine.trained is None and not outputs.split:
        raise BadOutputs(
            f"split: expected train, validation or test, found {mine.split!r}; to choose by "
            "another name, the file needs a column 'split'"
        )
    table = shares.read(thresholds)
    edges = shares.edges(table)
    counted = run(outputs, edges, progress)
    if not really_raw:
        refuse_probabilities(outputs, counted)
    tallies = list(zip(outputs.labels, counted.tallies, strict=True)) if outputs.labels[1:] else []
    tallies.append((EVERY, counted.total()))
    summary = pd.DataFrame([_summary(name, tally) for name, tally in tallies])
    parts = [(name, shares.compute(tally, table, edges)) for name, tally in tallies]
    if outputs.splits:  # a sample of another split is not left out
        summary["left_out"] = [0] * len(counted.tallies) + [_left_out(counted)]
    for name, part in parts:
        part.insert(0, "label", name)
    implementations = pd.concat([part for _, part in parts], ignore_index=True)
    samples, batches = compared(counted)
    sizes = _by_size(batches, len(counted.sample[0]))
    answer, rows = _answered(outputs, summary, implementations, mine, _origin(table))
    said = (*outputs.notes, *words.warnings(outputs, counted))
    differs = () if thresholds else notes(rows, mine)
    return (
        Verdict(
            name=outputs.name,
            mine=mine,
            answer=answer,
            warnings=(*said, *differs),
            programs=rows,
            outputs=summary,
            implementations=implementations,
            batches=sizes,
        ),
        counted,
        samples,
        batches,
    )


def _left_out(counted: Counted) -> int:
    """Return how many samples belong to a split, but are left out."""
    tally = counted.tallies[0]
    return tally.samples + tally.left_out - counted.total().samples


def _answered(
    outputs: Outputs, summary: pd.DataFrame, table: pd.DataFrame, mine: Mine, record: str
) -> tuple[Answer, pd.DataFrame]:
    """Return the words, and the programs that they are about; of several splits, those of each."""

    def answered(label: str, mine: Mine) -> tuple[Answer, pd.DataFrame]:
        return words.answer(outputs.name, summary, table, mine, outputs.shape, record, label)

    every, rows = answered(EVERY, mine)
    if not outputs.splits:
        return every, rows
    found = {split: answered(split, replace(mine, split=split)) for split in outputs.labels}
    worst = max(found, key=lambda split: _weight(found[split][1]))
    said = found[worst][0]
    programs = pd.concat([part.assign(split=split) for split, (_, part) in found.items()])
    return (
        every._replace(
            about=words.about(outputs.name, summary, (), f" of {len(found)} splits"),
            answer=" ".join(f"Split {split}: {one.answer}" for split, (one, _) in found.items()),
            why=said.why.replace("Why:", f"Why, of {worst}:"),
            change=said.change,
            diff=said.diff,
            question=said.question,
        ),
        programs.sort_values("harm", ascending=False, kind="stable"),
    )


def _weight(programs: pd.DataFrame) -> tuple[int, int, float]:
    """Return how much the worst of some programs loses."""
    row = programs.iloc[0]
    return int(row["harm"]), int(row["blind"]), abs(float(row["loss_change"]))


def _origin(thresholds: pd.DataFrame) -> str:
    """Return when and on which processor thresholds were measured, if they say so."""
    days = sorted(set(thresholds.get("date", pd.Series(dtype=str)).dropna().astype(str)))
    where = sorted(set(thresholds.get("processor", pd.Series(dtype=str)).dropna().astype(str)))
    if not days or len(where) != 1:
        return ""
    return f", by thresholds measured on {days[-1]} ({where[0].split(' (')[0]})"


def verdict(
    raw_output: Any,
    label: Any = None,
    *,
    name: str = "",
    labels: Iterable[str] = (),
    thresholds: str | Path | None = None,
    really_raw: bool = False,
    ignore: float | Iterable[float] = (),
    framework: str = "",
    loss: str = "",
    dtype: str = "",
    mode: str = "",
    autocast: bool = False,
    split: str = "",
) -> Verdict:
    """Return the cost of computing binary cross-entropy of raw outputs from their sigmoid.

    Parameters
    ----------
    raw_output : array_like, shape (n,), (n, labels), (n, height, width) or (..., labels)
        Raw outputs (logits) of one label, of several labels, or of each pixel. Without `label`, an
        iterable of pairs (raw outputs, labels), for data that do not fit into memory, or the path
        of a file as the command takes it. An axis of length 1 makes no difference, so (n, 1) goes
        with labels (n,).
    label : array_like, shape of `raw_output`
        Labels in [0, 1]. A sample with label 0.5 has no correct side. Where both have an index or
        names of columns, the names decide what belongs together. Masked samples are left out.
    name : str
        Their name in messages.
    labels : iterable of str
        Names of the labels, if there are several; by default a frame's columns, or 0, 1, and so on.
    thresholds : str or Path, optional
        A study's ``numerics/thresholds.csv`` in place of the committed record.
    really_raw : bool
        Accept raw outputs that all lie within [0, 1], as probabilities do.
    ignore : float or iterable of float
        Labels that mark samples to be left out, such as -1, 255 or nan. A nan leaves out missing
        labels as well.
    framework, loss, dtype, mode : str
        What the user runs, such as ``"PyTorch"``, ``"nn.BCELoss()"``, ``"bfloat16"`` and
        ``"torch.compile"``; parts of names are enough. By default, all frameworks are compared.
    autocast : bool
        Whether the network runs in mixed precision.
    split : str
        ``"train"`` if the network is trained on these samples, ``"validation"`` or ``"test"`` if it
        is judged by them.

    Returns
    -------
    Verdict
        Its repr is the answer in five lines; ``to_frame()`` is the table behind it, ``to_html()``
        and ``to_text()`` say more.

    Raises
    ------
    BadOutputs
        A `ValueError` of one line, with the place: nan, inf, labels outside [0, 1], shapes or names
        that differ, no values at all, probabilities in place of raw outputs, or a program that the
        record does not hold.

    Examples
    --------
    >>> import sigmoid_bce
    >>> found = sigmoid_bce.verdict([-18.5, 3.0, 21.0, -2.0], [1, 1, 1, 0], framework="numpy")
    >>> found.answer.answer.split(":")[0], found.harm.name
    ('Nothing that a training needs is lost with NumPy', 'NOTHING')
    """
    given: Any = ignore
    several = isinstance(given, Iterable) and not isinstance(given, str)
    try:
        ignored = list(map(float, given if several else [given]))
    except (TypeError, ValueError):
        raise BadOutputs(f"ignore: expected labels as numbers, found {ignore!r}") from None
    if isinstance(raw_output, str | Path) and label is None:
        outputs = from_file(raw_output, ignore=ignored, split=split)
        outputs.name = name or outputs.name
    else:
        outputs = from_arrays(raw_output, label, name, labels, ignored)
    mine = Mine(framework, loss, dtype, mode, autocast, split)
    return judge(outputs, thresholds, really_raw, mine=mine)[0]
