"""The verdict on a file of raw outputs and labels."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import click

from sigmoid_bce.commands import FINDING, BadInput

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
@click.option("--label", default="label", help="Column of labels, or its beginning.")
@click.option("--raw-output", default="raw_output", help="Column of raw outputs, or its beginning.")
@click.option(
    "--ignore",
    type=float,
    multiple=True,
    metavar="LABEL",
    help="Leave out samples with this label, such as 255 or nan; may be given several times.",
)
@click.option("--really-raw", is_flag=True, help="Accept raw outputs that all lie within [0, 1].")
@click.option("--to", help="Folder of the results.  [default: results/verdict-<file>]")
@click.option("--thresholds", help="thresholds.csv of a study, in place of the committed record.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; write no files without --to.")
@click.option(
    "--fail-above",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Exit code 3 if more than this share of samples are mistakes without a gradient.",
)
@click.option(
    "--fail-on-loss-error",
    is_flag=True,
    help="Exit code 3 if the loss of a mistake, or the mean, is more than 1 % off.",
)
def command(file: str, to: str | None, as_json: bool, **given: Any) -> None:
    """Tell what binary cross-entropy loses if it is computed from sigmoid outputs.

    FILE has raw outputs (logits) and labels: .csv, .parquet, .npz or .npy. Say what you run, and
    the answer is about that; without it, all frameworks are compared.

    For instance: sigmoid-bce verdict outputs.csv --framework PyTorch --loss BCELoss
    """
    os.environ["MPLBACKEND"] = "agg"  # a notebook's backend, or a mistyped one, may not be there
    # before pyarrow is imported: Arrow's own allocators reserve address space ahead
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    name = re.sub(r"[^a-z0-9_.-]+", "-", Path(file).stem.lower()).strip("-.") or "outputs"
    folder = Path(to or f"results/verdict-{name}")
    try:
        from sigmoid_bce.verdicts.programs import Mine
        from sigmoid_bce.verdicts.read import from_file

        mine = Mine(**{part: given[part] for part in MINE})
        ignored = list(given["ignore"])
        outputs = from_file(file, given["label"], given["raw_output"], ignored, mine.split)
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
            print(verdict.to_text())
        if to or not as_json:
            from sigmoid_bce.verdicts import page

            page.write(folder, verdict, counted, samples, batches, outputs.shape)
    except (ValueError, OSError, ImportError) as error:
        raise BadInput(str(error)) from error
    if as_json:
        print(json.dumps(verdict.to_dict() | {"failed": failed}, indent=2))
    else:
        number, written = counted.total().samples, time.perf_counter()
        print(f"\n{number:,} raw outputs: read and compared in {judged - start:.1f} s, ", end="")
        print(f"drawn and written in {written - judged:.1f} s")
        kinds = (("page", "verdict.html"), ("figures", "figures/"), ("tables", "tables/"))
        for kind, place in kinds:
            print(f"{kind:9} {folder}/{place}")
    for text in failed:
        print(f"failed: {text}", file=sys.stderr)
    if failed:
        sys.exit(FINDING)
