"""The cost of computing binary cross-entropy from sigmoid outputs instead of raw outputs."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
"""The release; `RELEASE` in workflow/rules/package.smk is the one that the rules need."""

_HOMES = {"explain_stuck_loss": "stuck_loss", "verdict": "judge"}
__all__ = ["explain_stuck_loss", "verdict"]


def __getattr__(name: str) -> Any:
    # lazily: every job imports the package
    if name in _HOMES:
        return getattr(import_module(f"sigmoid_bce.verdicts.{_HOMES[name]}"), name)
    if name in ("keras", "torch"):
        return import_module(f"sigmoid_bce.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
