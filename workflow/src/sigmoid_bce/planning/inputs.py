"""The inputs, params, resources and groups of the rules, as functions of a located study."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from snakemake.io import flag
from snakemake.path_modifier import PATH_MODIFIER_FLAG

from sigmoid_bce.data import items
from sigmoid_bce.jobs import plugins, releases
from sigmoid_bce.jobs.credentials import Hidden
from sigmoid_bce.numerics import frameworks
from sigmoid_bce.planning import digest, remembered, sections
from sigmoid_bce.planning.functions import Wildcards, input_function
from sigmoid_bce.study import base
from sigmoid_bce.study.base import Download, Wheel
from sigmoid_bce.study.cells import PATTERN, Cell, cells, trained_with
from sigmoid_bce.study.config import Study
from sigmoid_bce.study.datasets import Seen
from sigmoid_bce.study.learning import LearningCell, learning_cells, rates, regimes
from sigmoid_bce.study.models import Backbone, Custom

Figure = TypeVar("Figure")

PLUGINS = {
    "architecture": "models/architectures",
    "framework": "numerics/frameworks",
    "loss": "training/losses",
    "optimizer": "training/optimizers",
    "source": "data/sources",
}
"""The folder of each kind of plug-in that a script loads by name."""

PARTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "architecture": (("network",), ("SIZE", "backbone")),
    "framework": (("TITLE", "PACKAGES", "INSTEAD", "implementations"),),
    "loss": (("loss",),),
    "optimizer": (("optimizer",),),
    "source": (("items",),),
}
"""The names that the file of each kind defines: those of one of the choices."""

URGENCY = {"heads": 100, "networks": 10_000}
"""The priority of a training with batch size 1: the slowest trainings start first."""


def check_plugins() -> None:
    """Check every plug-in that a script loads by name, before any job starts.

    Raises
    ------
    PluginError
        One line that names the file, if one has a syntax error or lacks a part.

    Examples
    --------
    >>> check_plugins()
    """
    for kind, folder in PLUGINS.items():
        plugins.check(folder, *PARTS[kind])


@dataclass(frozen=True, eq=False)
class Plan:
    """A located study, as the rules see it.

    A public method is an input function, or returns one: Snakemake calls it with the wildcards of
    a job.

    Parameters
    ----------
    study : Study
        As `locate.locate` returns it.
    script : callable
        The file of a rule's script, by the rule's name.
    downloaded : str
        Where `sections.DOWNLOADS` lies: behind a module's prefix.
    grouped : callable
        Whether jobs may share a submission. Looking for groups takes Snakemake time. A function,
        because Snakemake reads --group-components only after it has read the rules.
    isolated : bool
        Whether jobs run in conda environments. Snakemake compares their specifications itself.
    """

    study: Study
    script: Callable[[str], Path]
    downloaded: str = sections.DOWNLOADS
    grouped: Callable[[], bool] = bool
    isolated: bool = False

    @cached_property
    def results(self) -> str:
        """The study's folder."""
        return f"results/{self.study.study}"

    @cached_property
    def cells(self) -> list[Cell]:
        """Every cell of the grid."""
        return cells(self.study.grid)

    @cached_property
    def figure_cells(self) -> list[Cell]:
        """The cells whose figures are drawn."""
        seeds = self.of_grid("seed")[: self.study.comparison.figure_seeds]
        return [cell for cell in self.cells if cell.seed in seeds]

    @cached_property
    def learning_cells(self) -> dict[LearningCell, list[int]]:
        """Every cell of the section `learning`, with its seeds."""
        return learning_cells(self.study.learning)

    def of_grid(self, key: str) -> list[Any]:
        """Return the values of a key of the grid; none without a grid."""
        return getattr(self.study.grid, key, [])

    @cached_property
    def datasets(self) -> list[str]:
        """The data sets that some network is trained on, those of the grid first."""
        paired = sorted({cell.dataset for cell in self.learning_cells})
        return list(dict.fromkeys([*self.of_grid("dataset"), *paired]))

    def made(self, **outputs: Iterable[str]) -> list[str]:
        """Return the outputs of the rules that the study needs.

        Parameters
        ----------
        **outputs : iterable of str
            The outputs of each section that a study may lack. `datasets` is no such section: its
            outputs are made where a network is trained.
        """
        there = {"datasets": self.datasets}
        return [
            path
            for section, paths in outputs.items()
            if there.get(section, getattr(self.study, section))
            for path in paths
        ]

    def paired_figures(self, figures: Mapping[str, Figure]) -> dict[str, Figure]:
        """Return the figures of the section `learning` that have something to show."""
        models = {name: model.model_dump(mode="json") for name, model in self.study.models.items()}
        some = {"figure-10": rates(regimes(self.study.learning), models)}
        there = figures if self.study.learning else {}
        return {name: figure for name, figure in there.items() if some.get(name, True)}

    @cached_property
    def _files(self) -> list[Any]:
        parts = (*self.study.datasets.values(), *self.study.models.values())
        return [file for part in parts for file in base.files(part).values()]

    @cached_property
    def wheels(self) -> dict[tuple[str, str], str]:
        """The SHA-256 of each wheel, by package and version."""
        wheels = (part for part in self._files if isinstance(part, Wheel))
        return {(wheel.package, wheel.version): wheel.sha256 for wheel in wheels}

    @cached_property
    def downloads(self) -> dict[str, Download]:
        """Each download by its SHA-256."""
        downloads = (part for part in self._files if isinstance(part, Download))
        return {part.sha256: part for part in downloads if part.sha256}

    @cached_property
    def backbones(self) -> dict[str, Backbone]:
        """One model for each frozen network, by the network's name."""
        heads = (model for model in self.study.models.values() if isinstance(model, Backbone))
        return {sections.backbone_name(model): model for model in heads}

    @cached_property
    def _settings(self) -> dict[tuple[str, str], dict[str, Any]]:
        parts_of: dict[str, Mapping[str, Any]] = {
            "datasets": self.study.datasets,
            "models": self.study.models,
        }
        return {
            (section, name): sections.plain(part)
            for section, parts in parts_of.items()
            for name, part in parts.items()
        }

    @cached_property
    def _modules(self) -> dict[str, str]:
        return {
            name: digest.module_digest(m.file, Path(m.folder)) if isinstance(m, Custom) else ""
            for name, m in self.study.models.items()
        }

    @cached_property
    def _inputs(self) -> dict[str, str]:
        models = self.study.models.items()
        return {name: f"{self.results}/{sections.input_of(model)}" for name, model in models}

    # ---- data ----

    @input_function
    def wheel_sha256(self, wildcards: Wildcards) -> str:
        """Return the SHA-256 that a wheel must have."""
        return self.wheels[wildcards.package, wildcards.version]

    @input_function
    def sources(self, wildcards: Wildcards) -> str:
        """Return where a download comes from, as JSON: the local file, else the mirrors."""
        download = self.downloads[wildcards.digest]
        return Hidden(json.dumps([download.file] if download.file else download.url))

    @input_function
    def most(self, wildcards: Wildcards) -> int:
        """Return the most bytes of a download of unknown size."""
        return 10**6 * self.downloads[wildcards.digest].limit_mb

    @input_function
    def dataset_file(self, wildcards: Wildcards) -> str | list[str]:
        """Return the file that holds or lists a data set's images; an empty list if it has none."""
        files = base.files(self.study.datasets[wildcards.dataset]).values()
        return next(map(self._as_input, files), [])

    @input_function
    def dataset(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings on which the files of a data set depend."""
        settings = self._settings["datasets", wildcards.dataset]
        return {k: v for k, v in settings.items() if k not in Seen.model_fields or k == "split"}

    @input_function
    def seen(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings of a data set that say what a training sees of it."""
        return sections.seen(self.study.datasets[wildcards.dataset])

    @input_function
    def contents(self, wildcards: Wildcards) -> str:
        """Return a digest of a data set's loose files; an empty string if it has none."""
        return items.contents(self.study.datasets[wildcards.dataset])

    # ---- networks ----

    @input_function
    def model(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings of a model."""
        return self._settings["models", wildcards.model]

    @input_function
    def module(self, wildcards: Wildcards) -> str:
        """Return the digest of the user's own module; an empty string if the model has none."""
        return self._modules[wildcards.model]

    @input_function
    def frozen(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings on which the features of a frozen network depend."""
        return sections.frozen(self.backbones[wildcards.backbone])

    @input_function
    def weights(self, wildcards: Wildcards) -> str | list[str]:
        """Return the file of a frozen network's weights; an empty list if it has none."""
        weights = self.backbones[wildcards.backbone].weights
        return [] if isinstance(weights, str) else self._as_input(weights)

    def _as_input(self, file: Wheel | Download | str) -> str:
        path = sections.file_of(file)
        return path if sections.is_made(file) else self.beside(path)

    def beside(self, path: str) -> str:
        """Return the path of a file that no job makes, as an input without a module's prefix."""
        given = sections.as_input(path, self.downloaded)
        return given if self.downloaded == sections.DOWNLOADS else flag(given, PATH_MODIFIER_FLAG)

    @property
    def extract_threads(self) -> int:
        """The threads of an extraction: one of two cores is left to networks without features."""
        models = [self.study.models[name] for name in self.of_grid("model")]
        return 2 if all(sections.kind_of(model) == "heads" for model in models) else 1

    @input_function
    def inputs(self, wildcards: Wildcards) -> str:
        """Return the inputs of the trained part of a network: images, or features."""
        return self._inputs[wildcards.model].format(dataset=wildcards.dataset)

    @input_function
    def seeds(self, wildcards: Wildcards) -> list[int]:
        """Return the seeds of a learning cell."""
        names = (wildcards.dataset, wildcards.model, wildcards.loss)
        return self.learning_cells[LearningCell(*names, int(wildcards.batch_size))]

    @input_function
    def kind(self, wildcards: Wildcards) -> str:
        """Return whether a cell trains dense layers alone, as of a head, or a whole network."""
        return sections.kind_of(self.study.models[wildcards.model])

    @input_function
    def training(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings that a cell is trained with."""
        return trained_with(Cell.of(wildcards), self.study.training.model_dump())

    @input_function
    def precision(self, wildcards: Wildcards) -> str:
        """Return the precision of a cell's network."""
        return str(self.training(wildcards)["precision"])

    @input_function
    def urgency(self, wildcards: Wildcards) -> float:
        """Return a training's priority: the slowest first, so that none runs alone at the end."""
        return URGENCY[self.kind(wildcards)] / int(wildcards.batch_size)

    # ---- functions that return input functions ----

    def growing(self, **by_kind: int) -> Callable[[Wildcards, int], int]:
        """Return a resource of a training that grows with each attempt.

        Parameters
        ----------
        **by_kind : int
            The amount for `heads` and for `networks`.
        """
        return input_function(lambda wildcards, attempt: attempt * by_kind[self.kind(wildcards)])

    def group(self, group: str | Callable[[Wildcards], str]) -> Callable[[Wildcards], str | None]:
        """Return the group of jobs that may share a submission to a cluster."""

        def of_job(wildcards: Wildcards) -> str | None:
            if not self.grouped():
                return None
            return group if isinstance(group, str) else group(wildcards)

        return input_function(of_job)

    def of_cells(
        self, pattern: str, *, some: Iterable[Cell] | None = None, **values: Sequence[str]
    ) -> Callable[[Wildcards], list[str]]:
        """Return a path for every cell, and for every combination of further wildcards.

        A function, because Snakemake's time for a list grows with the square of its length.

        Parameters
        ----------
        pattern : str
            A path that contains a cell's `PATTERN`.
        some : iterable of Cell, optional
            Without it, all cells of the study.
        **values : sequence of str
            The values of each further wildcard.
        """
        chosen = self.cells if some is None else list(some)
        combinations = [
            dict(zip(values, combination, strict=True)) for combination in product(*values.values())
        ]

        def paths(wildcards: Wildcards) -> list[str]:
            patterns = [pattern.replace(PATTERN, str(cell)) for cell in chosen]
            return [path.format(**these) for path in patterns for these in combinations]

        return input_function(paths)

    def releases(self, *packages: str) -> dict[str, str | None]:
        """Return the installed releases of packages that compute a result."""
        return {} if self.isolated else releases.releases(*packages)

    @input_function
    def framework_releases(self, wildcards: Wildcards) -> dict[str, str | None]:
        """Return the installed releases of what a framework and the reference need."""
        packages = frameworks.packages(wildcards.framework)
        return self.releases(*packages, "ml_dtypes", "mpmath", "numpy")

    def code(self, rule: str, *files: Path) -> str:
        """Return the digest of a rule's script, and of plug-ins that it always loads."""
        return remembered.digest(self.script(rule), *files)

    def code_with(self, rule: str, *kinds: str) -> Callable[[Wildcards], str]:
        """Return the digest of a rule's script and of the plug-ins that a job loads by name.

        Parameters
        ----------
        rule : str
        *kinds : str
            Keys of `PLUGINS`. The name is the wildcard of that kind, or the setting of that kind of
            the job's model or data set.
        """
        folders = {kind: plugins.files(PLUGINS[kind]) for kind in kinds}
        script = self.script(rule)

        def code(wildcards: Wildcards) -> str:
            names = ((kind, self._plugin(kind, wildcards)) for kind in kinds)
            found = (folders[kind].get(name) for kind, name in names)
            return remembered.digest(script, *(file for file in found if file))

        return input_function(code)

    def _plugin(self, kind: str, wildcards: Wildcards) -> str:
        """Return the name of the plug-in of a kind that a job loads; an empty string for none."""
        if hasattr(wildcards, kind):
            return str(getattr(wildcards, kind))
        if hasattr(wildcards, "backbone"):
            return str(getattr(self.backbones[wildcards.backbone], kind))
        if hasattr(wildcards, "model"):
            return str(getattr(self.study.models[wildcards.model], kind))
        return str(getattr(self.study.datasets[wildcards.dataset], kind))
