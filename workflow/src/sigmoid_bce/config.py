"""The study's configuration: one strict, typed model. config/README.md explains every key."""

from __future__ import annotations

import difflib
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sigmoid_bce.numerics import frameworks

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Positive = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Loss = Literal["logits", "sigmoid_clipped", "sigmoid_keras"]
Optimizer = Literal["rmsprop", "adam", "sgd"]


class Strict(BaseModel):
    """A section that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Wheel(Strict):
    """A file to be had from the Python package index."""

    package: Name = Field(description="Name of the package.")
    version: str = Field(pattern=r"^[0-9][\w.+!]*$", description="Its exact version.")
    sha256: Sha256 = Field(description="SHA-256 of its wheel.")


class Split(Strict):
    """How many samples go where; both parts keep the classes' proportions."""

    train: Positive = Field(description="Number of training images.")
    validation: Positive = Field(description="Number of validation images.")
    seed: Seed = Field(0, description="Seed of the split.")


class Table(Strict):
    """A table of files and labels inside a wheel: columns separated by white space, no header."""

    path: str = Field(description="Path of the table inside the wheel; files are relative to it.")
    file_column: Annotated[int, Field(ge=0, strict=True)] = Field(
        0, description="Column of the image's file name, counted from 0."
    )
    label_column: Annotated[int, Field(ge=0, strict=True)] = Field(
        1, description="Column of the number that decides the label."
    )
    positive_above: float = Field(0.5, description="Label 1 where that number is greater.")


class PypiDataset(Strict):
    """Images that a package carries."""

    source: Literal["pypi"]
    wheel: Wheel = Field(description="The package, its version and its SHA-256.")
    table: Table = Field(description="Which images, and their labels.")
    image_size: Positive = Field(description="Height and width, in pixels, images are stored at.")
    channels: Literal[1, 3] = Field(3, description="1 = grey, 3 = colour.")
    classes: tuple[str, str] = Field(("0", "1"), description="Names of label 0 and label 1.")
    licence: str = Field("", description="The images' licence, shown in the report.")
    split: Split


class BundledDataset(Strict):
    """scikit-learn's handwritten digits, 8 x 8 pixels, one group against another."""

    source: Literal["bundled"]
    negative: list[Annotated[int, Field(ge=0, le=9, strict=True)]] = Field(
        min_length=1, description="Digits of label 0."
    )
    positive: list[Annotated[int, Field(ge=0, le=9, strict=True)]] = Field(
        min_length=1, description="Digits of label 1."
    )
    image_size: Positive = Field(8, description="Height and width images are stored at.")
    channels: Literal[1, 3] = Field(1, description="1 = grey, 3 = colour.")
    classes: tuple[str, str] = Field(("0", "1"), description="Names of label 0 and label 1.")
    licence: str = Field("", description="The images' licence, shown in the report.")
    split: Split

    @model_validator(mode="after")
    def _disjoint(self):
        both = set(self.negative) & set(self.positive)
        if both:
            raise ValueError(f"digits {sorted(both)} are in both classes: give each to one")
        return self


Dataset = Annotated[PypiDataset | BundledDataset, Field(discriminator="source")]


class Trained(Strict):
    """What every network that is trained has."""

    optimizer: Optimizer = Field("rmsprop", description="Keras's optimiser of that name.")
    learning_rate: float = Field(gt=0, le=10, description="Its learning rate.")
    dense: Positive = Field(description="Units of the hidden dense layer.")
    dropout: float = Field(ge=0, lt=1, description="Share of units dropped before it.")
    max_epochs: Positive = Field(description="Stage `full` at the latest after as many epochs.")


class Convnet(Trained):
    """The article's network: pairs of convolution and pooling, dropout, two dense layers."""

    architecture: Literal["convnet"]
    image_size: Positive = Field(description="Height and width of its input, in pixels.")
    filters: list[Positive] = Field(
        [32, 64, 128, 128], min_length=1, description="Filters of each 3 x 3 convolution."
    )

    @model_validator(mode="after")
    def _large_enough(self):
        smallest = 1
        for _ in self.filters:
            smallest = 2 * smallest + 2
        if self.image_size < smallest:
            raise ValueError(
                f"image_size {self.image_size} is too small for {len(self.filters)} convolutions "
                f"and poolings: expected at least {smallest}"
            )
        return self


