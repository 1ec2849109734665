"""What it means that a loss is stuck, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import mpmath
import numpy as np

from sigmoid_bce.numerics.catalogue import PAST
from sigmoid_bce.verdicts.harm import percent
from sigmoid_bce.verdicts.plateaus import LOG2, Candidate, Given, called

LEAST = 0.001
"""Below this loss, nobody takes it for the prior of rare samples."""
CURE = (
    "What to do: compute the loss from raw outputs, as below, and train anew, since stuck samples "
    "give no gradient. Standardise the inputs or lower the learning rate, so that the first steps "
    "do not throw raw outputs so far."
)
LOOK = (
    "What to do: an ordinary loss may have this value as well. If it has not changed for epochs, "
    "look at the raw outputs of the training samples: sigmoid-bce verdict, or sigmoid_bce.verdict, "
    "counts those without a gradient."
)
METRIC = "What to do: compute the metric from raw outputs, as below, to see how wrong they are."


WHERE = {
    "Keras on TensorFlow": "where it cannot recover the logits: a layer after the sigmoid, "
    "predict, half precision"
}
"""The frameworks that have a plateau in some of their programs only, and in which."""
NEARLY = 0.01
"""A whole class is stuck but for this share of it, at most."""


def _entropy(share: mpmath.mpf) -> mpmath.mpf:
    return -share * mpmath.log(share) - (1 - share) * mpmath.log(1 - share)


def on_prior(given: Given) -> tuple[str, bool]:
    """Return the sentence on a network that has learned no more than the prior.

    Returns
    -------
    sentence : str
        Empty if the loss is not that of such a network.
    certain : bool
        Whether the loss is that of the prior, rather than that of some prior.
    """
    loss, ones = given.loss, given.ones
    if abs(loss - LOG2) <= given.slack:
        return (
            f"{loss:.6g} is log 2: every prediction is about 0.5. The network has learned "
            "nothing, or no more than that both labels are equally frequent.",
            True,
        )
    if ones is None and LEAST <= loss < LOG2:
        found = mpmath.findroot(lambda p: _entropy(p) - loss, (1e-9, 0.5), solver="anderson")
        share = float(found)
        return (
            f"If {percent(share)} or {percent(1 - share)} of the samples have label 1, {loss:.6g} "
            "is the entropy of the labels: every prediction is that share, and the network has "
            "learned nothing else. class_share tells.",
            False,
        )
    if ones is not None and 0 < ones < 1 and abs(loss - _entropy(ones)) <= given.slack:
        return (
            f"{loss:.6g} is the entropy of the labels: every prediction is about {ones:g}, the "
            "share of label 1. The network has learned the prior and nothing else.",
            True,
        )
    return "", False


def _framework(row: Candidate) -> str:
    where = WHERE.get(row.framework)
    return f"{row.framework} ({where})" if where else row.framework


def _frameworks(found: Sequence[Candidate]) -> str:
    """Return the frameworks of the candidates that say the same as the first."""
    first = found[0]
    same = [
        row.implementation if row.framework in PAST else _framework(row)
        for row in found
        if row.fits and (row.label, row.side, row.trains) == (first.label, first.side, first.trains)
        and f"{row.plateau:.6g}" == f"{first.plateau:.6g}"
    ]  # fmt: skip
    return "; ".join(dict.fromkeys(same))


def _labels(found: Sequence[Candidate]) -> str:
    """Return the labels that the first candidate's program may be stuck at."""
    first = found[0]
    if first.label == "both":
        return "of both labels"
    same = {
        row.label for row in found if replace(row, label=first.label, start=first.start) == first
    }
    return f"of label {' or '.join(sorted(same))}"


