"""The verdict on a file of raw outputs and labels."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigmoid_bce.commands import FINDING, BadInput, nobody_reads, reads_outputs

if TYPE_CHECKING:
    from sigmoid_bce.tracking.anybody import Fetched

LOGGED = ("blind", "flat", "off", "loss_change")
"""What is logged of the worst program: mistakes without a gradient, samples that are clipped or
wrong, and the change of the mean loss."""
MINE = ("framework", "loss", "dtype", "mode", "autocast", "split")


@click.command(name="verdict")
@click.argument("file")
@click.option("--framework", default="", help="What you train with, such as PyTorch or sklearn.")
@click.option("--loss", default="", help="The loss as you write it, such as 'nn.BCELoss()'.")
@click.option("--dtype", default="", help="The precision, such as bfloat16.  [default: the usual]")
@click.option("--autocast", is_flag=True, help="The network runs in mixed precision.")
@click.option("--mode", default="", help="Such as eager, graph, xla, jit or torch.compile.")
@click.option(
    "--split",
    default="",
    help="What the samples are for: train, validation or test. If the file has a column 'split', "
    "only these are judged.",
)
@reads_outputs
@click.option("--to", help="Folder of the results.  [default: results/verdict-<file>]")
@click.option("--thresholds", help="thresholds.csv of a study, in place of the committed record.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON; files only with --to or --log-to-run.",
)
@click.option(
    "--fail-above",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Exit code 3 if more than this share of samples are mistakes without a gradient.",
)
@click.option(
    "--fail-on-loss-error",
    is_flag=True,
    help="Exit code 3 if the loss or gradient of a mistake, or the mean, is more than 1 % off.",
)
@click.option("--log-to-run", is_flag=True, help="Log the verdict to the run that FILE is of.")
def command(file: str, to: str | None, as_json: bool, **given: Any) -> None:
    """Tell what binary cross-entropy loses if it is computed from sigmoid outputs.

    FILE has raw outputs (logits) and labels: .csv, .parquet, .npz or .npy. It may be an artifact of
    a run of MLflow: mlflow:RUN_ID, or mlflow:RUN_ID/path/of/artifact. Say what you run, and the
    answer is about that; without it, all frameworks are compared.

    For instance: sigmoid-bce verdict outputs.csv --framework PyTorch --loss BCELoss
    """
    os.environ["MPLBACKEND"] = "agg"  # a notebook's backend, or a mistyped one, may not be there
    # before pyarrow is imported: Arrow's own allocators reserve address space ahead
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    source = _source(file, given)
    folder = _folder(to, source)
    try:
        from sigmoid_bce.jobs.logs import one_line
        from sigmoid_bce.verdicts.programs import Mine
        from sigmoid_bce.verdicts.read import from_file

        mine = Mine(**{part: given[part] for part in MINE})
        ignored = list(given["ignore"])
        outputs = from_file(source.file, given["label"], given["raw_output"], ignored, mine.split)
        outputs.name = one_line(source.address)
        # heavy imports only once the file has been opened
        from sigmoid_bce.verdicts.gate import failures
        from sigmoid_bce.verdicts.judge import judge

        start = time.perf_counter()
        verdict, counted, samples, batches = judge(
            outputs, given["thresholds"], given["really_raw"], progress=True, mine=mine
        )
        failed = failures(verdict, given["fail_above"], given["fail_on_loss_error"])
        judged = time.perf_counter()
        if not as_json:
            _print(verdict.to_text())
        if to or given["log_to_run"] or not as_json:
            from sigmoid_bce.verdicts import page

            page.write(folder, verdict, counted, samples, batches, outputs.shape)
    except (ValueError, OSError, ImportError) as error:
        raise BadInput(str(error).replace(str(source.file), source.address)) from error
    if as_json:
        _print(json.dumps(verdict.to_dict() | {"failed": failed}, indent=2))
    else:
        number, written = counted.total().samples, time.perf_counter()
        _print(
            f"\n{number:,} raw outputs: read and compared in {judged - start:.1f} s, drawn and "
            f"written in {written - judged:.1f} s\npage      {folder}/verdict.html\n"
            f"figures   {folder}/figures/\ntables    {folder}/tables/"
        )
    if given["log_to_run"]:
        _log(source, verdict.to_dict(), folder)
    if given["fail_above"] is not None and not verdict.programs["trains"].any():
        print("note: no gradient is measured here, --fail-above cannot fail", file=sys.stderr)
    for text in failed:
        print(f"failed: {text}", file=sys.stderr)
    if failed:
        sys.exit(FINDING)


def _print(text: str) -> None:
    """Print a text; who reads only its beginning, as `head` does, changes no exit code."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        nobody_reads()


def _source(file: str, given: dict[str, Any]) -> Fetched:
    """Return the file that FILE names, fetched if it is an artifact of a run of MLflow."""
    from sigmoid_bce.jobs.logs import UserError
    from sigmoid_bce.tracking import anybody

    if not anybody.is_run(file):
        if given["log_to_run"]:
            raise BadInput(f"--log-to-run: {file} is of no run: name the run, mlflow:RUN_ID/path")
        return anybody.Fetched("", str(Path(file)), Path(file))
    names = given["label"], given["raw_output"]
    try:
        return click.get_current_context().with_resource(anybody.fetched(file, names))
    except UserError as error:
        raise BadInput(str(error)) from error


def _folder(to: str | None, source: Fetched) -> Path:
    """Return the folder of the results."""
    folder = Path(to or f"results/verdict-{_name(source)}")
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"--to: {folder} is a file: name a folder")
    return folder


def _name(source: Fetched) -> str:
    """Return what a file, or an artifact of a run, is called in the name of a folder."""
    name = str(Path(source.address).with_suffix("")) if source.run else Path(source.path).stem
    return re.sub(r"[^a-z0-9_.-]+", "-", name.lower())[:150].strip("-.") or "outputs"


def _log(source: Fetched, verdict: dict[str, Any], folder: Path) -> None:
    """Log a verdict to the run that it is about."""
    from sigmoid_bce.jobs.logs import UserError
    from sigmoid_bce.tracking.anybody import log_verdict

    worst = verdict["programs"][0]
    numbers = {name: verdict[name] for name in ("samples", "mistakes", "mean_loss")}
    numbers |= {name: worst[name] for name in LOGGED if worst[name] is not None}
    try:
        place = log_verdict(source, f"{verdict['harm']}: {verdict['answer']}", folder, numbers)
    except UserError as error:
        raise BadInput(str(error)) from error
    # standard output may be JSON
    print(f"run       {source.run}: tag, metrics and artifacts {place}", file=sys.stderr)
