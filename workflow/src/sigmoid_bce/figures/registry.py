"""The registered figures: a module in a folder, and a caption of the same name.

Modules are parsed, not imported: they need Matplotlib and pandas, which planning does without.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from sigmoid_bce.jobs import plugins
from sigmoid_bce.jobs.plugins import PluginError
from sigmoid_bce.numerics.names import BCE, TITLES

PARTS = {
    "cell": ("TITLE", "draw", "values"),
    "laboratory": ("TITLE", "READS", "draw", "values"),
    "learning": ("TITLE", "draw", "values"),
}
"""The names that the module of a figure defines, by the folder that it is in."""

FRONT_PAGE = "workflow"
"""The introduction of the report, which lies beside the captions."""


@dataclass(frozen=True)
class Registered:
    """A figure, as far as rules need to know it."""

    name: str
    file: Path
    title: str  # the report lists the figure under it
    reads: tuple[str, ...] = ()  # the tables that a laboratory figure is drawn from
    each: bool = False  # whether it is drawn for each objective
    objective: str = BCE

    @property
    def caption(self) -> str:
        """The name of its caption, without suffix."""
        return self.file.stem.replace("_", "-")


def module_name(figure: str) -> str:
    """Return the name of a figure's module.

    Examples
    --------
    >>> module_name("batch-mean")
    'batch_mean'
    """
    return figure.replace("-", "_")


def load(kind: str, figure: str) -> ModuleType:
    """Return the module of a figure, which defines the names in `PARTS`.

    Examples
    --------
    >>> load("cell", "batch-mean").TITLE
    'Batches of other sizes'
    """
    return plugins.load(f"figures/{kind}", module_name(figure), *PARTS[kind])


def _registered(
    kind: str, name: str, file: Path, caption: Path, tables: Collection[str]
) -> Registered:
    """Return a figure after checking that its module and its caption are complete."""
    if not caption.is_file():
        raise PluginError(f"{file} has no caption: write {caption}, or delete {file.name}")
    defined = plugins.definitions(file)
    if missing := [part for part in PARTS[kind] if part not in defined]:
        raise PluginError(f"{file} (caption: {caption}) does not define {', '.join(missing)}")
    title = plugins.constant(file, "TITLE", str)
    reads = plugins.constant(file, "READS", tuple) if kind == "laboratory" else ()
    if unknown := [table for table in reads if table not in tables]:
        raise PluginError(
            f"{file}: READS names {unknown[0]!r}; choose from {', '.join(sorted(tables))}"
        )
    return Registered(name, file, title, reads, each="EACH" in defined)


def of_objectives(
    figures: dict[str, Registered], objectives: Sequence[str]
) -> dict[str, Registered]:
    """Return figures, and those that are drawn for each objective once more for each.

    Parameters
    ----------
    figures : dict of Registered by str
    objectives : sequence of str
        Those of a study beside binary cross-entropy, from `sigmoid_bce.numerics.names.TITLES`.

    Returns
    -------
    dict of Registered by str
        The figures that were given first.

    Examples
    --------
    >>> file = Path("conformance.py")
    >>> figure = Registered("conformance", file, "Conformance map", each=True)
    >>> more = of_objectives({"conformance": figure}, ["focal"])["conformance-focal"]
    >>> more.title, more.caption
    ('Conformance map: focal loss, gamma 2, alpha 1/4', 'conformance')
    """
    more = [
        replace(
            figure,
            name=f"{name}-{objective}",
            title=f"{figure.title}: {TITLES[objective]}",
            objective=objective,
        )
        for name, figure in figures.items()
        for objective in objectives
        if figure.each
    ]
    return figures | {figure.name: figure for figure in more}


def figures(captions: Path, tables: Collection[str]) -> dict[str, dict[str, Registered]]:
    """Return all figures, by folder and by name.

    Parameters
    ----------
    captions : Path
        The folder of the captions, ``<figure>.rst``.
    tables : collection of str
        The tables that a laboratory figure may read.

    Returns
    -------
    dict
        For each folder of `PARTS`, the figures by name, in alphabetical order. The module
        ``batch_mean.py`` is the figure "batch-mean".

    Raises
    ------
    PluginError
        If two modules have the same name, a module lacks its caption or one of its parts, or a
        caption lacks its module.

    Examples
    --------
    >>> captions = plugins.PACKAGE.parents[1] / "report"
    >>> found = figures(captions, ["curves", "sweep", "thresholds"])
    >>> found["cell"]["figure-5"].title
    'Figure 5: full stage'
    """
    modules: dict[str, tuple[str, Path]] = {}
    for kind in PARTS:
        for stem, file in plugins.files(f"figures/{kind}").items():
            name = stem.replace("_", "-")
            if name in modules:
                raise PluginError(f"{name!r} is registered twice: {modules[name][1]} and {file}")
            modules[name] = kind, file
    for caption in sorted(captions.glob("*.rst")):
        if caption.stem not in (*modules, FRONT_PAGE):
            module = f"figures/{{{','.join(PARTS)}}}/{module_name(caption.stem)}.py"
            raise PluginError(
                f"{caption} has no figure: write {plugins.PACKAGE / module}, or delete "
                f"{caption.name}; captions of tables belong in {captions / 'tables'}"
            )
    return {
        kind: {
            name: _registered(kind, name, file, captions / f"{name}.rst", tables)
            for name, (folder, file) in modules.items()
            if folder == kind
        }
        for kind in PARTS
    }
