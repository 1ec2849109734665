"""Does it matter for these raw outputs? The verdict: tables, and the words that sum them up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.comparison import compare
from sigmoid_bce.verdicts import shares, words
from sigmoid_bce.verdicts.count import Counted, run
from sigmoid_bce.verdicts.errors import EVERY, BadOutputs
from sigmoid_bce.verdicts.outputs import Outputs, from_arrays
from sigmoid_bce.verdicts.tally import Tally

BATCH_SIZES = (1, 4, 20, 128)


@dataclass(frozen=True, eq=False, repr=False)
class Verdict:
    """The cost of computing binary cross-entropy of some raw outputs from their sigmoid.

    Attributes
    ----------
    name : str
        The file's name, or the caller's name for the raw outputs.
    outputs : DataFrame
        By label, and for all together: samples, the share of label 1, the share on the correct
        side, the range of raw outputs, the greatest magnitude on the wrong side, the mean loss, and
        the number of samples that are left out.
    implementations : DataFrame
        By label, implementation, framework, version, mode and dtype: shares of samples, by side,
        as `sigmoid_bce.verdicts.shares.compute` returns them.
    batches : DataFrame
        By batch size: the number of batches; the number that hold a clipped sample; the relative
        error of their mean loss from sigmoid outputs, median and largest; the number of rows from
        which the batches are drawn.
    sentences, warnings : tuple of str
        The verdict in plain words, and its limits.
    instead : dict of str
        By framework, the code for a loss from raw outputs.
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
        parts += ["", words.listing(self.implementations), words.GLOSSARY, ""]
        parts.append("What to write instead, with x a raw output and y its label:")
        width = max(map(len, self.instead), default=0)
        parts += [f"  {title:{width}}  {line}" for title, line in self.instead.items()]
        return "\n".join(parts)


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
        "wrong_side_max": tally.wrong,
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
        exact = part["bce_exact"].to_numpy()
        error = np.abs(part["bce_sigmoid"].to_numpy(np.float64) - exact)
        # the true loss may be close to the smallest number
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


def _refuse_probabilities(outputs: Outputs, counted: Counted) -> None:
    whole = np.isin(counted.sample[0], (0, 1)).all()
    swapped = ". All are 0 or 1: are they labels, or predicted classes?" if whole else ""
    for name, tally in zip(outputs.labels, counted.tallies, strict=True):
        if tally.low >= 0 and tally.high <= 1:
            of = f" of label {name}" if name else ""
            raise BadOutputs(
                f"{outputs.name}: every raw output{of} lies within [0, 1] ({tally.low:.3g} to "
                f"{tally.high:.3g}), as probabilities do. Convert probabilities with raw_output = "
                "log(p) - log1p(-p), or better, save the input of the sigmoid. If these are raw "
                "outputs, confirm it with REALLY_RAW=1 (--really-raw, really_raw=True)" + swapped
            )


def judge(
    outputs: Outputs,
    thresholds: str | Path | None = None,
    really_raw: bool = False,
    progress: bool = False,
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
        a label lie within [0, 1].

    Examples
    --------
    >>> verdict, counted, *_ = judge(from_arrays([3.0, -2.0], [1, 0]))
    >>> counted.rows, verdict.sentences[0].split(".")[0]
    (2, 'Verdict: it does not matter here')
    """
    table = shares.read(thresholds)
    edges = shares.edges(table)
    counted = run(outputs, edges, progress)
    if not really_raw:
        _refuse_probabilities(outputs, counted)
    tallies = list(zip(outputs.labels, counted.tallies, strict=True)) if outputs.labels[1:] else []
    tallies.append((EVERY, counted.total()))
    summary = pd.DataFrame([_summary(name, tally) for name, tally in tallies])
    parts = [(name, shares.compute(tally, table, edges)) for name, tally in tallies]
    for name, part in parts:
        part.insert(0, "label", name)
    implementations = pd.concat([part for _, part in parts], ignore_index=True)
    samples, batches = compared(counted)
    sizes = _by_size(batches, len(counted.sample[0]))
    verdict = Verdict(
        name=outputs.name,
        outputs=summary,
        implementations=implementations,
        batches=sizes,
        sentences=tuple(words.sentences(summary, implementations, sizes, counted)),
        warnings=(*outputs.notes, *words.warnings(outputs, counted)),
        instead=words.instead(words.harmed(implementations)["framework"]),
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
    ignore: float | Iterable[float] = (),
) -> Verdict:
    """Return the cost of computing binary cross-entropy of raw outputs from their sigmoid.

    Parameters
    ----------
    raw_output : array_like, shape (n,), (n, labels), (n, height, width) or (..., labels)
        Raw outputs (logits) of one label, of several labels, or of each pixel. Without `label`, an
        iterable of pairs (raw outputs, labels), for data that do not fit into memory. An axis of
        length 1 makes no difference, so (n, 1) goes with labels (n,).
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

    Returns
    -------
    Verdict
        Its repr is the verdict in plain words, ``to_frame()`` the table behind it.

    Raises
    ------
    BadOutputs
        A `ValueError` of one line, with the place: nan, inf, labels outside [0, 1], shapes or names
        that differ, no values at all, or probabilities in place of raw outputs.

    Examples
    --------
    >>> import sigmoid_bce
    >>> found = sigmoid_bce.verdict([-18.5, 3.0, 21.0, -2.0], [1, 1, 1, 0])
    >>> float(found.outputs["wrong_side_max"].iloc[0])
    18.5
    """
    given: Any = ignore
    several = isinstance(given, Iterable) and not isinstance(given, str)
    try:
        ignored = list(map(float, given if several else [given]))
    except (TypeError, ValueError):
        raise BadOutputs(f"ignore: expected labels as numbers, found {ignore!r}") from None
    outputs = from_arrays(raw_output, label, name, labels, ignored)
    return judge(outputs, thresholds, really_raw)[0]
