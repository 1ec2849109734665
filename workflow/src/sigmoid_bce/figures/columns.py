"""The columns of all tables as readers see them: name, unit, and what a page shows first."""

from __future__ import annotations

import math
from typing import Any, NamedTuple


class Column(NamedTuple):
    """A column of a table, as a page shows it."""

    name: str
    unit: str = ""
    scale: float = 1  # a page shows the value times this
    first: bool = True  # False: only when the reader asks for all columns
    names: bool = False  # its values name a row; a page says it once if they are all equal


def _name(name: str, **more: Any) -> Column:
    return Column(name, names=True, **more)


def _percent(name: str, **more: Any) -> Column:
    return Column(name, "%", 100, **more)


def _more(name: str, unit: str = "", scale: float = 1) -> Column:
    return Column(name, unit, scale, first=False)


COLUMNS = {
    # what a row is about
    "dataset": _name("data set"),
    "model": _name("network"),
    "loss": _name("loss"),
    "batch_size": _name("batch size"),
    "compared_batch_size": _name("batch size"),
    "precision": _name("precision"),
    "seed": _name("seed"),
    "stage": _name("stage"),
    "split": _name("split"),
    "epochs": _name("epochs"),
    "samples": _name("samples", first=False),
    "label_0": _name("label 0"),
    "label_1": _name("label 1"),
    "train": _name("training samples"),
    "validation": _name("validation samples"),
    "quarantined": _name("files left out", first=False),
    "copies": _name("copies of a sample"),
    "copies_across_split": _name("copies across the split"),
    "copies_across_classes": _name("copies in both classes"),
    "cells": _name("networks trained"),
    # trained networks
    "accuracy": _percent("accuracy"),
    "val_accuracy_mean": _percent("validation accuracy, mean"),
    "raw_output_min": Column("lowest raw output"),
    "raw_output_max": Column("highest raw output"),
    "clipped_correct_share": _percent("clipped, right side"),
    "clipped_wrong_share": _percent("clipped, wrong side"),
    "clipped_share_max": _percent("clipped, at most"),
    "dead_correct_share": _percent("gradient 0, right side", first=False),
    "dead_wrong_share": _percent("gradient 0, wrong side"),
    "dead_share_max": _percent("gradient 0, at most"),
    "dead_wrong_share_max": _percent("gradient 0, wrong side, at most"),
    "bce_raw_error_max": Column("error from raw outputs, largest", "nats"),
    "bce_raw_error_mean": _more("error from raw outputs, mean", "nats"),
    "bce_raw_relative_error_max": _more("relative error from raw outputs, largest"),
    "bce_sigmoid_error_max": Column("error from sigmoid outputs, largest", "nats"),
    "bce_sigmoid_error_mean": _more("error from sigmoid outputs, mean", "nats"),
    "bce_sigmoid_error_mean_max": Column("error from sigmoid outputs, largest mean", "nats"),
    "bce_sigmoid_relative_error_max": _more("relative error from sigmoid outputs, largest"),
    "batches": _name("batches"),
    "with_clipped_share": _percent("batches with a clipped sample"),
    "relative_error_max": _percent("relative error, largest"),
    "relative_error_mean": _percent("relative error, mean"),
    # learning
    "primary": Column("main metric"),
    "part": _name("part", first=False),
    "question": _name("question"),
    "metric": _name("metric"),
    "verdict": Column("verdict"),
    "mean_reference": Column("mean with logits"),
    "mean": Column("mean with this loss"),
    "difference": Column("difference"),
    "t_low": Column("95 % interval, from"),
    "t_high": Column("95 % interval, to"),
    "margin": _name("margin", first=False),
    "n": _name("pairs or trainings"),
    "seeds": _name("seeds", first=False),
    "failed": Column("ended in nan"),
    "failed_reference": _more("ended in nan with logits"),
    "failed_p": _more("ended in nan, p"),
    "failed_p_adjusted": _more("ended in nan, p adjusted"),
    "sd": _more("standard deviation"),
    "bootstrap_low": _more("95 % bootstrap interval, from"),
    "bootstrap_high": _more("95 % bootstrap interval, to"),
    "median": _more("median of differences"),
    "q05": _more("5 % quantile"),
    "q25": _more("25 % quantile"),
    "q75": _more("75 % quantile"),
    "q95": _more("95 % quantile"),
    "wilcoxon_p": _more("Wilcoxon test, p"),
    "p_adjusted": _more("Wilcoxon test, p adjusted"),
    "tost_p": _more("equivalence test, p"),
    "tost_p_adjusted": _more("equivalence test, p adjusted"),
    "stuck_p_adjusted": _more("stuck trainings, p adjusted"),
    "family": _more("family of tests"),
    "stuck": Column("stuck trainings"),
    "share": _percent("share stuck"),
    "low": _percent("95 % interval, from"),
    "high": _percent("95 % interval, to"),
    "stuck_reference": Column("stuck with logits"),
    "only_arm": Column("stuck with this loss alone"),
    "only_reference": Column("stuck with logits alone"),
    "mcnemar_p": _more("McNemar test, p"),
    "mcnemar_p_adjusted": _more("McNemar test, p adjusted"),
    "stuck_loss": Column("displayed loss of stuck ones", "nats"),
    "stuck_exact_loss": Column("their exact loss", "nats"),
    "stuck_accuracy": _more("their training accuracy", "%", 100),
    "stuck_val_accuracy": _more("their validation accuracy", "%", 100),
    "stuck_val_auc": _more("their validation AUC"),
    "sentence": Column("what this study found"),
    "article": Column("what the article concluded"),
    "measured": Column("what this study measured"),
    # programs
    "x": Column("from a raw output of"),
    "finding": Column("finding"),
    "framework": _name("framework"),
    "implementation": Column("program"),
    "version": _name("release", first=False),
    "mode": _name("mode"),
    "dtype": _name("precision"),
    "y": _name("label"),
    "side": _name("side"),
    "quantity": _more("measured quantity"),
    "detail": Column("detail"),
    "cause": Column("cause"),
    "cause_of": _more("cause of"),
    "criterion": _more("criterion"),
    "status": _name("status"),
    "seconds": _more("measuring took", "s"),
    "formula": Column("formula"),
    "source": _more("source"),
}
"""Each column by its name in the CSV file."""


def column(name: str) -> Column:
    """Return a column as a page shows it; one that is not in `COLUMNS` keeps its name.

    Examples
    --------
    >>> column("accuracy").unit, column("missed_share").name
    ('%', 'missed share')
    """
    return COLUMNS.get(name) or Column(name.replace("_", " "))


def shown(value: Any, scale: float = 1) -> str:
    """Return a cell's text: four digits of a float, three with an exponent; nothing if missing.

    Examples
    --------
    >>> shown(0.03954321, 100), shown(True), shown(float("nan")), shown(2000), shown(1e-9)
    ('3.954', 'yes', '', '2000', '1.00e-09')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    if isinstance(value, float):
        short = f"{scale * value:.4g}"
        return f"{scale * value:.2e}" if "e" in short else short
    if scale != 1 and not isinstance(value, str):
        return f"{scale * value:g}"
    return str(value)
