"""Plateaus of losses in the record, and the shares of samples at which they explain a mean loss."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.numerics.catalogue import PAST
from sigmoid_bce.verdicts.errors import BadOutputs

LOG2 = float(np.log(2))
USUAL = (1.0, 0.5)
"""The shares of stuck samples to expect where nothing is known: all, and half of them."""
NEAR = 1e-4
"""A loss fits if it differs by at most this share, or by what its digits leave open."""
ROUNDED = 0.01
"""The most that digits may leave open, as a share."""
OVERFLOW = 1e30
"""A loss above is no plateau: the largest number of a precision stands for one that is greater."""
LEAST_SHARE = 1e-6
"""No sample is stuck where fewer than one in a million would be."""
PROGRAM = ("framework", "implementation", "version", "y", "side")
BROKEN = {"nan": "first_nan", "inf": "first_inf"}
"""The losses that are no numbers, and the column with the magnitudes that give them."""
PRECISIONS = ("float32", "float64", "bfloat16", "float16")
"""The one that most people train in comes first."""


@dataclass(frozen=True)
class Given:
    """A mean loss, what its digits leave open, and the share of label 1 if that is known."""

    loss: float
    rounded: float
    ones: float | None = None

    @property
    def slack(self) -> float:
        """By how much the loss may differ from what it is compared with."""
        return max(NEAR * self.loss, min(ROUNDED * self.loss, self.rounded))

    def usual(self, row: Candidate) -> tuple[float, ...]:
        """Return the shares of stuck samples to expect of a label and side."""
        if self.ones is None:
            return USUAL
        share = {"0": 1 - self.ones, "1": self.ones, "both": 1.0}[row.label]
        if share == 1 and row.label != "both":  # there is no other label
            return USUAL
        # on the correct side, the other label may be as well
        return (share, 1.0) if row.side == "correct" else (share,)


@dataclass(frozen=True)
class Candidate:
    """One meaning of a stuck loss.

    Attributes
    ----------
    framework, implementation, release, mode, precision : str
        What computes the loss, as in the record; modes and precisions with the same plateau are
        together.
    label : {"0", "1", "both"}
        The label of the stuck samples.
    side : {"wrong", "correct"}
        Of the stuck samples: a loss can also stop because every sample is right.
    plateau : float
        The loss of a stuck sample; nan or inf where it is no number.
    start : float
        The least magnitude of a raw output with this loss.
    trains : bool
        False for a metric: its plateau hides something, but stops no training.
    share : float
        The share of samples that are stuck; nan if the plateau is no number.
    rest : float
        What the other samples add to the mean loss.
    accuracy : float
        If the other samples are right.
    fits : bool
        Whether the loss is a whole class, half of the samples or all samples times the plateau.
    """

    framework: str
    implementation: str
    release: str
    mode: str
    precision: str
    label: str
    side: str
    plateau: float
    start: float
    trains: bool
    share: float = np.nan
    rest: float = 0.0
    accuracy: float = np.nan
    fits: bool = False


def called(row: Candidate) -> str:
    """Return the name of a candidate's program in a sentence."""
    # of the release, the first package
    release = " ".join(row.release.split(" ")[:2])
    details = [row.framework, release, row.mode, row.precision]
    return f"{row.implementation} ({', '.join(filter(None, details))})"


def _plain(text: str) -> str:
    return re.sub("[^a-z0-9]", "", text.lower()).replace("sklearn", "scikitlearn")


def of_framework(record: pd.DataFrame, framework: Any) -> pd.DataFrame:
    """Return the rows of the frameworks whose name, history or packages have a text.

    Parameters
    ----------
    record : DataFrame
        Thresholds, as `sigmoid_bce.verdicts.shares.read` returns them.
    framework : str, optional
        Capitals, spaces and signs do not count; by default all.

    Raises
    ------
    BadOutputs
        If there is none.
    """
    record = record[record["framework"] != "exact"]
    if framework is None:
        return record
    # releases that are history have their names as an implementation
    past = record["framework"].isin(PAST)
    names = record["framework"].where(~past, record["implementation"])
    given = _plain(framework) if isinstance(framework, str) else ""
    found = names.map(_plain).str.contains(given, regex=False)
    found |= record["version"].map(_plain).str.contains(given, regex=False)
    if not given or not found.any():
        titles = ", ".join(sorted(set(record["framework"]) - set(PAST), key=str.lower))
        raise BadOutputs(f"framework: expected a part of one of {titles}; found {framework!r}")
    return record[found]


def _joined(rows: Iterable[Mapping[Any, Any]], name: str) -> str:
    return "/".join(dict.fromkeys(row[name] for row in rows if row[name]))