class EfficientNetLite0(Trained):
    """A small head on the pooled features of a frozen, pretrained EfficientNet-Lite0."""

    architecture: Literal["efficientnet_lite0"]
    weights: Wheel = Field(description="The package that carries the ImageNet weights.")


Model = Annotated[Convnet | EfficientNetLite0, Field(discriminator="architecture")]


TAGS = {
    get_args(section.model_fields[key].annotation)[0]
    for key, sections in (
        ("source", (PypiDataset, BundledDataset)),
        ("architecture", (Convnet, EfficientNetLite0)),
    )
    for section in sections
}
"""The values that tell one kind of data set, or of model, from another."""


class Grid(Strict):
    """Every combination is trained: one cell each."""

    dataset: list[Name] = Field(min_length=1, description="Keys of `datasets`.")
    model: list[Name] = Field(min_length=1, description="Keys of `models`.")
    loss: list[Loss] = Field(["logits"], min_length=1, description="Losses to train with.")
    batch_size: list[Positive] = Field(min_length=1, description="Training batch sizes.")
    seed: list[Seed] = Field(
        min_length=1, description="Seeds of initial weights, order of samples and dropout."
    )

    @model_validator(mode="after")
    def _unique(self):
        for key, values in self:
            if len(set(values)) < len(values):
                raise ValueError(f"{key} lists a value twice: {values}")
        return self


class Training(Strict):
    """When training pauses for its first stage, and when it ends."""

    early_epochs: Positive = Field(8, description="Epochs before the stage `early`.")
    patience: Positive = Field(
        15, description="Stage `full`: epochs in a row without a lower training loss."
    )


class Comparison(Strict):
    """How losses are compared, beside sample by sample."""

    batch_sizes: list[Annotated[int, Field(ge=2, strict=True)]] = Field(
        [4, 20, 128], min_length=1, description="Batches over which losses are averaged."
    )
    figure_batch_size: Annotated[int, Field(ge=2, strict=True)] = Field(
        4, description="The batch size that figure 6 shows: one of batch_sizes."
    )

    @model_validator(mode="after")
    def _shown(self):
        if self.figure_batch_size not in self.batch_sizes:
            raise ValueError(
                f"figure_batch_size is {self.figure_batch_size}: expected one of batch_sizes, "
                f"{self.batch_sizes}"
            )
        return self


class Numerics(Strict):
    """The laboratory: which frameworks are measured."""

    frameworks: list[Name] = Field(
        default_factory=frameworks.names,
        min_length=1,
        description="Files in sigmoid_bce/numerics/frameworks; all of them if not given.",
    )

    @model_validator(mode="after")
    def _in_catalogue(self):
        for name in self.frameworks:
            if name not in frameworks.names():
                raise ValueError(
                    f"there is no framework {name!r}; {_nearest(name, frameworks.names())}"
                )
        return self


class Study(Strict):
    """A study: one configuration file."""

    study: Name = Field(description="Name: results/<study>/, and the MLflow experiment.")
    question: str = Field("", description="What it asks, in a sentence.")
    datasets: dict[Name, Dataset] = Field(min_length=1, description="Data sets by name.")
    models: dict[Name, Model] = Field(min_length=1, description="Networks by name.")
    grid: Grid
    training: Training
    comparison: Comparison = Comparison()
    numerics: Numerics | None = Field(
        None, description="The laboratory of figures 1 to 3; none without this section."
    )

    @model_validator(mode="after")
    def _known(self):
        if self.study == "downloads":
            raise ValueError("study: the name downloads is taken by the folder of downloads")
        for key, known in (("dataset", self.datasets), ("model", self.models)):
            for name in getattr(self.grid, key):
                if name not in known:
                    raise ValueError(
                        f"grid.{key}: there is no {key} {name!r}; {_nearest(name, known)}"
                    )
        for name in self.grid.dataset:
            train = self.datasets[name].split.train
            if max(self.comparison.batch_sizes) > train:
                raise ValueError(
                    f"comparison.batch_sizes: {max(self.comparison.batch_sizes)} is more than the "
                    f"{train} training images of {name}"
                )
        for name, model in self.models.items():
            if model.max_epochs < self.training.early_epochs:
                raise ValueError(
                    f"models.{name}.max_epochs is {model.max_epochs}: expected at least "
                    f"training.early_epochs, {self.training.early_epochs}"
                )
        return self


