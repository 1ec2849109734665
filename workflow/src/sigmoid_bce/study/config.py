"""A study: one configuration file. config/README.md explains every key."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sigmoid_bce.jobs import credentials, plugins
from sigmoid_bce.study.base import Epochs, Name, Plugin, Positive, Seed, Strict, nearest
from sigmoid_bce.study.datasets import Dataset, Images, Samples
from sigmoid_bce.study.learning import Learning, regimes
from sigmoid_bce.study.models import Backbone, Convnet, Model, Trained

Loss = Annotated[str, Plugin("loss", "training/losses")]
Framework = Annotated[str, Plugin("framework", "numerics/frameworks")]
Objective = Literal["weighted", "smoothing", "focal", "softmax-2", "softmax-10", "siglip"]
Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]
FLOAT32: Precision = "float32"
BatchOfSome = Annotated[int, Field(ge=2, lt=2**31, strict=True)]

HALF = re.compile("_(b?float16)$")
"""The end of the name of a loss that computes its head in half precision."""

TAKEN = ("downloads", "benchmarks", "slurm")
"""Folders under results/ that are not a study's."""


class Grid(Strict):
    """Lists whose every combination is trained: one cell each."""

    dataset: list[Name] = Field(min_length=1, description="Keys of `datasets`.")
    model: list[Name] = Field(min_length=1, description="Keys of `models`.")
    loss: list[Loss] = Field(default=["logits"], min_length=1, description="Losses to train with.")
    batch_size: list[Positive] = Field(min_length=1, description="Training batch sizes.")
    precision: list[Precision] | None = Field(
        default=None,
        min_length=1,
        description="Keras's dtype policies of all layers but the last; `training.precision` if "
        "not given.",
    )
    seed: list[Seed] = Field(
        min_length=1, description="Seeds of initial weights, order of samples and dropout."
    )

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for key, values in self:
            if values and len(set(values)) < len(values):
                raise ValueError(f"{key} lists a value twice: {values}")
        return self


class Training(Strict):
    """The ends of the two stages, and the arithmetic of training."""

    early_epochs: Epochs = Field(default=8, description="Epochs of the stage `early`.")
    patience: Epochs = Field(
        default=15,
        description="The stage `full` ends after this many epochs in a row without a lower "
        "training loss.",
    )
    precision: Precision = Field(
        default=FLOAT32,
        description="Keras's dtype policy; raw output, loss and weights stay float32. "
        "`grid.precision` compares several.",
    )
    xla: bool = Field(
        default=False,
        strict=True,
        description="Whether XLA compiles the training steps (jit_compile).",
    )


class Comparison(Strict):
    """The batches for which losses are compared, and the cells that figures show."""

    batch_sizes: list[BatchOfSome] = Field(
        default=[4, 20, 128],
        min_length=1,
        description="Batch sizes over which losses are averaged.",
    )
    figure_batch_size: BatchOfSome = Field(
        default=4, description="The batch size that figure 6 shows: one of batch_sizes."
    )
    figure_seeds: Positive = Field(
        default=3,
        description="Figures show the networks of the grid's first seeds, up to this number.",
    )

    @property
    def unwritten(self) -> str:
        """What a message adds if the sizes are not the user's."""
        return "" if "batch_sizes" in self.model_fields_set else " (the default)"

    @model_validator(mode="after")
    def _shown(self) -> Self:
        if self.figure_batch_size not in self.batch_sizes:
            raise ValueError(
                f"figure_batch_size is {self.figure_batch_size}: expected one of batch_sizes, "
                f"{self.batch_sizes}"
            )
        return self


