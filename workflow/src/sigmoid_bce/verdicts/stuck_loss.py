"""My loss is stuck at N: the frameworks, labels and shares of samples that this can mean."""

from __future__ import annotations

import functools
import html
import re
import textwrap
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.verdicts import changes, plateaus, shares, stuck_words
from sigmoid_bce.verdicts.errors import BadOutputs
from sigmoid_bce.verdicts.harm import percent
from sigmoid_bce.verdicts.plateaus import Candidate, Given

SHOWN = 10
"""Candidates in words; a table has all."""
Candidates = tuple[Candidate, ...]


@dataclass(frozen=True, eq=False, repr=False)
class StuckLoss:
    """What it can mean that a loss is stuck at a value.

    Attributes
    ----------
    value : float
    candidates : tuple of Candidate
        The most likely first.
    sentences : tuple of str
        The answer in plain words.
    instead : dict of str
        By framework, the code for a loss from raw outputs.
    """

    value: float
    candidates: Candidates
    sentences: tuple[str, ...]
    instead: dict[str, str]

    def to_frame(self) -> pd.DataFrame:
        """Return the candidates as a table, a row each."""
        columns = list(Candidate.__dataclass_fields__)
        return pd.DataFrame([asdict(candidate) for candidate in self.candidates], columns=columns)

    def _shown(self) -> pd.DataFrame:
        rows = [
            {
                "computed by": plateaus.called(c),
                "label": c.label,
                "side": c.side,
                "plateau": f"{c.plateau:.6g}",
                "from |x|": f"{c.start:.4g}",
                "samples": "-" if np.isnan(c.share) else percent(c.share),
                "accuracy": "-" if np.isnan(c.accuracy) else percent(c.accuracy),
            }
            for c in self.candidates[:SHOWN]
        ]
        return pd.DataFrame(rows)

    def _more(self) -> str:
        more = len(self.candidates) - SHOWN
        return f"... and {more} more, in to_frame()" if more > 0 else ""

    def __repr__(self) -> str:
        parts = [f"loss stuck at {self.value:.6g}", *self.sentences]
        if self.candidates:
            parts += ["", *map(_told, self.candidates[:SHOWN]), *filter(None, [self._more()]), ""]
        if self.instead:
            parts.append("What to write instead, with x a raw output and y its label:")
            width = max(map(len, self.instead))
            parts += [f"  {title:{width}}  {line}" for title, line in self.instead.items()]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        parts = [f"<p>{html.escape(text)}</p>" for text in self.sentences]
        if self.candidates:
            parts += [self._shown().to_html(index=False), f"<p>{self._more()}</p>"]
        return "\n".join(parts)


def _told(row: Candidate) -> str:
    """Return a candidate in lines that fit a terminal."""
    share = "" if np.isnan(row.share) else f"{percent(row.share)} of samples"
    # the start is that of the precision in which it comes first
    first = " at the earliest" if "/" in row.precision else ""
    plateau = (
        f"label {row.label}, {row.side} side: {row.plateau:.6g} from {row.start:.4g} on{first}"
    )
    details = "; ".join(filter(None, [plateau, share, row.mode, row.precision]))
    lines = (f"  {row.framework}: {row.implementation}", f"    {details}")
    return "\n".join(textwrap.fill(line, 100, subsequent_indent=" " * 6) for line in lines)


@functools.cache
def _record() -> pd.DataFrame:
    return shares.read()


def _number(given: Any, name: str, example: str) -> tuple[float, float]:
    """Return a number that a user gives, and how much its digits leave open."""
    refused = (str, bytes, bool, np.bool_, complex, np.complexfloating)
    try:
        if isinstance(given, refused) or np.ndim(given):
            raise TypeError
        number = float(given)
        text = str(given) if isinstance(given, (np.floating, Decimal, int)) else repr(number)
        exponent = Decimal(text).as_tuple().exponent
        open_ = 0.5 * 10.0**exponent if isinstance(exponent, int) else 0.0
    except (TypeError, ValueError, ArithmeticError, RuntimeError):
        shown = re.sub(r"\s+", " ", repr(given))[:60]
        shown = f"the text {shown}" if isinstance(given, (str, bytes)) else shown
        raise BadOutputs(f"{name}: expected {example}, found {shown}") from None
    return number, open_


