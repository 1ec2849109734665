"""The workflow as a module of another one: where its files are, and how its report is made."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from snakemake.sourcecache import GithubFile, GitlabFile, HostingProviderFile, LocalGitFile

MARKERS = {LocalGitFile: "gitfile", GithubFile: "github", GitlabFile: "gitlab"}
"""Snakemake's functions for files in git repositories, by the class of what they return."""


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that lives as long as this process."""
    return tempfile.TemporaryDirectory(prefix="sigmoid-bce-")


@cache
def copied(file: str, name: str) -> Path:
    """Return a copy of a script under its own name, which its digest covers.

    Parameters
    ----------
    file : str
        Snakemake's copy of a file in a git repository, whose name has the commit.
    name : str

    Examples
    --------
    >>> copied(__file__, "train.py").parts[-2:]
    ('scripts', 'train.py')
    """
    copy = Path(_folder().name, "scripts", name)
    copy.parent.mkdir(exist_ok=True)
    return Path(shutil.copyfile(file, copy))


@cache
def linked(package: Path) -> Path:
    """Return a folder that holds a link to the installed package, and none of its neighbours.

    Jobs in conda environments find the package there.

    Parameters
    ----------
    package : Path

    Examples
    --------
    >>> [path.name for path in linked(Path(__file__).parents[1]).iterdir()]
    ['sigmoid_bce']
    """
    folder = Path(_folder().name, "src")
    folder.mkdir()
    (folder / package.name).symlink_to(package)
    return folder


def expression(source: Any) -> str:
    """Return the source of a Snakefile as a module statement names it.

    Parameters
    ----------
    source : Path or snakemake.sourcecache.SourceFile

    Examples
    --------
    >>> expression(Path("/a b/workflow/Snakefile"))
    "'/a b/workflow/Snakefile'"
    >>> expression(LocalGitFile("/a b", "workflow/Snakefile", tag="v0.1.0"))
    "gitfile('/a b', path='workflow/Snakefile', tag='v0.1.0')"
    """
    if not isinstance(source, (LocalGitFile, HostingProviderFile)):
        return repr(str(source))
    local = isinstance(source, LocalGitFile)
    repository = str(Path(source.repo_path).absolute()) if local else source.repo
    named = {"tag": source.tag, "commit": source.commit}
    kind = next((key for key, value in named.items() if value), "ref" if local else "branch")
    options = {"path": source.path, kind: source.ref}
    options |= {} if local else {"host": source.host}
    words = [repr(repository), *(f"{key}={value!r}" for key, value in options.items())]
    return f"{MARKERS[type(source)]}({', '.join(words)})"


def snakefile(source: Any, places: Mapping[str, str]) -> str:
    """Return the Snakefile of a module's report: a host with the module's own configuration.

    Parameters
    ----------
    source : Path or snakemake.sourcecache.SourceFile
        The Snakefile of this workflow.
    places : mapping of str by str
        Where the folders lie that the paths of rules name, the study's folder first.

    Examples
    --------
    >>> print(snakefile(Path("w/Snakefile"), {"results/s": "out/results/s"}))
    from sigmoid_bce.jobs import snakemake_patches
    snakemake_patches.escape_report(workflow)
    module study:
        snakefile: 'w/Snakefile'
        config: dict(config)
        replace_prefix: {'results/s/': 'out/results/s/'}
    use rule * from study
    <BLANKLINE>
    """
    replaced = {f"{folder}/": f"{place}/" for folder, place in places.items()}
    return (
        "from sigmoid_bce.jobs import snakemake_patches\n"
        "snakemake_patches.escape_report(workflow)\n"
        "module study:\n"
        f"    snakefile: {expression(source)}\n"
        "    config: dict(config)\n"
        f"    replace_prefix: {replaced}\n"
        "use rule * from study\n"
    )


def placed(workflow: Any, folder: str) -> str:
    """Return where a folder lies that the paths of rules name: behind the prefix of a module.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        While it reads a Snakefile.
    folder : str
        As in the paths of the rules.
    """
    return str(workflow.modifier.path_modifier.replace_prefix(f"{folder}/")).rstrip("/")
