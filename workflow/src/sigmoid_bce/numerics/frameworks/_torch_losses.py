"""PyTorch's losses beside binary cross-entropy, and binary cross-entropy under autocast."""

from __future__ import annotations

from functools import partial
from typing import Any

from sigmoid_bce.numerics.frameworks._labels import smoothed
from sigmoid_bce.numerics.frameworks._torch import ATEN, Program
from sigmoid_bce.numerics.objectives import WEIGHT

LOSS, SOFTMAX = ATEN.format("Loss.cpp"), ATEN.format("SoftMax.cpp")
LOGITS = "(1 - y) x - logsigmoid(x); backward sigmoid(x) - y"
CLAMPED = "-(y max(log p, -100) + (1 - y) max(log(1 - p), -100))"


def programs(torch: Any) -> list[Program]:
    """Return the programs, of one loss after the other."""
    functional = torch.nn.functional
    with_logits = functional.binary_cross_entropy_with_logits

    def outputs(x, classes):
        """Return the raw outputs (x, 0, ..., 0), of shape (n, classes)."""
        return torch.cat([x[:, None], x.new_zeros(len(x), classes - 1)], 1)

    def right(y):
        """Return the class of each label: the first for 1, the second for 0."""
        return (1 - y).long()

    def cross_entropy(classes, x, y):
        return functional.cross_entropy(outputs(x, classes), right(y), reduction="none")

    def of_log(classes, x, y):
        logs = torch.softmax(outputs(x, classes), 1).log()
        return functional.nll_loss(logs, right(y), reduction="none")

    return [
        Program(
            "BCEWithLogitsLoss(pos_weight)",
            lambda x, y: with_logits(x, y, pos_weight=x.new_tensor(WEIGHT), reduction="none"),
            "(1 - y) x - (1 + 3 y) logsigmoid(x)",
            LOSS,
            "weighted",
        ),
        Program(
            "BCELoss(weight) after sigmoid",
            lambda x, y: functional.binary_cross_entropy(
                torch.sigmoid(x), y, weight=1 + (WEIGHT - 1) * y, reduction="none"
            ),
            f"w times {CLAMPED}, w = 1 + 3 y",
            LOSS,
            "weighted",
        ),
        Program(
            "BCEWithLogitsLoss() of smoothed labels",
            lambda x, y: with_logits(x, smoothed(y), reduction="none"),
            f"{LOGITS}; y smoothed",
            LOSS,
            "smoothing",
        ),
        Program(
            "BCELoss() after sigmoid, of smoothed labels",
            lambda x, y: functional.binary_cross_entropy(
                torch.sigmoid(x), smoothed(y), reduction="none"
            ),
            f"{CLAMPED}, y smoothed",
            LOSS,
            "smoothing",
        ),
        *(
            program
            for classes in (2, 10)
            for program in (
                Program(
                    "CrossEntropyLoss()",
                    partial(cross_entropy, classes),
                    "m + log(sum(exp(x - m))) - x of the right class, m the largest x",
                    SOFTMAX,
                    f"softmax-{classes}",
                ),
                Program(
                    "NLLLoss() of log after softmax",
                    partial(of_log, classes),
                    "-log(exp(x - m) / sum(exp(x - m)))",
                    SOFTMAX,
                    f"softmax-{classes}",
                ),
            )
        ),
        Program(
            "-logsigmoid((2 y - 1) x)",
            lambda x, y: -functional.logsigmoid((2 * y - 1) * x),
            "log1p(exp(-|z|)) - min(z, 0), z = (2 y - 1) x",
            ATEN.format("Activation.cpp"),
            "siglip",
        ),
    ]


def autocast(torch: Any, place: str) -> list[Program]:
    """Return binary cross-entropy of a layer that runs under autocast in bfloat16.

    The weight of the layer is 1, so that its raw output is its input.
    """
    functional, weight = torch.nn.functional, torch.ones((1, 1), device=place)

    def stable(x, y):
        with torch.autocast(place.split(":")[0], dtype=torch.bfloat16):
            outputs = functional.linear(x[:, None].float(), weight)[:, 0]
            return functional.binary_cross_entropy_with_logits(outputs, y.float(), reduction="none")

    def unstable(x, y):
        with torch.autocast(place.split(":")[0], dtype=torch.bfloat16):
            p = torch.sigmoid(functional.linear(x[:, None].float(), weight)[:, 0])
        return functional.binary_cross_entropy(  # sigmoid-bce: ignore
            p.float(), y.float(), reduction="none"
        )

    return [
        Program(
            "autocast: Linear(), BCEWithLogitsLoss()",
            stable,
            f"raw outputs in bfloat16; {LOGITS}",
            LOSS,
            dtypes=("bfloat16",),
        ),
        Program(
            "autocast: BCELoss() of float after sigmoid",
            unstable,
            f"p in bfloat16; {CLAMPED} in float32",
            LOSS,
            dtypes=("bfloat16",),
        ),
    ]
