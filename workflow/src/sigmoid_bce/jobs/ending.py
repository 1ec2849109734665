"""The last lines of a workflow: where its results are; or what failed, why, and what is kept.

`python -m sigmoid_bce.jobs.ending results/<study>` prints the links; CONFIG names the study's file.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sigmoid_bce.jobs.attempts import read_attempts
from sigmoid_bce.jobs.logs import one_line
from sigmoid_bce.jobs.snakemake_patches import unfinished

MOST = 20  # jobs that are listed
LINES = 5  # of a job's log
TAIL = 8192  # bytes that are read of a log
AGAIN = "Finished results and checkpoints are kept. The same command goes on from there."

LINKS = {
    "report": ("report.html",),
    "figures": ("figures",),
    "tables": ("tables",),
    "explorer": ("explorer.html", "*/explorer.html"),
}
"""What the end of a workflow points at, and its place below results/<study>/."""
DEFAULT = "config/config.yaml"


def links(results: str | Path, config: str = DEFAULT) -> str:
    """Return where the results are, as addresses that a terminal opens.

    Parameters
    ----------
    results : str or Path
        The study's folder.
    config : str
        The study's configuration file.

    Examples
    --------
    >>> links("/tmp/none")
    ''
    """
    folder = Path(results).absolute()
    found = [
        (name, place.as_uri())
        for name, patterns in LINKS.items()
        for place in [place for one in patterns for place in sorted(folder.glob(one))][:1]
    ]
    if (folder / "tracking").is_dir():
        found.append(("runs", _ui(folder, config)))
    return "\n".join(f"{name:8}  {place}" for name, place in found)


def _ui(folder: Path, config: str) -> str:
    """Return the command that shows the runs."""
    if not Path("Makefile").is_file():
        return f"python -m sigmoid_bce.tracking ui {shlex.quote(str(folder))}"
    if not Path(config).is_file() or Path(config).absolute() == Path(DEFAULT).absolute():
        return "make ui"
    file = Path(config).absolute()
    if file.is_relative_to(Path.cwd()):
        file = file.relative_to(Path.cwd())
    return f"make ui CONFIG={shlex.quote(str(file))}"


def last_lines(log: Path) -> list[str]:
    r"""Return the end of a job's log: its error, or else its last lines.

    Parameters
    ----------
    log : Path

    Returns
    -------
    list of str
        At most `LINES`; none if there is no log.

    Examples
    --------
    >>> log = Path("/tmp/sigmoid-bce-example.log")
    >>> _ = log.write_text("reading\ntook 1.0 s\nerror: no image\n")
    >>> last_lines(log)
    ['error: no image']
    """
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    lines = [one_line(line.expandtabs()) for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("took ", "code: "))]
    starts = [i for i, line in enumerate(lines) if line.startswith("error: ")]
    return lines[starts[-1] :][:LINES] if starts else lines[-LINES:]


def _reason(job: Any) -> list[str]:
    """Return why a training ended early, as its last attempt noted it; of other jobs, nothing."""
    # train/<cell>/run.json, learning/<cell>.json
    files = map(Path, job.output)
    folders = {folder for file in files for folder in (file.parent, file.with_suffix(""))}
    records = [record for folder in folders for record in read_attempts(folder)]
    return [str(record["reason"]) for record in records[-1:] if record.get("reason")]


def _error(job: Any) -> list[str]:
    """Return the end of a failed job's log; of one that was killed, also how."""
    lines = last_lines(Path(next(iter(job.log), "")))
    return lines if any(line.startswith("error: ") for line in lines) else [*lines, *_reason(job)]


def _listed(jobs: Iterable[Any], lines_of: Any) -> Iterator[str]:
    """Yield the lines about each job: its log, and below it what `lines_of` returns."""
    jobs = sorted(jobs, key=str)
    for job in jobs[:MOST]:
        where = next(iter(job.log), None) or next(iter(job.output), "")
        yield f"  {job.rule.name}: {where}"
        yield from (f"      {line}" for line in lines_of(job))
    if len(jobs) > MOST:
        yield f"  and {len(jobs) - MOST} more"


def summary(workflow: Any) -> str:
    """Return what a workflow that ended early tells at its end.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        After its last job.
    """
    failed, running = unfinished(workflow)
    lines = []
    if failed:
        lines.append(f"{len(failed)} job{'s' * (len(failed) > 1)} failed:")
        lines += _listed(failed, _error)
    if running:
        lines.append("Interrupted while these jobs ran:")
        lines += _listed(running, _reason)
    return "\n".join([*lines, AGAIN])


if __name__ == "__main__":
    print(links(sys.argv[1], os.environ.get("CONFIG", DEFAULT)))