class Numerics(Strict):
    """The frameworks whose losses are measured."""

    frameworks: list[Framework] = Field(
        default_factory=partial(plugins.names, "numerics/frameworks"),
        min_length=1,
        description="Files in sigmoid_bce/numerics/frameworks; all of them if not given.",
    )
    objectives: list[Objective] = Field(
        default=[],
        description="Losses to measure beside binary cross-entropy; none if not given.",
    )

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for key in ("frameworks", "objectives"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                raise ValueError(f"{key} lists a value twice: {values}")
        return self


class Tracking(Strict):
    """The MLflow server. No result depends on it."""

    uri: str = Field(
        default="",
        description="MLflow server or database; mlflow.db in the current folder if not given.",
    )
    uncommitted: Literal["record", "refuse"] = Field(
        default="record",
        description="Changes of the code that its commit lacks: each training's run keeps them as "
        "a patch, or nothing starts.",
    )

    @model_validator(mode="after")
    def _without_secrets(self) -> Self:
        if credentials.held(self.uri):
            raise ValueError(
                "uri holds a name or password, which must not be in a configuration: set "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (for a database, the whole "
                "MLFLOW_TRACKING_URI) in the environment"
            )
        if self.uri and "://" not in self.uri:
            raise ValueError(
                f"uri is {self.uri!r}: expected https://..., http://..., postgresql://... or "
                "sqlite:///..."
            )
        return self


def check_inputs(dataset: str, data: Samples, model: str, network: Trained) -> None:
    """Check that a network can be trained on a data set.

    Parameters
    ----------
    dataset, model : str
        Their names in the configuration, for the message.
    data : Dataset
    network : Model

    Raises
    ------
    ValueError
        If the network needs images and gets features, or scales pixels that are standardised.
    """
    where = f"models.{model}"
    if not isinstance(data, Images):
        if isinstance(network, Convnet | Backbone):
            raise ValueError(
                f"{where}: {network.architecture} needs images, and datasets.{dataset} has "
                "features: use linear, dense or custom"
            )
        if network.image_size:
            raise ValueError(
                f"{where}.image_size: datasets.{dataset} has features and no images: leave it out"
            )
    if data.scale == "standardised" and isinstance(network, Convnet):
        raise ValueError(
            f"datasets.{dataset}.scale: standardised does not apply to models.{model}, whose "
            "architecture convnet divides pixels by 255: write raw, or use another architecture"
        )


def check_heads(losses: list[str], section: str, precisions: Sequence[str]) -> None:
    """Check that losses with a head in half precision fit the rest of the network.

    Parameters
    ----------
    losses : list of str
        Of the grid. A name that ends in _bfloat16 or _float16 says in what the loss rounds the raw
        output, or its sigmoid.
    section : str
        Where the precisions are given, for the message.
    precisions : sequence of str
        Keras's dtype policies of the other layers.

    Raises
    ------
    ValueError
        If a loss rounds to one half precision, and the other layers compute in the other one.

    Examples
    --------
    >>> check_heads(["sigmoid_bfloat16"], "grid", ["float32", "mixed_bfloat16"])
    """
    for loss, precision in itertools.product(losses, precisions):
        found = HALF.search(loss)
        head, body = found[1] if found else FLOAT32, precision.removeprefix("mixed_")
        if FLOAT32 not in (head, body) and head != body:
            raise ValueError(
                f"{section}.precision: {precision} does not go with grid.loss {loss}, which rounds "
                f"to {head}: write mixed_{head} or float32, or leave the loss out"
            )


class Study(Strict):
    """A study: one configuration file."""

    study: Name = Field(description="Name of its folder in results/ and of the MLflow experiment.")
    question: str = Field(default="", description="The question it asks, in a sentence.")
    datasets: dict[Name, Dataset] = Field(default={}, description="Data sets by name.")
    models: dict[Name, Model] = Field(default={}, description="Networks by name.")
    grid: Grid | None = Field(
        default=None,
        description="The networks of figures 4 to 6 and of the tables of cells; none without this "
        "section.",
    )
    training: Training = Training()
    comparison: Comparison = Comparison()
    numerics: Numerics | None = Field(
        default=None,
        description="The measurements behind figures 1 to 3; none without this section.",
    )
    learning: Learning | None = Field(
        default=None,
        description="The paired trainings of figures 7 to 12; none without this section.",
    )
    tracking: Tracking = Tracking()

    @model_validator(mode="after")
    def _name_is_free(self) -> Self:
        if self.study in TAKEN:
            raise ValueError(f"study: results/{self.study} is taken: choose another name")
        return self

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not (self.grid or self.learning or self.numerics):
            raise ValueError("expected one of the sections grid, learning and numerics at least")
        for key in ("datasets", "models"):
            if (self.grid or self.learning) and not getattr(self, key):
                raise ValueError(f"{key}: this key is missing")
        for key, default in (("training", Training()), ("comparison", Comparison())):
            if not self.grid and getattr(self, key) != default:
                raise ValueError(
                    f"{key}: it is about the networks of the section grid, which is missing: "
                    f"leave {key} out, or add grid"
                )
        return self

    @model_validator(mode="after")
    def _grid_is_known(self) -> Self:
        for key, known in (("dataset", self.datasets), ("model", self.models)):
            for name in getattr(self.grid, key, ()):
                if name not in known:
                    raise ValueError(
                        f"grid.{key}: there is no {key} {name!r}; {nearest(name, known)}"
                    )
        return self

    @model_validator(mode="after")
    def _inputs_fit(self) -> Self:
        pairs = itertools.product(self.grid.dataset, self.grid.model) if self.grid else ()
        for dataset, model in pairs:
            check_inputs(dataset, self.datasets[dataset], model, self.models[model])
        return self

    @model_validator(mode="after")
    def _precisions_agree(self) -> Self:
        if not self.grid:
            return self
        usual, axis = self.training.precision, self.grid.precision
        if axis and usual != FLOAT32 and axis != [usual]:
            raise ValueError(
                f"training.precision is {usual}, and grid.precision is {', '.join(axis)}: leave "
                "training.precision out"
            )
        check_heads(self.grid.loss, "grid" if axis else "training", axis or [usual])
        return self

    @model_validator(mode="after")
    def _regimes_are_known(self) -> Self:
        for regime in regimes(self.learning):
            for key, names, known in (
                ("dataset", {regime.dataset}, self.datasets),
                ("model", set(regime.models.values()), self.models),
            ):
                for name in sorted(names - known.keys()):
                    raise ValueError(
                        f"learning.{regime.part}.{regime.question}.{key}: there is no {key} "
                        f"{name!r}; {nearest(name, known)}"
                    )
            for name, model in {name: self.models[name] for name in regime.models.values()}.items():
                check_inputs(regime.dataset, self.datasets[regime.dataset], name, model)
        return self

    @model_validator(mode="after")
    def _batches_fit(self) -> Self:
        largest = max(self.comparison.batch_sizes)
        for name in self.grid.dataset if self.grid else ():
            split = self.datasets[name].split
            if split and split.train and largest > split.train:
                raise ValueError(
                    f"comparison.batch_sizes: {largest}{self.comparison.unwritten} is more than "
                    f"the {split.train} training samples of {name}"
                )
        return self

    @model_validator(mode="after")
    def _epochs_suffice(self) -> Self:
        early = self.training.early_epochs
        for name in self.grid.model if self.grid else ():
            if (epochs := self.models[name].max_epochs) < early:
                raise ValueError(
                    f"models.{name}.max_epochs is {epochs}: expected at least "
                    f"training.early_epochs, {early}"
                )
        return self