def _given(value: Any, class_share: Any) -> Given:
    """Return what a user gives as numbers."""
    given = Given(*_number(value, "value", "a loss such as 7.9712"))
    if class_share is None:
        return given
    ones, _ = _number(class_share, "class_share", "the share of label 1, such as 0.3")
    if not 0 <= ones <= 1:
        raise BadOutputs(f"class_share: expected a number from 0 to 1, found {ones:g}")
    return replace(given, ones=ones)


def _no_number(loss: float, record: pd.DataFrame) -> tuple[Candidates, list[str]]:
    """Return candidates and sentences for nan or inf."""
    column = plateaus.BROKEN["nan" if np.isnan(loss) else "inf"]
    rows = sorted(plateaus.rows(record, column, column), key=lambda row: row.start)
    found = tuple(replace(row, plateau=loss) for row in rows)
    return found, stuck_words.on_no_number(loss, found)


def _at_plateaus(given: Given, record: pd.DataFrame) -> tuple[Candidates, list[str]]:
    """Return candidates and sentences for a finite loss above 0."""
    rows = plateaus.rows(record, "loss_flat_value", "loss_flat")
    found = plateaus.ranked(rows, given)
    prior, certain = stuck_words.on_prior(given)
    if certain:
        found = tuple(row for row in found if row.fits)
    lines = [prior] if prior else []
    if found or not prior:
        largest = max((row.plateau for row in rows if row.side == "wrong"), default=np.nan)
        lines += stuck_words.on_candidates(given, found, largest)
    return found, lines


def explain_stuck_loss(
    value: Any, framework: str | None = None, class_share: Any = None
) -> StuckLoss:
    """Return what it can mean that a binary cross-entropy stays at one value.

    A loss that is computed from the sigmoid output has a plateau: a sample far on the wrong side
    has this loss, and no gradient. The mean loss of a training that is stuck there is the share of
    the stuck samples times the plateau. The other samples add about 0 once they are fitted.

    Parameters
    ----------
    value : float
        The loss as it is displayed, a mean over samples.
    framework : str, optional
        Part of a framework's or package's name, such as "keras" or "torch"; by default all.
    class_share : float, optional
        The share of label 1 among the samples, from 0 to 1.

    Returns
    -------
    StuckLoss
        Its repr is the answer in plain words, ``to_frame()`` the table of candidates, the most
        likely first. Plateaus are those of the package's record.

    Raises
    ------
    BadOutputs
        A `ValueError` of one line: the value or the share is no number, the share is outside
        [0, 1], or no framework has such a name.

    Examples
    --------
    >>> import sigmoid_bce
    >>> found = sigmoid_bce.explain_stuck_loss(7.9712, framework="keras")
    >>> first = found.candidates[0]
    >>> first.label, first.share, round(first.plateau, 4), first.accuracy
    ('0', 0.5, 15.9424, 0.5)
    """
    given = _given(value, class_share)
    record = plateaus.of_framework(_record(), framework)
    found: Candidates = ()
    if given.loss <= 0:
        lines = stuck_words.on_sign(given.loss)
    elif np.isfinite(given.loss):
        found, lines = _at_plateaus(given, record)
    else:
        found, lines = _no_number(given.loss, record)
    instead = {}
    if lines[-1] in (stuck_words.CURE, stuck_words.METRIC) and found:
        # what is history has no code today: the formula
        instead = changes.instead(row.framework for row in found[:SHOWN]) or changes.instead(
            ["NumPy"]
        )
    return StuckLoss(given.loss, found, tuple(lines), instead)
