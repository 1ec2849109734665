"""The page of an experiment: a note, the primary metric, saved views."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from sigmoid_bce.jobs.credentials import masked
from sigmoid_bce.jobs.csv_tables import read_csv
from sigmoid_bce.tracking import learning
from sigmoid_bce.tracking.notes import plain
from sigmoid_bce.tracking.page import page
from sigmoid_bce.tracking.runs import PRIMARY_METRIC

if TYPE_CHECKING:
    from mlflow import MlflowClient

NOTE_LIMIT = 19_000  # characters; MLflow takes 20,000
CREATED = 1_700_000_000_000  # a fixed date: the same view is always the same text
TABLE_LIMIT = 12_000  # a longer one would leave no place for the settings
QUOTED = ("verdict.csv", "models.csv")  # the note quotes the first of these that exists
DIGITS = 3
RUN = "attributes.`Run Name`"
SETTING = {
    "params.`dataset`": 85,
    "params.`model`": 128,
    "params.`loss`": 122,
    "params.`batch_size`": 90,
}
"""Columns, in their order, and their widths in pixels: all values are seen whole."""
GROUP = {
    RUN: 297,
    "metrics.`n`": 55,
    "tags.`accuracy`": 152,
    "tags.`clipped`": 155,
    "tags.`error_1e-7`": 135,
    **SETTING,  # last: the run's name says most of it, and MLflow's assistant covers the right
}
LEGEND = (
    "Errors are in units of 1e-7, near the resolution of float32. In brackets: the 95 % interval "
    "of the mean over seeds (Student's t) from three seeds on, both values of two."
)


def _line(metric: str) -> dict[str, Any]:
    return {"type": "LINE", "metricKey": metric, "selectedMetricKeys": [metric]}


def _bar(metric: str) -> dict[str, Any]:
    return {"type": "BAR", "metricKey": metric}


def _scatter(param: str, metric: str) -> dict[str, Any]:
    return {
        "type": "SCATTER",
        "xaxis": {"key": param, "type": "PARAM"},
        "yaxis": {"key": metric, "type": "METRIC"},
        "runsCountToCompare": 100,
    }


class View(NamedTuple):
    """A saved view of the experiment's runs."""

    name: str
    search: str  # a filter in MLflow's language
    order: str
    columns: dict[str, int]  # in their order, with their widths in pixels
    charts: dict[str, list[dict[str, Any]]]  # by section


VIEWS = {
    "all-cells": View(
        "All cells",
        "tags.kind = 'cell'",
        "params.`model`",
        {
            RUN: 320,
            "tags.`accuracy`": 85,
            "metrics.`full/clipped_percent`": 150,
            "metrics.`full/error_1e-7`": 125,
            **SETTING,
            "params.`seed`": 55,
        },
        {
            "training": [_line("loss"), _line("val_loss"), _line("val_accuracy")],
            "raw outputs": [_line("raw_output_min"), _line("raw_output_max")],
            "full": [_bar("full/clipped_percent"), _bar("full/error_1e-7")],
        },
    ),
    "seeds": View(
        "By model and batch size",
        "tags.kind = 'group'",
        "params.`model`",
        GROUP,
        {"full": [_bar("full/clipped_percent_mean"), _bar("full/error_1e-7_mean")]},
    ),
    "gap": View(
        "BCE gap against batch size",
        "tags.kind = 'group'",
        "metrics.`full/bce_sigmoid_error_max_mean`",
        GROUP,
        {
            "gap": [
                _scatter("batch_size", "full/error_1e-7_mean"),
                _bar("full/error_1e-7_mean"),
            ]
        },
    ),
    "failures": View(
        "Failed and interrupted attempts",
        "tags.kind LIKE '%attempt'",
        "attributes.start_time",
        {RUN: 380, "tags.`attempt`": 70, "tags.`reason`": 600},
        {"training": [_line("loss")]},
    ),
    "learning": View(
        "Learning",
        "tags.kind = 'learning'",
        "params.`model`",
        {
            RUN: 365,  # it says data set, model, loss and batch size
            # as wide as all digits: a tag with fewer would take a quarter of a kilobyte of each run
            "metrics.`val_accuracy`": 170,
            "metrics.`val_exact_loss`": 180,
            "metrics.`stuck_share`": 95,
            "tags.`verdict`": 400,
        },
        {"learning": [_bar(metric) for metric in learning.METRICS]},
    ),
}