def rows(record: pd.DataFrame, values: str, starts: str) -> list[Candidate]:
    """Return a candidate, without its share, for each program, label and side with a plateau.

    Parameters
    ----------
    record : DataFrame
        Thresholds, as `sigmoid_bce.verdicts.shares.read` returns them.
    values, starts : str
        The columns of the plateau and of the magnitude from which it holds.
    """
    table = record[record[starts].notna() & ~(record[values] > OVERFLOW)]
    table = table.assign(rank=table["dtype"].map({d: i for i, d in enumerate(PRECISIONS)}))
    table = table.sort_values("rank", kind="stable")
    by_precision: dict[tuple[Any, ...], list[dict[Any, Any]]] = {}
    for row in table.to_dict("records"):
        key = (*(row[name] for name in PROGRAM), f"{row[values]:.6g}" * (values != starts))
        by_precision.setdefault((*key, row["dtype"]), []).append(row)
    # precisions that are run in the same modes are together
    groups: dict[tuple[Any, ...], list[dict[Any, Any]]] = {}
    for key, part in by_precision.items():
        groups.setdefault((*key[:-1], _joined(part, "mode")), []).extend(part)
    return [
        Candidate(
            framework=part[0]["framework"],
            implementation=part[0]["implementation"],
            release="" if part[0]["framework"] in PAST else part[0]["version"],
            mode=key[-1],
            precision=_joined(part, "dtype"),
            label=str(part[0]["y"]),
            side=part[0]["side"],
            plateau=part[0][values],
            start=min(row[starts] for row in part),
            trains=any(row["has_gradient"] for row in part),
        )
        for key, part in groups.items()
    ]


def _shared(one: str, other: str) -> str | None:
    """Return what two lists of modes or precisions have in common; None if it is nothing.

    Examples
    --------
    >>> _shared("eager/graph", "graph/xla"), _shared("", ""), _shared("eager", "xla")
    ('graph', '', None)
    """
    both = [part for part in one.split("/") if part in other.split("/")]
    return "/".join(both) if both else None


def _both(plateaus: list[Candidate], ones: float) -> Iterator[Candidate]:
    """Yield the programs with every sample of both labels on the wrong side."""
    zeros, others = (
        [row for row in plateaus if (row.side, row.label) == ("wrong", label)]
        for label in ("0", "1")
    )
    for zero, one in product(zeros, others):
        mode, precision = _shared(zero.mode, one.mode), _shared(zero.precision, one.precision)
        both = replace(zero, label="both", mode=mode or "", precision=precision or "")
        program = replace(one, mode=both.mode, precision=both.precision)
        same = called(both) == called(program)
        if same and mode is not None and precision:
            mean = ones * one.plateau + (1 - ones) * zero.plateau
            yield replace(both, plateau=mean, start=max(zero.start, one.start))


def _explained(row: Candidate, given: Given) -> tuple[float, Candidate] | None:
    """Return a row with its share, and how far the loss is from that of a whole class, if known.

    None if the row does not explain the loss: too many samples would be stuck.
    """
    if not row.plateau > 0:
        return None
    share = given.loss / row.plateau
    wanted = min(given.usual(row), key=lambda usual: abs(share - usual))
    off = given.loss - wanted * row.plateau
    fits = wanted > 0 and abs(off) <= given.slack
    rest = 0.0
    if fits:
        share = wanted
    elif row.side == "correct" or (given.ones is None and share > 1):
        return None
    elif given.ones is not None and off > 0:
        share, rest = wanted, off
        # the other samples are at worst where nothing is learned
        if wanted in (0, 1) or rest > LOG2 * (1 - wanted):
            return None
    accuracy = 1.0 if row.side == "correct" else 1 - share
    known = fits or given.ones is not None
    distance = round(abs(off) / given.loss, 4 if fits else 2) if known else 0.0
    return distance, replace(row, share=share, rest=rest, accuracy=accuracy, fits=fits)


def ranked(plateaus: list[Candidate], given: Given) -> tuple[Candidate, ...]:
    """Return the candidates that explain a loss, with their shares, the most likely first.

    Parameters
    ----------
    plateaus : list of Candidate
        As `rows` returns them.
    given : Given
    """
    both = [] if given.ones in (None, 0, 1) else _both(plateaus, given.ones)
    found = [one for row in (*plateaus, *both) if (one := _explained(row, given))]

    found = [(off, row) for off, row in found if row.fits or row.share >= LEAST_SHARE]
    open_ = round(given.rounded / given.loss, 4)

    def order(one: tuple[float, Candidate]) -> tuple[Any, ...]:
        distance, row = one
        half = "float32" not in row.precision
        # what digits leave open does not tell programs apart
        beyond = distance if not row.fits or distance > open_ else 0.0
        if not row.fits and not row.trains:  # a metric that does not fit says nothing of a training
            beyond += 1
        old = row.framework in PAST
        return not row.fits, beyond, not row.trains, old, half, distance

    return tuple(row for _, row in sorted(found, key=order))
