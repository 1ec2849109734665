"""Whether every file and run of a study is as it was recorded."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterable
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigmoid_bce.commands import FINDING, BadInput

if TYPE_CHECKING:
    from sigmoid_bce.jobs.verified import Found

SHOWN = 20  # differences that are printed


def _folder(text: str) -> Path:
    """Return the folder of a study, given as such or as its configuration file."""
    path = Path(text)
    if path.suffix in (".yaml", ".yml"):
        path = _named_by(path)
    if not path.is_dir():
        raise BadInput(f"there is no folder {path}: name results/<study>, or the study's file")
    studies = sorted(str(logs.parent) for logs in path.glob("*/logs") if logs.is_dir())
    if studies and not (path / "logs").exists():
        raise BadInput(f"{path} is the folder of several studies: name {' or '.join(studies)}")
    return path


def _project(results: Path) -> Path:
    """Return the folder whose mlflow.db has a study's runs: that of its results, or this one."""
    from sigmoid_bce.jobs.credentials import ADDRESS

    root = results.absolute().parents[1]
    own = not os.environ.get(ADDRESS) and (root / "mlflow.db").exists()
    return root if own else Path.cwd()


def _named_by(config: Path) -> Path:
    from sigmoid_bce.study.base import ConfigError
    from sigmoid_bce.tracking.folder import folder_of

    try:
        return folder_of(config)
    except (ConfigError, OSError) as error:
        raise BadInput(f"{config}: {error}") from None


@click.command(name="verify")
@click.argument("study", default="config/config.yaml")
@click.option("--no-runs", is_flag=True, help="Check the files alone, and no run in MLflow.")
@click.option("--all", "everything", is_flag=True, help=f"Print more than {SHOWN} differences.")
def command(study: str, no_runs: bool, everything: bool) -> None:
    """Check that every file and run of STUDY is as it was recorded.

    STUDY is results/<study>, or the study's configuration file. The log of each job has the SHA-256
    of the files that it wrote. The files describe the runs, whose artifacts have these digests,
    too. Nothing is changed.

    The first difference in the data's way comes first: it explains those of the files made from it.
    """
    from sigmoid_bce.jobs import digests, verified

    results = _folder(study)
    start = time.perf_counter()
    found = verified.verify(results)
    unknown = not found.equal or any(d.what == verified.UNRECORDED for d in found.differences)
    if unknown and not any(digests.recorded(results)):
        raise BadInput(
            f"{results} has no log with a digest: its results were made by an earlier release, or "
            "its logs were deleted"
        )
    click.echo(_told(found, results, time.perf_counter() - start))
    if found.newer:
        click.echo(_newer(found.newer))
    if any(results.absolute().parents[1].glob(".snakemake/locks/*")):
        click.echo("Snakemake runs here, or was killed: what it was making may be shown below")
    shown = Shown(everything)
    shown.add(map(str, found.differences))
    try:
        project = _project(results)
        place = results if project == Path.cwd() else results.absolute().relative_to(project)
        if not no_runs:
            with chdir(project):  # as when they were logged
                _runs(place, shown)
    except BadInput as error:
        if not shown.number:
            raise
        error.show()  # the files differ, whatever the runs are
    shown.end()


class Shown:
    """Differences that are printed as they are found.

    Parameters
    ----------
    everything : bool
        Print more than `SHOWN`.
    """

    def __init__(self, everything: bool):
        self.number, self.everything = 0, everything

    def add(self, lines: Iterable[str]) -> None:
        """Print and count differences."""
        from sigmoid_bce.jobs.logs import one_line

        for line in lines:
            self.number += 1
            if self.everything or self.number <= SHOWN:
                click.echo(one_line(line))

    def note(self, lines: list[str]) -> None:
        """Print what is no difference."""
        from sigmoid_bce.jobs.logs import one_line

        for line in lines if self.everything else lines[:SHOWN]:
            click.echo(f"no difference: {one_line(line)}")
        if len(lines) > SHOWN and not self.everything:
            click.echo(f"no difference: {len(lines) - SHOWN} more, which --all shows")

    def end(self) -> None:
        """Print how many there were; end with the exit code of a finding, if there was one."""
        if self.number:
            hidden = 0 if self.everything else max(0, self.number - SHOWN)
            more = f"and {hidden} more: --all shows them"
            click.echo(more if hidden else f"{self.number} differ")
            raise SystemExit(FINDING)


def _told(found: Found, results: Path, seconds: float) -> str:
    absent = f", {len(found.absent)} downloads are not here" if found.absent else ""
    return f"{results}: {found.equal} files are as they were recorded{absent} ({seconds:.1f} s)"


def _newer(names: list[str]) -> str:
    """Return which files are counted neither as equal nor as different."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (
        "not counted, and vouched for by nothing, since they were written after "
        f"the study's last job had recorded them: {', '.join(names[:SHOWN])}{more}"
    )


def _runs(results: Path, shown: Shown) -> None:
    """Print how many runs agree with the files, and the differences of the others."""
    try:
        from sigmoid_bce.tracking import store, verify
    except ImportError as error:
        click.echo(f"the runs were not checked: {error.name} is not installed here")
        return
    from sigmoid_bce.jobs.credentials import masked
    from sigmoid_bce.jobs.logs import one_line
    from sigmoid_bce.tracking.address import uri

    start = time.perf_counter()
    try:
        # what is printed of damaged files is among the differences
        with redirect_stdout(io.StringIO()):
            number, equal, lines, notes = verify.compared(results)
    except store.TrackingError as error:
        raise BadInput(str(error)) from None
    if not number:
        place = masked(uri())
        click.echo(one_line(f"no run of this study is in {place}: none was checked"))
    else:
        seconds = time.perf_counter() - start
        agree = f"{number} runs agree" if equal == number else f"{equal} of {number} runs agree"
        click.echo(f"{agree} with the files ({seconds:.1f} s)")
    shown.note(notes)
    shown.add(lines)