def _near(given: Given, found: Sequence[Candidate], stuck: str) -> list[str]:
    """Return the sentences on a loss that no whole class gives; `stuck` says who would be stuck."""
    loss, first, known = given.loss, found[0], given.ones is not None
    usual = min(given.usual(first), key=lambda share: abs(share - first.share))
    if known and first.trains and abs(first.share - usual) <= NEARLY * usual:
        frameworks = _frameworks([replace(row, fits=True) for row in found])
        return [
            f"{loss:.6g} is what nearly all samples {_labels(found)} give on the {first.side} "
            f"side, at {first.plateau:.6g} each, in: {frameworks}. {stuck} there. Their gradient "
            "is 0, or nearly.",
            CURE,
        ]
    rest = f", and the other samples add {first.rest:.3g}" if first.rest else ""
    whole = "No whole class" if known else "Neither all samples nor half of them"
    tells = "" if known else " class_share, the share of label 1, tells more."
    return [
        f"{whole} at a plateau gives {loss:.6g}. With {called(first)} it would be that {stuck} on "
        f"the {first.side} side at {first.plateau:.6g} each{rest}.{tells}",
        LOOK,
    ]


def on_candidates(given: Given, found: Sequence[Candidate], largest: float) -> list[str]:
    """Return the sentences on the most likely meaning of a loss.

    Parameters
    ----------
    given : Given
    found : sequence of Candidate
        The most likely first.
    largest : float
        The largest plateau of the frameworks asked for; nan if there is none.
    """
    loss = given.loss
    if not found and loss < LEAST:
        return [
            f"{loss:.6g} is nearly 0, and too little for a single stuck sample in a million: every "
            "sample is right. Nothing is left to learn from it."
        ]
    if not found:
        above = f", the largest of which is {largest:.6g}" if loss > largest else ""
        return [
            f"No plateau of the record explains {loss:.6g}{above}. A loss from raw outputs has no "
            "plateau: far on the wrong side it is the magnitude of the raw output. A sum over "
            "samples, weights of classes and penalties make other numbers."
        ]
    first = found[0]
    labels = _labels(found)
    stuck = f"{percent(first.share)} of the samples, {labels},"
    if not first.fits:
        return _near(given, found, f"{stuck} are stuck")
    times = "" if first.share == 1 else f"{first.share:.6g} times "
    lead = (
        f"{loss:.6g} is {times}the plateau {labels} on the {first.side} side, {first.plateau:.6g}, "
        f"in: {_frameworks(found)}."
    )
    if first.side == "correct":
        return [f"{lead} {stuck} are as right as this loss can tell: nothing is left to learn."]
    lead = f"{lead} {stuck} are stuck there."
    if not first.trains:
        return [
            f"{lead} This is a metric: it stops no training, and hides how wrong they are.",
            METRIC,
        ]
    accuracy = percent(first.accuracy)
    others = "" if first.share == 1 else " if the others are right"
    return [f"{lead} Their gradient is 0, or nearly. Accuracy is {accuracy}{others}.", CURE]


def on_no_number(loss: float, found: Sequence[Candidate]) -> list[str]:
    """Return the sentences on nan and inf; `found` has where the record has them."""
    text = (
        "The loss is nan: 0 was multiplied by the logarithm of 0, or weights, inputs or labels "
        "hold nan. From then on every loss is nan."
        if np.isnan(loss)
        else "The loss is inf: the logarithm of 0 was taken, or raw outputs are infinite. nan "
        "comes next."
    )
    if found:
        first = found[0]
        text += (
            f" In the record, it comes first with {called(first)}: from raw outputs of magnitude "
            f"{first.start:.4g} on the {first.side} side of label {first.label}."
        )
    return [text, CURE]


def on_sign(loss: float) -> list[str]:
    """Return the sentence on a loss of 0 or below."""
    if loss == 0:
        return [
            "The loss is 0: every sample is so far on its correct side that its loss rounds to 0, "
            "or there is one class only, or no sample at all. Nothing is left to learn from it."
        ]
    return [
        f"The loss is {loss:.6g}, and binary cross-entropy is never negative: labels are outside "
        "[0, 1] (-1 and 1, or 0 and 255?), or another term is added, or, if it is about -1e-12 or "
        "-1e-7, every sample is right and an epsilon in the logarithm shows."
    ]
