"""The verdict on a file of raw outputs and labels."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import click

from sigmoid_bce.commands import BadInput


@click.command(name="verdict")
@click.argument("file")
@click.option("--label", default="label", help="Column of labels, or its beginning.")
@click.option("--raw-output", default="raw_output", help="Column of raw outputs, or its beginning.")
@click.option(
    "--ignore",
    type=float,
    multiple=True,
    metavar="LABEL",
    help="Leave out samples with this label, such as 255 or nan; may be given several times.",
)
@click.option("--to", help="Folder of the results.  [default: results/verdict-<file>]")
@click.option("--thresholds", help="thresholds.csv of a study, in place of the committed record.")
@click.option("--really-raw", is_flag=True, help="Accept raw outputs that all lie within [0, 1].")
def command(file: str, to: str | None, **given: Any) -> None:
    """Report what binary cross-entropy loses if it is computed from sigmoid outputs.

    FILE has raw outputs (logits) and labels: .csv, .parquet, .npz or .npy.
    """
    os.environ["MPLBACKEND"] = "agg"  # a notebook's backend, or a mistyped one, may not be there
    # before pyarrow is imported: Arrow's own allocators reserve address space ahead
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    name = re.sub(r"[^a-z0-9_.-]+", "-", Path(file).stem.lower()).strip("-.") or "outputs"
    folder = Path(to or f"results/verdict-{name}")
    try:
        from sigmoid_bce.verdicts.read import from_file

        outputs = from_file(file, given["label"], given["raw_output"], list(given["ignore"]))
        # heavy imports only once the file has been opened
        from sigmoid_bce.verdicts import page
        from sigmoid_bce.verdicts.judge import judge

        start = time.perf_counter()
        verdict, counted, samples, batches = judge(
            outputs, given["thresholds"], given["really_raw"], progress=True
        )
        judged = time.perf_counter()
        print(verdict)
        page.write(folder, verdict, counted, samples, batches, outputs.shape)
    except (ValueError, OSError, ImportError) as error:
        raise BadInput(str(error)) from error
    number, written = counted.total().samples, time.perf_counter()
    print(f"\n{number:,} raw outputs: read and compared in {judged - start:.1f} s, ", end="")
    print(f"drawn and written in {written - judged:.1f} s")
    for kind, place in (("page", "verdict.html"), ("figures", "figures/"), ("tables", "tables/")):
        print(f"{kind:9} {folder}/{place}")
