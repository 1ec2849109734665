"""Does it matter for learning? Tables of paired runs, and the class of verdict of each row."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sigmoid_bce.comparison.ends import is_stuck, judged_epochs
from sigmoid_bce.comparison.paired import LEVEL, describe, holm, mcnemar_p
from sigmoid_bce.comparison.stuck import counts, shown
from sigmoid_bce.jobs.files import read_parquet
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.study.learning import REFERENCE, TWINS, LearningCell, Regime

BETTER = {"accuracy": 1, "auc": 1, "ece": -1, "exact_loss": -1}
"""The metrics of validation samples, each with the sign of the direction that is better."""
PLACE = ["part", "question", "dataset", "model", "batch_size"]
"""The columns that name the regime of an arm."""
DECIMALS = 12
"""Of differences: accuracies of one number of samples then have ties where their counts have."""

Read = Callable[[LearningCell], pd.DataFrame]
"""From a learning cell to its rows."""
Row = Mapping[Any, Any]


def from_files(files: Mapping[LearningCell, str]) -> Read:
    """Return a function from a learning cell to the rows in its file."""
    return lambda cell: read_parquet(files[cell])


class Tables(NamedTuple):
    """The tables of a study of learning."""

    pairs: pd.DataFrame
    """A row for each arm, metric and seed of each regime."""
    learning: pd.DataFrame
    """A row for each arm and metric of each regime, with its class of verdict."""
    stuck: pd.DataFrame
    """A row for each arm of each regime, `REFERENCE` included, which has no p."""


def verdict(row: Row, twins: Iterable[Row]) -> str:
    """Return the class of verdict of a row.

    Parameters
    ----------
    row : mapping
        Columns of tables/learning.csv: loss, metric, seeds (all pairs), n (the finite ones),
        failed, failed_reference, failed_p_adjusted, stuck_p_adjusted, t_low, t_high, margin,
        p_adjusted and tost_p_adjusted.
    twins : iterable of mapping
        The rows of `TWINS` of the same regime and metric: t_low, t_high, tost_p.

    Returns
    -------
    {"equivalent", "harms", "helps", "open", "not decidable"}

    Examples
    --------
    >>> row = {"metric": "auc", "seeds": 20, "n": 20, "failed": 0, "failed_reference": 0}
    >>> row |= {"failed_p_adjusted": 1.0, "margin": 0.002, "t_low": -0.4, "t_high": -0.3}
    >>> row |= {"p_adjusted": 0.001, "stuck_p_adjusted": 1.0, "tost_p_adjusted": 1.0}
    >>> verdict(row, []), verdict(row, [{"t_low": -0.5, "t_high": 0.5, "tost_p": 1.0}])
    ('harms', 'not decidable')
    """
    twins = list(twins)
    if row["failed"] > row["failed_reference"] and row["failed_p_adjusted"] < LEVEL:
        return "harms"
    if row["n"] == row["seeds"] and row["tost_p_adjusted"] < LEVEL:
        return "equivalent"
    apart = all(row["t_low"] > t["t_high"] or row["t_high"] < t["t_low"] for t in twins)
    # a few stuck networks move a mean, and hardly the ranks: two tests, which share the level
    differs = np.fmin(row["p_adjusted"], row["stuck_p_adjusted"]) < LEVEL / 2
    if differs and apart and (beyond := _beyond(row)):
        return beyond
    chaotic = any(not t["tost_p"] < LEVEL for t in twins)
    return "not decidable" if chaotic and not apart else "open"


def _beyond(row: Row) -> str:
    """Return on which side of the margin the whole interval of a row lies; empty if on neither."""
    low, high = sorted(BETTER[row["metric"]] * row[end] for end in ("t_low", "t_high"))
    if high < -row["margin"]:
        return "harms"
    return "helps" if low > row["margin"] else ""


def _judged_epochs(
    regime: Regime, loss: str, read: Callable[..., pd.DataFrame], incomplete: bool
) -> pd.DataFrame:
    """Return the judged epochs of a regime's seeds in one arm, in the order of the seeds."""
    cell = regime.cell(loss)
    found = read(cell, regime.epoch)
    missing = [seed for seed in regime.seeds if seed not in found.index]
    if missing and not incomplete:
        raise UserError(
            f"learning/{cell}: no run of seed{'s' * (len(missing) > 1)} "
            f"{', '.join(map(str, missing))}, which {regime.part}.{regime.question} names: "
            "delete this file, then run snakemake again"
        )
    return found.loc[[seed for seed in regime.seeds if seed in found.index]]


def _pairs(arm: pd.DataFrame, reference: pd.DataFrame, metric: str) -> dict[str, Any]:
    """Return the pairs of one metric; a failed run has no value, nan, in any metric."""
    value, other = (
        np.where(run["failed"], np.nan, run[f"val_{metric}"].to_numpy(np.float64))
        for run in (arm, reference)
    )
    return {
        "metric": metric,
        "seed": arm.index,
        "reference": other,
        "value": value,
        "difference": np.round(value - other, DECIMALS),
        "failed": arm["failed"].to_numpy(),
        "failed_reference": reference["failed"].to_numpy(),
    }


def _margin(metric: str, margins: Mapping[str, float], reference: pd.DataFrame) -> float:
    """Return a metric's margin, which for the exact loss may be a share of the reference's."""
    if metric != "exact_loss":
        return margins[metric]
    mean = reference["val_exact_loss"].where(~reference["failed"]).mean()
    share = margins.get("exact_loss_share", 0.0) * mean
    return max(margins[metric], share) if np.isfinite(share) else margins[metric]