class ConfigError(Exception):
    """What is wrong in a configuration, where, and what was expected: a line a mistake."""


def _nearest(name: str, known: Any) -> str:
    """Say which of the known names is meant, or which there are."""
    known = sorted(map(str, known))
    match = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f"did you mean {match[0]!r}?" if match else f"expected one of {', '.join(known)}"


def _fields_at(location: tuple) -> list[str]:
    """Return the keys that the section at `location` of a study has."""
    schema = Study.model_json_schema()
    defs, node = schema["$defs"], schema
    for part in location:
        while "$ref" in node:
            node = defs[node["$ref"].split("/")[-1]]
        if "discriminator" in node and part in node["discriminator"]["mapping"]:
            node = {"$ref": node["discriminator"]["mapping"][part]}
        elif part in node.get("properties", {}):
            node = node["properties"][part]
        elif isinstance(node.get("additionalProperties"), dict):
            node = node["additionalProperties"]
        elif "patternProperties" in node:
            node = next(iter(node["patternProperties"].values()))
        else:
            return []
    while "$ref" in node:
        node = defs[node["$ref"].split("/")[-1]]
    return list(node.get("properties", {}))


def _line(error: dict, where: str) -> str:
    """Return one mistake as a line: file, key, what was expected, what was found."""
    location = error["loc"]
    # the discriminator's value stands in the location though it is not a key
    shown = [str(p) for i, p in enumerate(location) if not (i == 2 and p in TAGS)]
    key = ".".join(shown)
    if error["type"] == "extra_forbidden":
        advice = _nearest(location[-1], _fields_at(location[:-1]))
        return f"{where}: {key}: unknown key; {advice}"
    if error["type"] == "missing":
        return f"{where}: {key}: this key is missing"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "union_tag_invalid":
        tags = [t.strip(" '") for t in error["ctx"]["expected_tags"].split(",")]
        tag, discriminator = error["ctx"]["tag"], error["ctx"]["discriminator"].strip("'")
        return f"{where}: {key}.{discriminator}: {tag!r} is not known; {_nearest(tag, tags)}"
    if error["type"] == "union_tag_not_found":
        return (
            f"{where}: {key}: the key {error['ctx']['discriminator'].strip(chr(39))!r} is missing"
        )
    if error["type"] in ("value_error",):
        return f"{where}: {key + ': ' if key else ''}{message}"
    if error["type"] in ("model_type", "dict_type", "model_attributes_type"):
        message = "expected a section of keys and values"
    message = message.replace("Input should be", "expected")
    found = repr(error["input"])
    return f"{where}: {key}: {message}, found {found if len(found) < 60 else found[:57] + '...'}"


def parse(config: dict[str, Any], where: str = "configuration") -> Study:
    """Return the study that a configuration describes.

    Parameters
    ----------
    config : dict
        The content of a configuration file.
    where : str
        The file's name, for messages.

    Returns
    -------
    Study

    Raises
    ------
    ConfigError
        If a key is unknown or missing, or a value is not what the key takes: one line a mistake,
        with the file, the key, what was expected and, for names, the nearest valid one.

    Examples
    --------
    >>> parse({"stduy": "x"}, "my.yaml")
    Traceback (most recent call last):
    sigmoid_bce.config.ConfigError: my.yaml: study: this key is missing
    my.yaml: datasets: this key is missing
    my.yaml: models: this key is missing
    my.yaml: grid: this key is missing
    my.yaml: training: this key is missing
    my.yaml: stduy: unknown key; did you mean 'study'?
    """
    if not isinstance(config, dict):
        raise ConfigError(f"{where}: expected keys and values, found {type(config).__name__}")
    try:
        return Study.model_validate(config)
    except ValidationError as error:
        lines = [_line(e, where) for e in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def schema() -> str:
    """Return the JSON schema of a configuration file, as text.

    Examples
    --------
    >>> json.loads(schema())["title"]
    'Study'
    """
    return json.dumps(Study.model_json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema())