PRECISION = {"params.`precision`": 128}
"""A column beside those of `SETTING`, in a study that compares precisions."""


def offered(settings: Mapping[str, Any]) -> list[str]:
    """Return the views of a study with these sections.

    Examples
    --------
    >>> offered({"learning": {"margins": {}}})
    ['learning']
    >>> "gap" in offered({"grid": {"batch_size": [4, 20]}}), offered({"grid": {"batch_size": [4]}})
    (True, ['all-cells', 'seeds', 'failures'])
    """
    grid = settings.get("grid") or {}
    # a scatter against one batch size is a column of points
    several = len(grid.get("batch_size", ())) > 1
    given = {"learning": settings.get("learning"), "gap": several}
    return [view for view in VIEWS if given.get(view, grid)]


def state(view: str, *, precisions: bool = False) -> dict[str, Any]:
    """Return the state of MLflow's page of runs in a view.

    Parameters
    ----------
    view : str
        A key of `VIEWS`.
    precisions : bool
        Whether the study compares precisions.

    Examples
    --------
    >>> state("failures")["searchFilter"]
    "tags.kind LIKE '%attempt'"
    """
    _, search, order, columns, sections = VIEWS[view]
    if precisions and columns.keys() >= SETTING.keys():
        columns = columns | PRECISION
    shown = [
        {
            "uuid": f"{view}-{section}-{number}",
            "runsCountToCompare": 100,
            "metricSectionId": section,
            "deleted": False,
            "isGenerated": False,
            **chart,
        }
        for section, charts in sections.items()
        for number, chart in enumerate(charts)
    ]
    return {
        "searchFilter": search,
        "orderByKey": order,
        "orderByAsc": order != "attributes.start_time",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [column for column in columns if column != RUN],
        "columnOrder": list(columns),
        "columnWidths": columns,
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": shown,
        "compareRunSections": [
            {
                "uuid": section,
                "name": section,
                "display": True,
                "isReordered": False,
                "deleted": False,
                "isGenerated": False,
            }
            for section in sections
        ],
        "isAccordionReordered": True,  # these sections first, in this order
        "hideEmptyCharts": True,
        "globalLineChartConfig": {
            "xAxisKey": "step",
            "lineSmoothness": 0,
            "selectedXAxisMetricKey": "",
        },
    }


def envelope(view: str, *, precisions: bool = False) -> str:
    """Return a view as MLflow stores it in a tag of the experiment: `state` has its parameters.

    Examples
    --------
    >>> json.loads(envelope("gap"))["name"]
    'BCE gap against batch size'
    """
    text = json.dumps(state(view, precisions=precisions))
    packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    return json.dumps(
        {
            "name": VIEWS[view][0],
            "createdAt": CREATED,
            "updatedAt": CREATED,
            "state": f"deflate;{packed}",
        }
    )


def table(frame: pd.DataFrame) -> str:
    """Return a table in Markdown, with three digits of each number.

    Examples
    --------
    >>> print(table(pd.DataFrame({"a": [1.23456], "b": ["x"]})))
    | a | b |
    |---|---|
    | 1.23 | x |
    """
    rows = [
        [f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value) for value in row]
        for row in frame.itertuples(index=False)
    ]
    lines = [list(map(str, frame.columns)), *rows]
    text = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([text[0], "|" + "---|" * frame.shape[1], *text[1:]])


