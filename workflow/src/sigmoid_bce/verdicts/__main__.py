"""The verdict on a file, from a terminal: ``python -m sigmoid_bce.verdicts outputs.csv``."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path

# before pyarrow is imported: Arrow's own allocators reserve address space ahead
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

from sigmoid_bce.verdicts.errors import LABEL, RAW_OUTPUT
from sigmoid_bce.verdicts.read import from_file


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sigmoid_bce.verdicts",
        description="Report the cost of computing binary cross-entropy of raw outputs (logits) "
        "from their sigmoid. See config/README.md, Verdict.",
    )
    parser.add_argument("file", help=".csv, .parquet, .npz or .npy")
    parser.add_argument("--label", default=LABEL, help="column of labels, or its beginning")
    parser.add_argument(
        "--raw-output", default=RAW_OUTPUT, help="column of raw outputs, or its beginning"
    )
    parser.add_argument(
        "--ignore",
        type=float,
        action="append",
        default=[],
        metavar="LABEL",
        help="leave out samples with this label, such as 255 or nan; may be given several times",
    )
    parser.add_argument("--to", help="folder of the results, by default results/verdict-<file>")
    parser.add_argument(
        "--thresholds", help="thresholds.csv of a study, in place of the committed record"
    )
    parser.add_argument(
        "--really-raw", action="store_true", help="accept raw outputs that all lie within [0, 1]"
    )
    return parser.parse_args()


def main() -> None:
    """Read the arguments, judge the file, print the verdict and write its files."""
    given = _arguments()
    name = re.sub(r"[^a-z0-9_.-]+", "-", Path(given.file).stem.lower()).strip("-.") or "outputs"
    folder = Path(given.to or f"results/verdict-{name}")
    try:
        outputs = from_file(given.file, given.label, given.raw_output, given.ignore)
        # heavy imports only once the file has been opened
        from sigmoid_bce.verdicts import page
        from sigmoid_bce.verdicts.judge import judge

        start = time.perf_counter()
        verdict, counted, samples, batches = judge(
            outputs, given.thresholds, given.really_raw, progress=True
        )
        judged = time.perf_counter()
        print(verdict)
        page.write(folder, verdict, counted, samples, batches, outputs.shape)
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")
    number, written = counted.total().samples, time.perf_counter()
    print(f"\n{number:,} raw outputs: read and compared in {judged - start:.1f} s, ", end="")
    print(f"drawn and written in {written - judged:.1f} s")
    for kind, place in (("page", "verdict.html"), ("figures", "figures/"), ("tables", "tables/")):
        print(f"{kind:9} {folder}/{place}")


if __name__ == "__main__":
    main()
