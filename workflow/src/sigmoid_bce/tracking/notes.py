"""The description of each run: what came out, and the files that it is made of."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy import stats

NOTE = "mlflow.note.content"
"""The tag that MLflow's pages show as a description."""
MARK = "Made by `make tracking`."
"""The end of a note of ours: another note is a user's, and stays."""
CONFIDENCE = 0.95
FEWEST = 3
"""Values of which an interval is shown, at least."""


def percent(share: float) -> str:
    """Return a share in percent; only all of it is 100 %.

    Examples
    --------
    >>> percent(0.0027499), percent(0.08612), percent(0.97), percent(0.9999), percent(1)
    ('0.27 %', '8.61 %', '97.0 %', '> 99.9 %', '100 %')
    """
    value = 100 * share
    if value == 100 or value < 10:
        return f"{value:.{2 if value < 1 else 3}g} %"
    return "> 99.9 %" if 99.95 <= value < 100 else f"{value:.1f} %"


def units(error: float) -> str:
    """Return an error in units of 1e-7, near the resolution of float32.

    Examples
    --------
    >>> units(6.43548244e-07)
    '6.44'
    """
    return f"{1e7 * error:.3g}"


def summary(
    values: Sequence[float], bounds: tuple[float, float] = (-math.inf, math.inf)
) -> dict[str, float]:
    """Return the mean, and how far the values vary.

    Three values or more have a standard deviation and a 95 % interval of the mean (Student's t),
    of which the part within the bounds counts: the mean cannot lie beyond them. Two values have a
    range only, since their interval would say nothing; one has a mean only, and none has nothing.

    Parameters
    ----------
    values : sequence of float
    bounds : tuple of float
        The least and the greatest value that is possible.

    Examples
    --------
    >>> {name: round(value, 3) for name, value in summary([1.0, 2.0, 3.0], (0, 9)).items()}
    {'mean': 2.0, 'sd': 1.0, 'low': 0.0, 'high': 4.484}
    >>> summary([1.0, 2.0])
    {'mean': 1.5, 'min': 1.0, 'max': 2.0}
    """
    if not len(values):
        return {}
    mean = float(np.mean(values))
    if len(values) == 1:
        return {"mean": mean}
    if len(values) < FEWEST:
        return {"mean": mean, "min": float(min(values)), "max": float(max(values))}
    sd = float(np.std(values, ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * sd / math.sqrt(len(values))
    low, high = np.clip([mean - half, mean + half], *bounds).tolist()
    return {"mean": mean, "sd": sd, "low": low, "high": high}


def over_seeds(
    values: Sequence[float],
    show: Callable[[float], str],
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> str:
    """Return the mean over seeds with its interval, or with the words that there is none.

    Parameters
    ----------
    values : sequence of float
        One for each seed.
    show : callable
        How a value is written.
    bounds : tuple of float
        As for `summary`.

    Examples
    --------
    >>> over_seeds([0.8, 0.82, 0.84], percent, (0, 1))
    '82.0 % (77.0 to 87.0)'
    >>> over_seeds([0.8, 0.82], percent), over_seeds([0.8], percent), over_seeds([], percent)
    ('81.0 % (80.0, 82.0)', '80.0 % (one seed)', 'no finite value')
    """
    found = {name: show(value) for name, value in summary(values, bounds).items()}
    if not found:
        return "no finite value"
    bare = {name: text.removesuffix(" %") for name, text in found.items()}
    if "low" in found:
        return f"{found['mean']} ({bare['low']} to {bare['high']})"
    if "min" in found:
        return f"{found['mean']} ({bare['min']}, {bare['max']})"
    return f"{found['mean']} (one seed)"


def plain(text: str) -> str:
    r"""Return a text of users as Markdown that shows it as it is.

    Examples
    --------
    >>> plain("# <b>one</b>\ntwo?")
    '\\# \\<b\\>one\\</b\\> two?'
    """
    return re.sub(r"([\\`*_{}\[\]<>#|~&$])", r"\\\1", " ".join(text.split()))


def note(first: str, results: Path, files: Iterable[str], *more: str) -> str:
    """Return the description of a run, in Markdown.

    Parameters
    ----------
    first : str
        The result, which MLflow's page shows without a click; left out if empty.
    results : Path
        The study's folder.
    files : iterable of str
        Where the run's files are, below `results`.
    *more : str
        Further paragraphs.

    Examples
    --------
    >>> print(note("It learns.", Path("results/s"), ["train/c/"]))
    It learns.
    <BLANKLINE>
    Files: `results/s/train/c/`. Made by `make tracking`.
    """
    folder = results.resolve()
    if folder.is_relative_to(Path.cwd()):
        folder = Path(os.path.relpath(folder))
    listed = ", ".join(f"`{folder}/{file}`" for file in files)
    return "\n\n".join(filter(None, [first, f"Files: {listed}. {MARK}", *more]))
