"""From a path to a study file that the study's own reader accepts."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sigmoid_bce.data.faults import stopping
from sigmoid_bce.data.listing import DataError, few
from sigmoid_bce.drafting import choose, images, networks, tables
from sigmoid_bce.drafting.found import Data, Network, Options, slug
from sigmoid_bce.drafting.write import text
from sigmoid_bce.jobs.files import replacing
from sigmoid_bce.jobs.logs import one_line
from sigmoid_bce.planning import data as planned
from sigmoid_bce.planning.locate import locate
from sigmoid_bce.study.base import ConfigError
from sigmoid_bce.study.parse import parse
from sigmoid_bce.study.reading import load

SCHEMA = "workflow/schemas/config.schema.json"
ARCHIVES = (".zip", ".tar", ".tgz", ".tbz", ".txz", ".gz", ".bz2", ".xz")
TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq")
OUTPUTS = (".npz", ".npy")
BUNDLED: dict[str, Data] = {
    "digits": Data(
        "scikit-learn's digits 3 and 8",
        {"source": "bundled", "negative": [3], "positive": [8], "classes": ["three", "eight"]},
        {"three": 183, "eight": 174},
        "of digits, it is the larger",
        side=8,
        channels=1,
    ),
    "breast_cancer": Data(
        "scikit-learn's table of tumours",
        {"source": "breast_cancer"},
        {"benign": 357, "malignant": 212},
        "of tumours, it is what is looked for",
        features=30,
    ),
}
"""Data that a network can be tried on, by the words for them."""


@dataclass(frozen=True)
class Draft:
    """A study file that was written.

    Parameters
    ----------
    file : Path
    config : dict
        Its content.
    lines : list of str
        What was found and chosen, and the next command.
    """

    file: Path
    config: dict[str, Any]
    lines: list[str]

    def __str__(self) -> str:
        return "\n".join(map(one_line, self.lines))


def draft(path: str, options: Options) -> Draft:
    """Look at data or a network, and write a study file.

    Parameters
    ----------
    path : str
        A folder or an archive of images, a table, or a network.
    options : Options

    Returns
    -------
    Draft

    Raises
    ------
    DataError
        If something cannot be decided, or no study can be made of it.
    ConfigError
        If the study's reader would refuse it.
    """
    data_path = options.data or path
    name = options.name or slug(_stem(path))
    file = options.to or Path(f"{name}.yaml")
    network = _network(path, file, options)
    files = {file: ""}
    if network and network.code:
        files[file.parent / f"{network.section['function'].split(':')[0]}.py"] = network.code
    for one in files:
        if one.is_dir():
            raise DataError(f"{one} is a folder: expected the name of a file, such as {one}/a.yaml")
        if one.exists() and not options.force:
            raise DataError(f"{one} is there already: --force replaces it, --to names another file")
    data = _look(data_path, file, options)
    config = choose.study(data, network, name, slug(_stem(data_path)))
    _write(config, path, files)
    return Draft(file, config, _told(data_path, data, network, config, file))


def _network(path: str, file: Path, options: Options) -> Network | None:
    """Return the network that a path names, if it names one."""
    network = networks.of(path, file)
    if network and not options.data:
        raise DataError(
            f"{path} is a network, and a study needs data too: add --data with a folder of images, "
            f"an archive or a table, or {' or '.join(f'--data {one}' for one in BUNDLED)}"
        )
    if options.data and not network:
        raise DataError(f"--data is for a network, and {path} is none: expected .py or .keras")
    return network


def _stem(path: str) -> str:
    """Return the part of a path that a study is called by."""
    name = Path(path).absolute().name
    if Path(path).is_dir():
        return name
    return Path(name.partition(".py:")[0]).stem.removesuffix(".tar")


def _look(path: str, file: Path, options: Options) -> Data:
    """Return what data hold, whatever they are."""
    place = Path(path)
    if not place.exists() and path in BUNDLED:
        return replace(BUNDLED[path])
    with stopping(path):
        if place.is_dir():
            return _folder(place, file, options)
        if not place.is_file():
            raise DataError(
                f"there is no file or folder {path!r}: looked for {place.absolute()}"
                + (": download it first" if "://" in path else "")
            )
    suffix = place.suffix.lower()
    if suffix in OUTPUTS:
        raise _verdict(path)
    if suffix in ARCHIVES:
        return images.archive(place, file, options)
    if suffix in TABLES:
        return _table(place, file, options)
    if images.is_image(path):
        raise DataError(f"{path} is one image: expected the folder of all of them")
    raise DataError(
        f"{path}: its kind is not known: expected a folder of images, an archive "
        f"({', '.join(ARCHIVES[:3])}), a table (.csv, .parquet) or a network (.py, .keras, .h5)"
    )


def _verdict(path: str) -> DataError:
    return DataError(
        f"{path} holds raw outputs and labels, and needs no study: `sigmoid-bce verdict "
        f"{shlex.quote(path)}` answers at once; to train on the other columns of a table, name its "
        "raw outputs by --without"
    )


def _folder(path: Path, file: Path, options: Options) -> Data:
    """Return what a folder holds: images by class, or images and a table."""
    names = [name for name in images.walk(path)]
    by_folder = len(images.classes(names)) > 1
    listed = tables.in_folder(path)
    if by_folder or not listed:
        data = images.folder(path, file, options)
        if listed:
            data.lines.append(f"give {listed[0]} as PATH to take the classes from that table")
        return data
    if len(listed) > 1:
        raise DataError(f"{path} has several tables: give one as PATH: {few(map(str, listed))}")
    return _table(listed[0], file, options)


def _table(path: Path, file: Path, options: Options) -> Data:
    """Return what a table holds."""
    found = tables.Table(path)
    if tables.is_raw(found.names, options):
        raise _verdict(str(path))
    if files := tables.file_column(found):
        return tables.of_images(found, files, file, options)
    return tables.of_features(found, file, options)


# ---- the file ----


def _schema(file: Path) -> list[str]:
    """Return the line that tells an editor the schema, if the file is in a checkout."""
    folder = file.absolute().parent
    for place in (folder, *folder.parents):
        if (place / SCHEMA).is_file():
            relative = os.path.relpath(place / SCHEMA, folder)
            return [f"yaml-language-server: $schema={relative}"]
    return []


def _write(config: dict[str, Any], path: str, files: dict[Path, str]) -> None:
    """Write a study file and the code beside it, unless the study's reader refuses it."""
    file, *modules = files
    head = [
        *_schema(file),
        f"Written by: sigmoid-bce new {one_line(shlex.quote(path))}",
        "config/README.md explains every key.",
    ]
    with ExitStack() as written:
        for module in modules:
            written.enter_context(_kept(module, files[module]))
        with replacing(file) as part:
            part.write_text(text(config, head), encoding="utf-8")
            try:
                study = parse(load(part), str(file))
                study = locate(study, [Path(), file.parent], "results/downloads", str(file))
                planned.check(study, str(file))
            except ConfigError as error:
                raise ConfigError(str(error).replace(str(part), str(file))) from None


