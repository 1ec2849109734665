"""The tables that figures and verdict rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.study.cells import Cell


def check_settings(run: str | Path, made: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Check that a cell was trained with the study's settings.

    Snakemake does not notice where it has no record of how a file was made: it has none of what
    jobs on a cluster did after its own death.

    Parameters
    ----------
    run : str or Path
        The cell's run.json.
    made, wanted : mapping
        Settings of model and training, there and in the study.

    Raises
    ------
    UserError
        With what differs.

    Examples
    --------
    >>> made, wanted = {"patience": 3}, {"patience": 5}
    >>> check_settings("run.json", made, wanted)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    sigmoid_bce.jobs.logs.UserError: run.json has other settings ... (patience: 3, now 5): ...
    """
    differ = [
        f"{key}: {made.get(key)}, now {value}"
        for key, value in wanted.items()
        if key != "weights" and made.get(key) != value
    ]
    if differ:
        raise UserError(
            f"{run} has other settings than the study ({'; '.join(differ)}): delete it, then run "
            "snakemake again"
        )


def stage_rows(
    cell: Cell, stage: str, epochs: int, quarantined: int, raw: pd.DataFrame, table: pd.DataFrame
) -> list[dict]:
    """Summarise one cell at one stage, a row for each split.

    Parameters
    ----------
    cell : Cell
    stage : {"early", "full"}
    epochs : int
        Epochs of training behind the stage.
    quarantined : int
        Files of the data set that were set aside.
    raw : DataFrame
        Its raw outputs, with the column split.
    table : DataFrame
        Their comparison, as `sigmoid_bce.comparison.compare.samples` returned it.

    Returns
    -------
    list of dict
        The cell's fields; accuracy; raw_output_min and _max; the shares clipped and dead, where
        the raw output agrees with the label (correct side) and where it does not (wrong side);
        for both ways to compute it, the largest and the mean absolute error of the loss, and the
        largest relative one.
    """
    rows = []
    for split, part in table.groupby(raw["split"].to_numpy()):
        x, y = part["raw_output"].to_numpy(), part["label"].to_numpy()
        correct = (x > 0) == (y == 1)
        row = {
            **asdict(cell),
            "stage": stage,
            "split": split,
            "epochs": epochs,
            "samples": len(part),
            "quarantined": quarantined,
            "accuracy": correct.mean(),
            "raw_output_min": x.min(),
            "raw_output_max": x.max(),
        }
        for what in ("clipped", "dead"):
            for side, where in (("correct", correct), ("wrong", ~correct)):
                row[f"{what}_{side}_share"] = (part[what].to_numpy() & where).mean()
        exact = part["bce_exact"].to_numpy()
        for way in ("raw", "sigmoid"):
            error = np.abs(part[f"bce_{way}"].to_numpy(np.float64) - exact)
            row[f"bce_{way}_error_max"] = error.max()
            row[f"bce_{way}_error_mean"] = error.mean()
            relative = np.divide(error, exact, out=np.zeros_like(error), where=exact > 0)
            row[f"bce_{way}_relative_error_max"] = relative.max()
        rows.append(row)
    return rows


def by_model(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the extremes over the cells of each model and stage, on training images.

    Parameters
    ----------
    cells : DataFrame
        Rows that `stage_rows` returned.

    Returns
    -------
    DataFrame
        dataset, model, stage; cells; validation accuracy (mean); the range of raw outputs; the
        largest share of samples clipped and dead; the largest errors of both losses.
    """
    keys = ["dataset", "model", "loss", "stage"]
    train = cells[cells["split"] == "train"].copy()
    for what in ("clipped", "dead"):
        train[f"{what}_share"] = train[f"{what}_correct_share"] + train[f"{what}_wrong_share"]
    out = train.groupby(keys, sort=False).agg(
        cells=("seed", "size"),
        raw_output_min=("raw_output_min", "min"),
        raw_output_max=("raw_output_max", "max"),
        clipped_share_max=("clipped_share", "max"),
        dead_share_max=("dead_share", "max"),
        dead_wrong_share_max=("dead_wrong_share", "max"),
        bce_raw_error_max=("bce_raw_error_max", "max"),
        bce_sigmoid_error_max=("bce_sigmoid_error_max", "max"),
        bce_sigmoid_error_mean_max=("bce_sigmoid_error_mean", "max"),
    )
    validation = cells[cells["split"] == "validation"].groupby(keys, sort=False)["accuracy"].mean()
    out.insert(1, "val_accuracy_mean", validation)
    return out.reset_index()


def by_batch_size(batches: pd.DataFrame) -> pd.DataFrame:
    """Return how far the two losses of batches differ, for each size of the batch.

    Parameters
    ----------
    batches : DataFrame
        Batches of every cell and stage: a cell's fields, stage, and the columns that
        `sigmoid_bce.comparison.compare.batches` returned.

    Returns
    -------
    DataFrame
        dataset, model, loss, stage, compared_batch_size; batches; the share with a clipped sample;
        the largest and mean relative error of the loss from the sigmoid outputs.
    """
    exact = batches["bce_exact"]
    error = (batches["bce_sigmoid"].astype(np.float64) - exact).abs() / exact.where(exact > 0)
    table = batches.assign(relative=error.fillna(0), with_clipped=batches["clipped"] > 0)
    return (
        table.groupby(["dataset", "model", "loss", "stage", "compared_batch_size"], sort=False)
        .agg(
            batches=("batch", "size"),
            with_clipped_share=("with_clipped", "mean"),
            relative_error_max=("relative", "max"),
            relative_error_mean=("relative", "mean"),
        )
        .reset_index()
    )


def values(
    cells: pd.DataFrame, models: pd.DataFrame, batches: pd.DataFrame
) -> dict[str, int | float]:
    """Return what the report's captions say of the whole study, at the stage `full`.

    Parameters
    ----------
    cells : DataFrame
        Rows of `stage_rows`.
    models, batches : DataFrame
        What `by_model` and `by_batch_size` returned.

    Returns
    -------
    dict
    """
    full = cells[(cells["stage"] == "full") & (cells["split"] == "train")]
    last = models[models["stage"] == "full"]
    sizes = batches[batches["stage"] == "full"]
    small = sizes[sizes["compared_batch_size"] == sizes["compared_batch_size"].min()]
    return {
        "cells": len(full),
        "quarantined": int(full.drop_duplicates("dataset")["quarantined"].sum()),
        "raw_min": float(full["raw_output_min"].min()),
        "raw_max": float(full["raw_output_max"].max()),
        "clipped_percent_max": float(100 * last["clipped_share_max"].max()),
        "dead_wrong_percent_max": float(100 * last["dead_wrong_share_max"].max()),
        "raw_error_max": float(last["bce_raw_error_max"].max()),
        "sigmoid_error_max": float(last["bce_sigmoid_error_max"].max()),
        "smallest_batch": int(small["compared_batch_size"].iloc[0]),
        "batch_relative_percent_mean": float(100 * small["relative_error_mean"].max()),
    }
