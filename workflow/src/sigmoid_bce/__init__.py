"""The cost of computing binary cross-entropy from sigmoid outputs instead of raw outputs."""

from typing import Any

__all__ = ["verdict"]


def __getattr__(name: str) -> Any:
    # lazily: every job imports the package
    if name == "verdict":
        from sigmoid_bce.verdicts.judge import verdict

        return verdict
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
