"""The inputs, params, resources and groups of the rules, as functions of a located study."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from sigmoid_bce.data import items
from sigmoid_bce.jobs import plugins, releases, snakemake_patches
from sigmoid_bce.jobs.credentials import Hidden
from sigmoid_bce.numerics import frameworks
from sigmoid_bce.planning import digest
from sigmoid_bce.planning.sections import as_input, backbone_name, file_of, frozen, plain
from sigmoid_bce.study import base
from sigmoid_bce.study.base import Download, Wheel
from sigmoid_bce.study.cells import PATTERN, Cell, cells
from sigmoid_bce.study.config import Study
from sigmoid_bce.study.models import Backbone, Custom

TITLE = "{dataset}, {model}, loss {loss}, batch size {batch_size}, seed {seed}"
"""The title of a cell's figures."""

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

Wildcards = Any
"""Snakemake's wildcards of a job: its attributes are strings."""

Function = TypeVar("Function", bound=Callable[..., Any])


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


def input_function(function: Function) -> Function:
    """Return a function that tells Snakemake its parameters.

    Snakemake would otherwise inspect its signature several times for each job.

    Parameters
    ----------
    function : callable
        A function of the wildcards, or a method: `self` does not count.

    Examples
    --------
    >>> from snakemake.common import get_function_params
    >>> list(get_function_params(input_function(lambda wildcards, attempt: attempt)))
    ['wildcards', 'attempt']
    """
    parameters = inspect.signature(function).parameters
    known = {name: value for name, value in parameters.items() if name != "self"}
    snakemake_patches.tell_parameters(function, known)
    return function


def literal(value: Any) -> Callable[[Wildcards], Any]:
    """Return a function that returns a value, in which Snakemake then replaces no {name}.

    Examples
    --------
    >>> literal("Does p = {1, 0} matter?")(None)
    'Does p = {1, 0} matter?'
    """
    return input_function(lambda wildcards: value)


def labels(wildcards: Wildcards) -> dict[str, str]:
    """Return the columns in which the report lists a cell's figures."""
    return {
        "model": wildcards.model,
        "batch size": wildcards.batch_size,
        "seed": wildcards.seed,
        "loss": wildcards.loss,
    }


def growing(amount: int) -> Callable[[Wildcards, int], int]:
    """Return a resource that grows with each attempt.

    Examples
    --------
    >>> growing(2500)(None, attempt=2)
    5000
    """
    return input_function(lambda wildcards, attempt: attempt * amount)


@dataclass(frozen=True, eq=False)
class Plan:
    """A located study, as the rules see it.

    A public method is an input function, or returns one: Snakemake calls it with the wildcards of
    a job.

    Parameters
    ----------
    study : Study
        As `locate.locate` returns it.
    workflow : Path
        The folder that holds the scripts.
    grouped : callable
        Whether jobs may share a submission. Looking for groups takes Snakemake time. A function,
        because Snakemake reads --group-components only after it has read the rules.
    isolated : bool
        Whether jobs run in conda environments. Snakemake compares their specifications itself.
    """

    study: Study
    workflow: Path
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
        seeds = self.study.grid.seed[: self.study.comparison.figure_seeds]
        return [cell for cell in self.cells if cell.seed in seeds]

    @cached_property
    def _files(self) -> list[Any]:
        sections = (*self.study.datasets.values(), *self.study.models.values())
        return [file for section in sections for file in base.files(section).values()]

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
        return {backbone_name(model): model for model in heads}

    @cached_property
    def _settings(self) -> dict[tuple[str, str], dict[str, Any]]:
        sections: dict[str, Mapping[str, Any]] = {
            "datasets": self.study.datasets,
            "models": self.study.models,
        }
        return {
            (section, name): plain(part)
            for section, parts in sections.items()
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
        return {
            name: f"backbone~{backbone_name(model)}"
            if isinstance(model, Backbone)
            else f"size~{model.image_size}"
            for name, model in self.study.models.items()
        }

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return {
            name: "heads" if isinstance(model, Backbone) else "networks"
            for name, model in self.study.models.items()
        }

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
        return next((as_input(file_of(file)) for file in files), [])

    @input_function
    def dataset(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings of a data set."""
        return self._settings["datasets", wildcards.dataset]

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
        return frozen(self.backbones[wildcards.backbone])

    @input_function
    def weights(self, wildcards: Wildcards) -> str | list[str]:
        """Return the file of a frozen network's weights; an empty list if it has none."""
        weights = self.backbones[wildcards.backbone].weights
        return [] if isinstance(weights, str) else as_input(file_of(weights))

    @property
    def extract_threads(self) -> int:
        """The threads of an extraction: one of two cores is left to networks without features."""
        return 2 if all(self._kinds[name] == "heads" for name in self.study.grid.model) else 1

    @input_function
    def inputs(self, wildcards: Wildcards) -> str:
        """Return the inputs of the trained part of a network: resized images, or features."""
        folder = f"{self.results}/features/dataset~{wildcards.dataset}"
        return f"{folder}/{self._inputs[wildcards.model]}.npy"

    @input_function
    def kind(self, wildcards: Wildcards) -> str:
        """Return whether a cell trains a head or a whole network."""
        return self._kinds[wildcards.model]

    @input_function
    def urgency(self, wildcards: Wildcards) -> float:
        """Return a training's priority: the slowest first, so that none runs alone at the end."""
        return URGENCY[self._kinds[wildcards.model]] / int(wildcards.batch_size)

    # ---- functions that return input functions ----

    def growing(self, **by_kind: int) -> Callable[[Wildcards, int], int]:
        """Return a resource of a training that grows with each attempt.

        Parameters
        ----------
        **by_kind : int
            The amount for `heads` and for `networks`.
        """
        return input_function(
            lambda wildcards, attempt: attempt * by_kind[self._kinds[wildcards.model]]
        )

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
        return digest.digest(self._script(rule), *files)

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
        script = self._script(rule)

        def code(wildcards: Wildcards) -> str:
            names = ((kind, self._plugin(kind, wildcards)) for kind in kinds)
            found = (folders[kind].get(name) for kind, name in names)
            return digest.digest(script, *(file for file in found if file))

        return input_function(code)

    def _script(self, rule: str) -> Path:
        return self.workflow / "scripts" / f"{rule}.py"

    def _plugin(self, kind: str, wildcards: Wildcards) -> str:
        """Return the name of the plug-in of a kind that a job loads; an empty string for none."""
        if hasattr(wildcards, kind):
            return str(getattr(wildcards, kind))
        if hasattr(wildcards, "backbone"):
            return str(getattr(self.backbones[wildcards.backbone], kind))
        if hasattr(wildcards, "model"):
            return str(getattr(self.study.models[wildcards.model], kind))
        return str(getattr(self.study.datasets[wildcards.dataset], kind))
