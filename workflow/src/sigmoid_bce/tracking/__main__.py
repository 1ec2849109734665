"""`python -m sigmoid_bce.tracking reconcile|log|ui results/<study>`, without a workflow."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sigmoid_bce.jobs.credentials import masked
from sigmoid_bce.tracking.folder import folder_of
from sigmoid_bce.tracking.reconcile import cells_with_attempts, learning_cells, reconcile


def log(results: Path) -> list[str]:
    """Log all cells of a study's folder that were ever tried, without the study's own run."""
    from sigmoid_bce.tracking.sync import log_cells

    cells, learning = list(cells_with_attempts(results)), list(learning_cells(results))
    log_cells(results.name, results, cells, learning)
    return []


COMMANDS = {"reconcile": reconcile, "log": log}


def main() -> int:
    """Run a command for one study; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=[*COMMANDS, "ui"])
    parser.add_argument("study", help="results/<study>, or the study's configuration file")
    parser.add_argument("--host", default="127.0.0.1", help="of `ui`: where the server listens")
    parser.add_argument("--port", type=int, default=5000, help="of `ui`")
    # `ui` hands all others to `mlflow server`
    given, more = parser.parse_known_args()
    if more and given.command != "ui":
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    try:
        results = folder_of(given.study)
        if given.command == "ui":
            from sigmoid_bce.tracking.ui import show

            show(results, given.host, given.port, more)
            return 0
        changes = COMMANDS[given.command](results)
    except Exception as error:
        print(f"error: {masked(error)}", file=sys.stderr)
        return 1
    for change in changes:
        print(change)
    if given.command == "reconcile":
        print(f"{results}: reconciled, {len(changes)} attempts closed in the files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