def _result(files: Sequence[Path]) -> list[str]:
    """Return the paragraphs that quote the study's result."""
    by_name = {file.name: file for file in reversed(files)}
    parts = []
    if file := by_name.get("answer.csv"):
        said = read_csv(file)["sentence"]
        parts = [f"From `{file}`:", "\n".join(f"- {plain(sentence)}" for sentence in said)]
    if file := by_name.get("learning.csv"):
        found = table(learning.verdicts(read_csv(file)))
        if len(found) < TABLE_LIMIT:
            said = "the verdict on each loss and the number of pairs, by the primary metric:"
            parts += [f"From `{file}`, {said}", found]
    if file := next((by_name[name] for name in QUOTED if name in by_name), None):
        parts += [f"From `{file}`:", table(read_csv(file))]
    return ["## Result", *parts] if parts else []


def _code(text: str) -> str:
    """Return a text as Markdown's code in a table."""
    return "`{}`".format(text.replace("`", "'").replace("|", "¦"))


def address(experiment: str, view: str = "") -> str:
    """Return where MLflow's page shows runs of an experiment, after the server's own address.

    MLflow opens its pages for language models otherwise.

    Examples
    --------
    >>> address("1", "all-cells")
    '#/experiments/1/runs?viewStateShareKey=all-cells&workflowType=machine_learning'
    """
    shown = f"viewStateShareKey={view}&" if view else ""
    charts = "&compareRunsMode=CHART" if view == "gap" else ""
    return f"#/experiments/{experiment}/runs?{shown}workflowType=machine_learning{charts}"


def _link(experiment: str, view: str) -> str:
    return f"- [{VIEWS[view].name}]({address(experiment, view)})"


def note(experiment: str, question: str, settings: dict[str, Any], files: Sequence[Path]) -> str:
    """Return an experiment's note: question, result, views, settings.

    Parameters
    ----------
    experiment : str
        The experiment's id, for links to the views.
    question : str
        Left out if empty.
    settings : dict
        The sections of the configuration.
    files : sequence of Path
        The study's artifacts, tables included.
    """
    rows = [
        (f"`{section}.{key}`", _code(masked(json.dumps(value))))
        for section, part in settings.items()
        for key, value in (part or {}).items()
        if value is not None
    ]
    links = [_link(experiment, view) for view in offered(settings)]
    parts = [
        *filter(None, [plain(question)]),
        *_result(files),
        *(["## Views", "\n".join(links), LEGEND] if links else []),
        "## Settings",
        table(pd.DataFrame(rows, columns=["key", "value"])),
        "A run is one training. Its parent is the run of its group, which covers all seeds. A run "
        "of kind `learning` is the trainings of all seeds of a data set, network, loss and batch "
        "size; its tag `learning` says where its files are, below `learning/`. All of this is made "
        "from the files under `results/`, and `make tracking` makes it again.",
    ]
    return "\n\n".join(parts)[:NOTE_LIMIT]


def describe(
    client: MlflowClient,
    experiment: str,
    question: str,
    settings: dict[str, Any],
    files: Sequence[Path],
) -> str:
    """Set an experiment's note, primary metric and saved views; leave other views alone.

    Parameters
    ----------
    client : MlflowClient
    experiment : str
        The experiment's id.
    question, settings, files
        As for `note`.

    Returns
    -------
    str
        What `page` returns of them.
    """
    precisions = len((settings.get("grid") or {}).get("precision") or ()) > 1
    shown = {view: envelope(view, precisions=precisions) for view in offered(settings)}
    tags = {
        "mlflow.note.content": note(experiment, question, settings, files),
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": PRIMARY_METRIC,
        **{f"mlflow.sharedViewState.{view}": text for view, text in shown.items()},
    }
    held = client.get_experiment(experiment).tags
    for key, value in tags.items():
        if held.get(key) != value:
            client.set_experiment_tag(experiment, key, value)
    return page(tags)
