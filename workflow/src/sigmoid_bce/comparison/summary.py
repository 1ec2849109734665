"""Tables of a whole study: every cell, every model, every batch size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.comparison import metrics
from sigmoid_bce.comparison.words import counted
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.config import FLOAT32

AXES = ("dataset", "model", "loss", "precision")
"""The columns that every table of several cells tells apart; precision is not in each."""
IN_CAPTIONS = {
    "quarantined": "file",
    "copies_across_split": "sample",
    "copies_across_classes": "sample",
}
"""The numbers of images that captions quote, for all data sets together, and what they count."""


def check_settings(run: str | Path, made: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Check that a cell was trained with the study's settings.

    Snakemake compares settings only where it has recorded them. It has no records of cluster jobs
    that ended after Snakemake itself had died.

    Parameters
    ----------
    run : str or Path
        The cell's run.json, for the message.
    made, wanted : mapping
        Settings of model and training, in run.json and in the study.

    Raises
    ------
    UserError
        If some differ: the message names them.

    Examples
    --------
    >>> made, wanted = {"patience": 3}, {"patience": 5}
    >>> check_settings("run.json", made, wanted)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    sigmoid_bce.jobs.logs.UserError: run.json: trained with patience 3; the study has ... 5. ...
    """
    differ = {
        key: (made.get(key), value)
        for key, value in wanted.items()
        if key != "weights" and made.get(key) != value
    }
    if differ:
        then = ", ".join(f"{key} {value}" for key, (value, _) in differ.items())
        now = ", ".join(f"{key} {value}" for key, (_, value) in differ.items())
        raise UserError(
            f"{run}: trained with {then}; the study has {now}. Delete this file, then run "
            "snakemake again"
        )


