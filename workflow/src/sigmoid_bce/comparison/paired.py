"""Statistics of paired differences: intervals, a test of no difference, a test of equivalence."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.weightstats import ttost_paired

LEVEL = 0.05
"""Of every test; an interval covers the rest."""
RESAMPLES = 9_999
QUANTILES = {"median": 0.5, "q05": 0.05, "q25": 0.25, "q75": 0.75, "q95": 0.95}
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def moments(difference: Floats) -> tuple[float, float]:
    """Return mean and standard deviation: exact ones if all differences are one number.

    Examples
    --------
    >>> moments(np.full(20, 0.01)), moments(np.array([1.0, 3.0]))[0]
    ((0.01, 0.0), 2.0)
    """
    n = len(difference)
    if n > 1 and (difference == difference[0]).all():
        return float(difference[0]), 0.0
    mean = float(difference.mean()) if n else np.nan
    return mean, float(difference.std(ddof=1)) if n > 1 else np.nan


def t_interval(difference: Floats) -> tuple[float, float]:
    """Return the 95 % t interval of the mean.

    Parameters
    ----------
    difference : ndarray of float64, shape (n,)
        Finite differences.

    Returns
    -------
    low, high : float
        nan if n < 2. Both the mean if the standard deviation is 0.

    Examples
    --------
    >>> [round(end, 3) for end in t_interval(np.array([1.0, 2.0, 3.0]))]
    [-0.484, 4.484]
    """
    n = len(difference)
    if n < 2:
        return np.nan, np.nan
    mean, sd = moments(difference)
    half = float(stats.t.ppf(1 - LEVEL / 2, n - 1) * sd / np.sqrt(n))
    return mean - half, mean + half


def bootstrap_interval(difference: Floats) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean: BCa, or percentile where BCa has no value.

    Parameters
    ----------
    difference : ndarray of float64, shape (n,)
        Finite differences.

    Returns
    -------
    low, high : float
        As for `t_interval`. The resamples are the same in every call.

    Examples
    --------
    >>> low, high = bootstrap_interval(np.arange(20.0))
    >>> low < 9.5 < high
    True
    """
    if not moments(difference)[1] > 0:
        return t_interval(difference)
    low = high = np.nan
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            low, high = stats.bootstrap(
                (difference,), np.mean, n_resamples=RESAMPLES, confidence_level=1 - LEVEL,
                method=method, rng=np.random.default_rng(0),
            ).confidence_interval  # fmt: skip
        if np.isfinite(low) and np.isfinite(high):
            break
    return float(low), float(high)


def wilcoxon_p(difference: Floats) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test of no difference.

    Parameters
    ----------
    difference : ndarray of float64, shape (n,)
        Finite differences.

    Returns
    -------
    float
        1 if n < 2, or if every difference is 0.

    Examples
    --------
    >>> wilcoxon_p(np.zeros(20)), wilcoxon_p(np.arange(1.0, 6.0))
    (1.0, 0.0625)
    """
    if len(difference) < 2 or not difference.any():
        return 1.0
    return float(stats.wilcoxon(difference).pvalue)


def tost_p(difference: Floats, margin: float) -> float:
    """Return the p of two one-sided t tests: the mean lies within the margin, on both sides.

    Parameters
    ----------
    difference : ndarray of float64, shape (n,)
        Finite differences.
    margin : float
        The largest difference that does not matter.

    Returns
    -------
    float
        1 if n < 2. If the standard deviation is 0, 0 within the margin and 1 elsewhere.

    Examples
    --------
    >>> tost_p(np.zeros(20), 0.005), tost_p(np.full(20, 0.01), 0.005)
    (0.0, 1.0)
    """
    if len(difference) < 2:
        return 1.0
    mean, sd = moments(difference)
    if sd == 0:
        return float(not abs(mean) < margin)
    return float(ttost_paired(difference, np.zeros(len(difference)), -margin, margin)[0])


def mcnemar_p(one: Bools, other: Bools) -> float:
    """Return the p of McNemar's exact test of paired outcomes.

    Parameters
    ----------
    one, other : ndarray of bool, shape (n,)
        Whether it happened to either run of each pair.

    Returns
    -------
    float
        1 if it happened to both or to neither in every pair.

    Examples
    --------
    >>> mcnemar_p(np.ones(6, bool), np.zeros(6, bool))
    0.03125
    """
    table = [[0, int((one & ~other).sum())], [int((~one & other).sum()), 0]]
    return min(1.0, float(mcnemar(table, exact=True).pvalue))


def holm(p: ArrayLike) -> Floats:
    """Return p values adjusted by Holm for being one family.

    Parameters
    ----------
    p : array_like, shape (n,)
        A nan belongs to no test, and stays.

    Returns
    -------
    ndarray of float64, shape (n,)

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    # not by statsmodels' multipletests, which collects garbage in each call, for 0.2 s
    values = np.array(p, np.float64)
    order = np.argsort(values)[: np.count_nonzero(~np.isnan(values))]
    stricter = values[order] * np.arange(len(order), 0, -1)
    values[order] = np.minimum(np.maximum.accumulate(stricter), 1)
    return values


def describe(difference: Floats, margin: float) -> dict[str, float]:
    """Return every statistic of the differences of one arm from the reference, in one metric.

    Parameters
    ----------
    difference : ndarray of float64, shape (n,)
        Finite differences, value minus reference.
    margin : float
        The largest difference that does not matter.

    Returns
    -------
    dict
        difference (their mean), sd, t_low, t_high, bootstrap_low, bootstrap_high, `QUANTILES`,
        wilcoxon_p, margin, tost_p. What too few differences leave open is nan.

    Examples
    --------
    >>> found = describe(np.full(20, 0.01), 0.005)
    >>> found["t_low"], found["tost_p"], found["wilcoxon_p"] < 0.001
    (0.01, 1.0, True)
    """
    mean, sd = moments(difference)
    t, bootstrap = t_interval(difference), bootstrap_interval(difference)
    levels = list(QUANTILES.values())
    quantiles = np.quantile(difference, levels) if len(difference) else [np.nan] * len(levels)
    return {
        "difference": mean,
        "sd": sd,
        "t_low": t[0],
        "t_high": t[1],
        "bootstrap_low": bootstrap[0],
        "bootstrap_high": bootstrap[1],
        **dict(zip(QUANTILES, map(float, quantiles), strict=True)),
        "wilcoxon_p": wilcoxon_p(difference),
        "margin": margin,
        "tost_p": tost_p(difference, margin),
    }
