"""The files of a training's checkpoints: their names and their removal, without TensorFlow."""

from __future__ import annotations

from pathlib import Path

NAMES = ("checkpoint.npz", "checkpoint.early.npz")
"""In a cell's folder: the state after the last epoch that was kept, and that of the early stage."""


def remove(folder: Path) -> None:
    """Delete the checkpoints in a cell's folder, if there are any.

    Parameters
    ----------
    folder : Path
        train/<cell>/.

    Examples
    --------
    >>> remove(Path("a folder without checkpoints"))
    """
    for name in NAMES:
        (folder / name).unlink(missing_ok=True)