def of_datasets(summaries: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return tables/datasets.csv.

    Parameters
    ----------
    summaries : dict of dict
        The content of each data set's summary.json, by the data set's name.

    Returns
    -------
    DataFrame
        A row a data set, with its name as the index: the names of both classes, and numbers of
        images.

    Examples
    --------
    >>> of_datasets({"pets": {"classes": ["cat", "dog"], "train": 8}}).to_dict("records")
    [{'label_0': 'cat', 'label_1': 'dog', 'train': 8}]
    """
    rows = {}
    for name, summary in summaries.items():
        numbers = {key: value for key, value in summary.items() if key != "classes"}
        zero, one = summary["classes"]
        rows[name] = {"label_0": zero, "label_1": one, **numbers}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("dataset")


def stage_rows(
    cell: Cell, stage: str, epochs: int, quarantined: int, raw: pd.DataFrame, table: pd.DataFrame
) -> list[dict[str, Any]]:
    """Return the rows of tables/cells.csv for one cell at one stage, one for each split.

    Parameters
    ----------
    cell : Cell
    stage : {"early", "full"}
    epochs : int
        The number of epochs that the cell had been trained for.
    quarantined : int
        The number of broken files of the data set.
    raw : DataFrame
        The raw outputs; their column split is used.
    table : DataFrame
        The comparison of the same samples, from `sigmoid_bce.comparison.compare.samples`.

    Returns
    -------
    list of dict
        The cell's fields, stage, split, epochs, samples, quarantined, and the metrics in
        `sigmoid_bce.comparison.metrics.METRICS`.
    """
    return [
        {
            **asdict(cell),
            "stage": stage,
            "split": split,
            "epochs": epochs,
            "samples": len(part),
            "quarantined": quarantined,
            **metrics.measure(part),
        }
        for split, part in table.groupby(raw["split"].to_numpy())
    ]


def with_axes(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of cells without the column precision where all of them are in float32.

    Examples
    --------
    >>> list(with_axes(pd.DataFrame({"precision": ["float32"] * 2, "seed": [0, 1]})))
    ['seed']
    """
    usual = (table["precision"] == FLOAT32).all()
    return table.drop(columns="precision") if usual else table


def _keys(table: pd.DataFrame, *more: str) -> list[str]:
    """Return the columns that tell groups of cells apart: none averages over precisions."""
    return [key for key in (*AXES, *more) if key in table]


def by_model(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the extremes over the cells of each model, loss and stage, on training images.

    Parameters
    ----------
    cells : DataFrame
        Rows that `stage_rows` returned.

    Returns
    -------
    DataFrame
        dataset, model, loss, precision (if `cells` has it), stage; the number of cells; the mean
        validation accuracy; the range of raw outputs; the largest shares of clipped and dead
        samples; the largest errors of both losses.
    """
    keys = _keys(cells, "stage")
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
    """Return the error of the mean loss from sigmoid outputs, for each batch size.

    Parameters
    ----------
    batches : DataFrame
        Batches of every cell and stage: the cell's fields, stage, and the columns of
        `sigmoid_bce.comparison.compare.batches`, with batch_size as compared_batch_size.

    Returns
    -------
    DataFrame
        dataset, model, loss, precision (if `batches` has it), stage, compared_batch_size; the
        number of batches; the share of batches that hold a clipped sample; the largest and the
        mean relative error.
    """
    error = metrics.relative_error(
        batches["bce_sigmoid"].to_numpy(), batches["bce_exact"].to_numpy(np.float64)
    )
    table = batches.assign(relative=error, with_clipped=batches["clipped"] > 0)
    return (
        table.groupby(_keys(table, "stage", "compared_batch_size"), sort=False)
        .agg(
            batches=("batch", "size"),
            with_clipped_share=("with_clipped", "mean"),
            relative_error_max=("relative", "max"),
            relative_error_mean=("relative", "mean"),
        )
        .reset_index()
    )


def _up_to(share: float) -> str:
    """Return the samples of a network in words.

    Examples
    --------
    >>> _up_to(0), _up_to(0.0885)
    ('no sample', 'up to 8.85 % of the samples')
    """
    return f"up to {100 * share:.3g} % of the samples" if share else "no sample"


def in_captions(datasets: pd.DataFrame) -> dict[str, str]:
    """Return the numbers that captions quote for all data sets together, in words.

    Parameters
    ----------
    datasets : DataFrame
        The table that `of_datasets` returns.
    """
    return {name: counted(int(datasets[name].sum()), noun) for name, noun in IN_CAPTIONS.items()}


def values(
    datasets: pd.DataFrame, cells: pd.DataFrame, models: pd.DataFrame, batches: pd.DataFrame
) -> dict[str, int | float | str]:
    """Return the numbers, or words, of the full stage that the captions of the tables quote.

    Parameters
    ----------
    datasets : DataFrame
        The table that `of_datasets` returns.
    cells : DataFrame
        Rows of `stage_rows`.
    models, batches : DataFrame
        Rows of `by_model` and `by_batch_size`.

    Returns
    -------
    dict
        A number or words for each substitution in report/tables/.
    """
    full = cells[(cells["stage"] == "full") & (cells["split"] == "train")]
    last = models[models["stage"] == "full"]
    sizes = batches[batches["stage"] == "full"]
    small = sizes[sizes["compared_batch_size"] == sizes["compared_batch_size"].min()]
    return {
        "cells": len(full),
        **in_captions(datasets),
        "raw_min": float(full["raw_output_min"].min()),
        "raw_max": float(full["raw_output_max"].max()),
        "clipped": _up_to(last["clipped_share_max"].max()),
        "dead_wrong": _up_to(last["dead_wrong_share_max"].max()),
        "raw_error_max": float(last["bce_raw_error_max"].max()),
        "sigmoid_error_max": float(last["bce_sigmoid_error_max"].max()),
        "smallest_batch": int(small["compared_batch_size"].iloc[0]),
        "batch_relative_percent_mean": float(100 * small["relative_error_mean"].max()),
    }
