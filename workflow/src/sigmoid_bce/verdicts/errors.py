"""The error of a verdict's inputs, and the words for its two inputs."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sigmoid_bce.jobs.logs import UserError

LABEL, RAW_OUTPUT = "label", "raw_output"
Array = NDArray[Any]


class BadOutputs(UserError, ValueError):
    """An error in raw outputs or labels: one line with the place and the value expected there."""
