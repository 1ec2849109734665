"""The error of a verdict's inputs, and the words for its two inputs."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sigmoid_bce.jobs.logs import UserError, one_line

LABEL, RAW_OUTPUT = "label", "raw_output"
EVERY = "all"
"""In tables, the name of all labels together."""
Array = NDArray[Any]


class BadOutputs(UserError, ValueError):
    """An error in raw outputs or labels: one line with the place and the value expected there."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text))
