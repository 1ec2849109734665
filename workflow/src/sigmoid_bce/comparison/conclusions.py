"""The conclusions of the article of 2019, each beside what a study of learning measures."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from sigmoid_bce.comparison.answer import (
    Evidence,
    NoRegime,
    change,
    hides,
    regime,
    regimes,
    said,
    some,
    worst,
)
from sigmoid_bce.study.learning import CLIPPED, REFERENCE

NOTHING = "This study has no regime that could say so."


def _undecided(rows: pd.DataFrame) -> str:
    """Return how many rows have a verdict that decides nothing, as the end of a sentence.

    Examples
    --------
    >>> _undecided(pd.DataFrame({"verdict": ["open", "harms", "not decidable"]}))
    ', and 2 are undecided'
    """
    number = int(rows["verdict"].isin(["open", "not decidable"]).sum())
    return f", and {number} {'is' if number == 1 else 'are'} undecided" if number else ""


def _finite(e: Evidence) -> str:
    """Say that the clip keeps the loss finite, and what that costs."""
    some(e.stuck[e.stuck["loss"] == CLIPPED])
    (failed, trained), naive = e.failed_of(CLIPPED), e.failed_of("naive")
    keeps = "does not keep everything" if failed else "keeps the loss"
    text = f"The clip {keeps} finite: {failed} of {trained} trainings end in nan or infinity"
    if naive[1]:
        text += f", and {naive[0]} of {naive[1]} without it"
    number, of = e.stuck_of(CLIPPED)
    price = "Its price is the gradient: " if number else ""
    return f"{text}. {price}{number} of {of} are stuck with it."


def _no_harm(e: Evidence) -> str:
    """Say whether the loss from logits ever is the worse one."""
    rows, number = some(e.of(CLIPPED)), e.stuck_of(REFERENCE)
    helped = e.of(CLIPPED, "helps")
    text = (
        f"{number[0]} of {number[1]} networks that are trained from logits are stuck. In "
        f"{len(helped)} of {len(rows)} regimes the clipped loss is better"
    )
    return f"{text}: {regime(worst(helped))}." if len(helped) else f"{text}."


def _extreme(e: Evidence) -> str:
    """Say what extreme raw outputs do on the wrong side, and on the correct one."""
    sides = ("wrong_side_zeroed", "correct_side_zeroed")
    wrong, correct = (e.stuck_of(loss, e.shared(*sides)) for loss in sides)
    rows, harmed = some(e.of(CLIPPED)), e.of(CLIPPED, "harms")
    text = f"In no regime is the clipped loss shown to harm{_undecided(rows)}."
    if len(harmed):
        text = f"Where it harms most, {regime(worst(harmed))}: {change(worst(harmed))}."
    if not wrong[1]:
        return text
    lead = "It is extreme raw outputs on the wrong side that matter: with no gradient there"
    if not wrong[0] > correct[0]:
        lead = "With no gradient of extreme raw outputs on the wrong side"
    return (
        f"{text} {lead}, {wrong[0]} of {wrong[1]} networks are stuck; with none on the correct "
        f"side, {correct[0]}."
    )


def _batches(e: Evidence) -> str:
    """Say how the verdicts depend on the size of the batch."""
    rows, parts = some(e.of(CLIPPED)), []
    for size, group in rows.groupby("batch_size"):
        counts = group["verdict"].value_counts()
        words = ", ".join(f"{verdict} {number}" for verdict, number in counts.items())
        parts.append(f"batch size {size}: {words}")
    return f"Verdicts on the clipped loss by size of the batch: {'; '.join(parts)}."


def _fine(e: Evidence) -> str:
    """Say where the loss from sigmoid outputs is fine."""
    rows = some(e.of(CLIPPED))
    equal = rows[rows["verdict"] == "equivalent"]
    text = f"In {len(equal)} of {regimes(len(rows))} the two are equivalent{_undecided(rows)}."
    try:
        hidden = hides(e)
    except NoRegime:
        return text
    return text + (
        " Whether a training is one of them is not always seen from its loss and accuracy: stuck "
        "networks may display a low loss."
        if hidden
        else " Where networks are stuck, their displayed loss is above that of guessing."
    )


CONCLUSIONS: dict[str, Callable[[Evidence], str]] = {
    "Keras on TensorFlow has no overflow or underflow to fear.": _finite,
    "Computing the loss from raw outputs does no harm.": _no_harm,
    "It is advised where raw outputs get extreme.": _extreme,
    "It is advised where batches are very small.": _batches,
    "Otherwise a sigmoid with binary cross-entropy is fine.": _fine,
}
"""What the article concludes, in our words, and what is measured of it."""


def conclusions(learning: pd.DataFrame, stuck: pd.DataFrame) -> pd.DataFrame:
    """Return the article's conclusions beside what a study measures.

    Parameters
    ----------
    learning, stuck : DataFrame
        As `sigmoid_bce.comparison.learning.tables` returns them.

    Returns
    -------
    DataFrame
        article, measured: a row for each conclusion.
    """
    evidence = Evidence(learning, stuck)
    rows = [(article, said(s, evidence, NOTHING)) for article, s in CONCLUSIONS.items()]
    return pd.DataFrame(rows, columns=["article", "measured"])