@contextmanager
def _kept(module: Path, code: str) -> Iterator[None]:
    """Write a module, which is as it was before if the block fails."""
    before = module.read_bytes() if module.is_file() else None
    with replacing(module) as part:
        part.write_text(code, encoding="utf-8")
    try:
        yield
    except BaseException:
        module.unlink() if before is None else module.write_bytes(before)
        raise


# ---- the terminal ----


def _told(
    path: str, data: Data, network: Network | None, config: dict[str, Any], file: Path
) -> list[str]:
    """Return what was found and chosen, and the next command."""
    total = sum(data.numbers.values())
    share = choose.rarest(data)
    one = list(data.numbers)[-1]
    classes = ", ".join(f"{name} {number:,}" for name, number in data.numbers.items())
    lines = [
        f"found     {data.what}, {path}: {total:,} samples",
        f"classes   {classes}; the rarer one has {100 * share:.3g} %",
        f"label 1   {one}: {data.why}",
    ]
    lines += [f"          {line}" for line in data.lines]
    section, train, validation = choose.split(data)
    by = {"given": "as the data say"}.get(section.get("by", ""), "drawn by seed 0")
    lines.append(f"split     {train:,} to train, {validation:,} to validate, {by}")
    if section.get("train"):
        lines.append("          a part of the samples, to be quick; remove train for all of them")
    for name, model in config["models"].items():
        size = model.get("image_size")
        inputs = f", {size} x {size} pixels" if size else ""
        lines.append(f"network   {name}: {model['architecture']}{inputs}")
        if isinstance(model.get("weights"), dict):
            lines.append("          its weights are downloaded from the package index")
    grid, paired = choose.trainings(config)
    sizes = ", ".join(map(str, config["grid"]["batch_size"]))
    lines.append(f"trainings {grid}: batches of {sizes}; seeds 0 and 1; stages early and full")
    if paired:
        questions = config["learning"]["exploratory"]
        metric = next(iter(questions.values()))["primary"].replace("auc", "AUC")
        lines.append(
            f"          {paired} short ones side by side, {choose.SEEDS} seeds of each loss: does "
            f"it matter for the {metric}?"
        )
    elif not network:
        lines.append(f"          no paired ones: a class has fewer than {choose.FEW} samples")
    if share < choose.RARE:
        lines.append("          one class is rare: see initial_bias in config/README.md")
    return [*lines, f"written   {file}", f"next      {_next(file)}"]


def _next(file: Path) -> str:
    """Return the command that runs a study."""
    run = f"--configfile {shlex.quote(str(file))} --cores {os.cpu_count() or 1}"
    if Path("Snakefile").is_file() or Path("workflow/Snakefile").is_file():
        return f"snakemake {run}"
    workflow = Path(__file__).parents[3] / "Snakefile"
    if workflow.is_file():
        return f"snakemake --snakefile {shlex.quote(str(workflow))} {run}"
    return f"make run CONFIG={shlex.quote(str(file.absolute()))}, in a checkout of sigmoid-bce"
