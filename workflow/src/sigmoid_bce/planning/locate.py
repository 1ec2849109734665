"""The files and folders that a study names: found on this machine before any job starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from sigmoid_bce.data import items
from sigmoid_bce.data.listing import few
from sigmoid_bce.jobs import plugins
from sigmoid_bce.study.base import ConfigError, Download, Local, Strict
from sigmoid_bce.study.config import Study
from sigmoid_bce.study.datasets import ClassedSamples, Dataset
from sigmoid_bce.study.models import Custom, Model

Section = TypeVar("Section", bound=Strict)

TAKEN = sys.stdlib_module_names | {
    "PIL", "ai_edge_litert", "catboost", "click", "h5py", "jax", "jinja2", "keras", "kornia",
    "lightgbm", "matplotlib", "ml_dtypes", "mlflow", "mlx", "mpmath", "numpy", "onnx",
    "onnxruntime", "openvino", "optax", "packaging", "paddle", "pandas", "pyarrow", "pydantic",
    "pydantic_core", "scipy", "seaborn", "sigmoid_bce", "sklearn", "snakemake",
    "snakemake_executor_plugin_slurm", "snakemake_interface_common", "sqlalchemy", "statsmodels",
    "tenacity", "tensorflow", "tf_keras", "threadpoolctl", "timm", "torch", "torchvision",
    "xgboost", "yaml",
}  # fmt: skip
"""Modules of Python and of the packages that jobs import: a user's module would hide them."""

EXISTS: dict[str, Callable[[Path], bool]] = {"file": Path.is_file, "folder": Path.is_dir}


def _find(path: str, folders: Sequence[Path], kind: str) -> str:
    """Return an absolute path as it is, or a relative one below the first folder that has it."""
    given = Path(path).expanduser()
    places = [given] if given.is_absolute() else [folder / given for folder in folders]
    for place in places:
        if EXISTS[kind](place):
            return str(given) if given.is_absolute() else os.path.relpath(place)
    where = " and ".join(dict.fromkeys(str(place.absolute()) for place in places))
    raise ValueError(f"there is no {kind} {path!r}: looked for {where}")


def cached(download: Download, downloads: str) -> str:
    """Return the path of a downloaded file: its digest names it, so mirrors share it.

    Parameters
    ----------
    download : Download
        With `sha256`.
    downloads : str
        The folder of downloads.

    Examples
    --------
    >>> cached(Download(url=["http://localhost/a.zip"], sha256="01" * 32), "downloads")[:20]
    'downloads/sha256-010'
    """
    return f"{downloads}/sha256-{download.sha256}"


def _download(download: Download, folders: Sequence[Path], downloads: str) -> Download:
    """Return a download with its local file found, unless it is downloaded already."""
    have = download.sha256 and Path(cached(download, downloads)).exists()
    if have or not download.file:
        return download
    return download.model_copy(update={"file": _find(download.file, folders, "file")})


def _section(section: Section, folders: Sequence[Path], downloads: str) -> Section:
    """Return a section with every path and every local file in it found."""
    found: dict[str, object] = {}
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, Download):
            found[key] = _download(value, folders, downloads)
        for mark in field.metadata:
            if isinstance(mark, Local):
                found[key] = _find(value, folders, mark.kind)
    return section.model_copy(update=found)


def _custom(model: Custom, folders: Sequence[Path]) -> Custom:
    """Return a user's own model with the folder of its module, which defines its function."""
    module, function = model.function.split(":")
    if (first := module.split(".")[0]) in TAKEN:
        raise ValueError(
            f"function: jobs import another module called {first!r}, which yours would hide: "
            "rename yours"
        )
    if model.folder:
        folders = [Path(_find(model.folder, folders, "folder"))]
    places = [model.model_copy(update={"folder": str(folder)}) for folder in folders]
    found = next((place for place in places if place.file.is_file()), None)
    if found is None:
        where = " and ".join(dict.fromkeys(str(place.file.absolute()) for place in places))
        raise ValueError(f"function: there is no module {module!r}: looked for {where}")
    file = found.file
    try:
        names = plugins.definitions(file)
    except plugins.PluginError as error:
        raise ValueError(f"function: {error}") from None
    if function not in names and "*" not in names:
        raise ValueError(
            f"function: {file} does not define {function!r}; it defines {few(names) or 'nothing'}"
        )
    return found.model_copy(update={"folder": os.path.relpath(found.folder)})


def locate(study: Study, folders: Iterable[Path], downloads: str, where: str) -> Study:
    """Return a study with its files and folders found, and the classes of its data filled in.

    Parameters
    ----------
    study : Study
    folders : iterable of Path
        Relative paths are looked for in each folder in turn.
    downloads : str
        The folder of downloads.
    where : str
        The configuration's name, for messages.

    Returns
    -------
    Study

    Raises
    ------
    ConfigError
        If a file is missing or differs from its description: one line each.
    """
    folders = list(folders)
    # data sets of one file share its mistakes
    wrong: dict[str, list[str]] = {}

    def dataset(value: Dataset) -> Dataset:
        value = _section(value, folders, downloads)
        if isinstance(value, ClassedSamples) and not value.classes and not value.positive:
            value = value.model_copy(update={"classes": items.classes(value)})
        return value

    def model(value: Model) -> Model:
        value = _section(value, folders, downloads)
        return _custom(value, folders) if isinstance(value, Custom) else value

    def each(
        key: str, sections: Mapping[str, Section], function: Callable[[Section], Section]
    ) -> dict[str, Section]:
        found = {}
        for name, section in sections.items():
            try:
                found[name] = function(section)
            except (ValueError, OSError) as error:
                wrong.setdefault(str(error), []).append(f"{key}.{name}")
        return found

    datasets = each("datasets", study.datasets, dataset)
    models = each("models", study.models, model)
    if wrong:
        raise ConfigError(
            "\n".join(f"{where}: {', '.join(names)}: {error}" for error, names in wrong.items())
        )
    return study.model_copy(update={"datasets": datasets, "models": models})