def _row(pairs: Mapping[str, Any], margin: float) -> dict[str, Any]:
    """Return the row of tables/learning.csv of one arm's pairs in one metric."""
    finite = np.isfinite(pairs["difference"])
    n, failed, reference = int(finite.sum()), pairs["failed"], pairs["failed_reference"]
    means = [pairs[name][finite].mean() if n else np.nan for name in ("reference", "value")]
    return {
        "seeds": len(finite),
        "n": n,
        "failed": int(failed.sum()),
        "failed_reference": int(reference.sum()),
        "failed_p": mcnemar_p(failed, reference),
        "mean_reference": means[0],
        "mean": means[1],
        **describe(pairs["difference"][finite], margin),
    }


def _adjusted(table: pd.DataFrame, by: Sequence[str], names: Mapping[str, str]) -> pd.DataFrame:
    """Add a column of adjusted p values after each column of `names`, within each group."""
    table = table.copy()
    for name, adjusted in names.items():
        values = table.groupby(list(by), sort=False)[name].transform(holm)
        table.insert(table.columns.get_loc(name) + 1, adjusted, values)
    return table


def _judged(rows: pd.DataFrame, stuck: pd.DataFrame) -> pd.DataFrame:
    """Add the adjusted p values and the classes of verdict to the rows of tables/learning.csv."""
    of_stuck = stuck[[*PLACE, "loss", "mcnemar_p_adjusted"]]
    rows = rows.merge(of_stuck.rename(columns={"mcnemar_p_adjusted": "stuck_p_adjusted"}))
    rows = rows.assign(family=rows["part"] + "." + rows["question"])
    names = {"wilcoxon_p": "p_adjusted", "tost_p": "tost_p_adjusted"}
    rows = _adjusted(rows, ["family"], names)
    # the metrics of one arm share its failed runs
    rows = _adjusted(rows, ["family", "metric"], {"failed_p": "failed_p_adjusted"})
    found = pd.Series("", rows.index)
    for _, group in rows.groupby(["regime", "metric"], sort=False):
        twins = group[group["loss"].isin(TWINS)].to_dict("records")
        for index, row in zip(group.index, group.to_dict("records"), strict=True):
            found[index] = verdict(row, twins)
    return rows.drop(columns="regime").assign(verdict=found)


def _compare(
    regime: Regime,
    read: Callable[..., pd.DataFrame],
    margins: Mapping[str, float],
    incomplete: bool,
) -> Tables:
    """Return the tables of one regime, without what needs the others."""
    reference = _judged_epochs(regime, REFERENCE, read, incomplete)
    pairs, rows, stuck = [], [], []
    for loss, model in regime.models.items():
        place = {name: getattr(regime, name) for name in ("part", "question", "dataset")}
        place |= {"model": model, "batch_size": regime.batch_size, "loss": loss}
        arm = _judged_epochs(regime, loss, read, incomplete)
        both = arm.index.intersection(reference.index)
        if loss != REFERENCE:
            arm = arm.loc[both]
        beside = reference.loc[both]
        found = counts(is_stuck(arm), is_stuck(beside), arm["failed"].to_numpy(bool))
        found |= shown(arm[is_stuck(arm)])
        stuck.append({**place, **found, **({"mcnemar_p": np.nan} if loss == REFERENCE else {})})
        for metric in BETTER if loss != REFERENCE else ():
            of_metric = _pairs(arm, beside, metric)
            pairs.append(pd.DataFrame({**place, **of_metric}))
            row = _row(of_metric, _margin(metric, margins, reference))
            rows.append({**place, "metric": metric, "primary": metric == regime.primary, **row})
    return Tables(pd.concat(pairs), pd.DataFrame(rows), pd.DataFrame(stuck))


def tables(
    regimes: Iterable[Regime], read: Read, margins: Mapping[str, float], incomplete: bool = False
) -> Tables:
    """Compare every arm of every regime with the reference, seed by seed.

    Parameters
    ----------
    regimes : iterable of Regime
    read : callable
        From a `LearningCell` to its rows: seed, epoch,
        failed, majority, accuracy, dead_misclassified, exact_loss, and for each metric of `BETTER`
        a column ``val_<metric>``. Further columns and seeds are ignored.
    margins : mapping
        The margin of each metric of `BETTER`. That of exact_loss is at least
        `exact_loss_share` times the reference's mean in the same regime.
    incomplete : bool
        Accept regimes of which runs are missing.

    Returns
    -------
    Tables
        A family, within which p values are adjusted, has the rows of one question in one part.

    Raises
    ------
    UserError
        If a margin or a run is missing; the message names the metric, or the cell and the seeds.
    """
    if lacking := [metric for metric in BETTER if metric not in margins]:
        raise UserError(f"learning.margins: no margin of {', '.join(lacking)}: write a number")
    judged = functools.cache(lambda cell, epoch: judged_epochs(read(cell), epoch))
    parts = [_compare(regime, judged, margins, incomplete) for regime in regimes]
    for number, part in enumerate(parts):
        part.learning["regime"] = number
    pairs, rows, stuck = (
        pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True)
    )
    stuck = _adjusted(stuck, ["part", "question"], {"mcnemar_p": "mcnemar_p_adjusted"})
    return Tables(pairs, _judged(rows, stuck), stuck)
