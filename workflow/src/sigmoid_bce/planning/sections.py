"""Files and settings of a data set or a model, in the form that rules depend on."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from sigmoid_bce.jobs.credentials import Hidden
from sigmoid_bce.planning import locate
from sigmoid_bce.study import base
from sigmoid_bce.study.base import Download, Wheel
from sigmoid_bce.study.config import Study
from sigmoid_bce.study.datasets import Dataset, Seen
from sigmoid_bce.study.models import Backbone, Dense, Headed, Linear, Model

DOWNLOADS = "results/downloads"


def file_of(part: Wheel | Download | str, folder: str = DOWNLOADS) -> str:
    """Return the path of a file that a section names: the output of a job, or the user's own file.

    Examples
    --------
    >>> file_of(Download(file="mine.zip"))
    'mine.zip'
    """
    if isinstance(part, str):
        return part
    if isinstance(part, Wheel):
        return f"{folder}/{part.package}-{part.version}.whl"
    return locate.cached(part, folder) if part.sha256 else part.file


def is_made(part: Wheel | Download | str) -> bool:
    """Return whether a job makes the file that a section names: it is the user's own otherwise.

    Examples
    --------
    >>> is_made(Download(file="mine.zip"))
    False
    """
    return isinstance(part, Wheel) or (isinstance(part, Download) and bool(part.sha256))


def as_input(path: str, folder: str = DOWNLOADS) -> str:
    """Return a path in a form in which Snakemake sees no wildcard: itself, or a link to its file.

    Snakemake takes {v1} in a path for a wildcard, also if an input function returns the path. The
    link is made in a folder, that of the downloads.

    Examples
    --------
    >>> as_input("mine.zip")
    'mine.zip'
    """
    if "{" not in path:
        return path
    target = Path(path).absolute()
    link = Path(folder, f"link-{sha256(os.fsencode(target)).hexdigest()[:16]}{target.suffix}")
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # made by another Snakemake at the same moment
            link.symlink_to(target)
    return str(link)


def plain(part: Any) -> dict[str, Any]:
    """Return the settings of a data set or a model as plain values.

    A download is replaced by its file and its SHA-256: results do not depend on its mirror.

    Parameters
    ----------
    part : Dataset or Model

    Examples
    --------
    >>> from sigmoid_bce.study.datasets import BundledDataset, Split
    >>> plain(BundledDataset(source="bundled", negative=[0], positive=[1], split=Split()))["source"]
    'bundled'
    """
    values: dict[str, Any] = part.model_dump(mode="json")
    for key, value in base.files(part).items():
        if isinstance(value, Download):
            values[key] = {"file": file_of(value), "sha256": value.sha256}
    return values


def seen(dataset: Dataset) -> dict[str, Any]:
    """Return the settings of a data set that say what a training sees of it.

    Examples
    --------
    >>> from sigmoid_bce.study.datasets import FeaturesDataset
    >>> seen(FeaturesDataset(source="features", path="t.csv", label_noise=0.2))["label_noise"]
    0.2
    """
    return dataset.model_dump(mode="json", include=set(Seen.model_fields))


def recorded(study: Study, *without: str) -> dict[str, Any]:
    """Return the settings of a study as records show them: no address with what may be a secret.

    Parameters
    ----------
    study : Study
    *without : str
        Sections that are left out.
    """

    def shown(node: Any, key: str = "") -> Any:
        if isinstance(node, dict):
            return {name: shown(value, name) for name, value in node.items()}
        if isinstance(node, list):
            return [shown(value, key) for value in node]
        return str(Hidden(node)) if key == "url" and isinstance(node, str) else node

    values: dict[str, Any] = shown(study.model_dump(mode="json", exclude=set(without)))
    return values


def frozen(model: Backbone) -> dict[str, Any]:
    """Return the settings of a model on which its features depend: all but those of its head."""
    head = Headed.model_fields.keys() - {"architecture", "image_size"}
    return {key: value for key, value in plain(model).items() if key not in head}


def backbone_name(model: Backbone) -> str:
    """Return the name of a model's frozen part. Models with the same name share their features."""
    values = json.dumps(frozen(model), sort_keys=True)
    return f"{model.architecture}-{sha256(values.encode()).hexdigest()[:8]}"


def input_of(model: Model) -> str:
    """Return the file in a study's folder that has the inputs of a model's trained part.

    Examples
    --------
    >>> from sigmoid_bce.study.models import Linear
    >>> input_of(Linear(architecture="linear", learning_rate=0.1, max_epochs=9))
    'data/{dataset}/images.npy'
    """
    if isinstance(model, Backbone):
        return f"features/dataset~{{dataset}}/backbone~{backbone_name(model)}.npy"
    if model.image_size:
        return f"features/dataset~{{dataset}}/size~{model.image_size}.npy"
    return "data/{dataset}/images.npy"


def kind_of(model: Model) -> str:
    """Return whether a model trains dense layers alone, heads, or whole networks."""
    return "heads" if isinstance(model, Backbone | Linear | Dense) else "networks"
