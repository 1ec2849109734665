"""What it costs to compute binary cross-entropy from sigmoid outputs instead of raw outputs."""

from typing import Any

__all__ = ["verdict"]


def __getattr__(name: str) -> Any:
    # importing the package stays light; it is imported in every job
    if name == "verdict":
        from sigmoid_bce.verdicts.judge import verdict

        return verdict
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
