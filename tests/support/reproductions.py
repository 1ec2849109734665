"""Run the reproductions of findings in processes of their own, and compare what they print."""

import json
import os
import subprocess
import sys

import pandas as pd

from sigmoid_bce.upstream import findings

RUN = """
import contextlib, io, json, sys, warnings
warnings.simplefilter("ignore")
for name, code in json.load(sys.stdin).items():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, name, "exec"), {"__name__": "__main__"})
    print(json.dumps({"name": name, "output": out.getvalue().strip()}))
"""


def run(names, python=sys.executable):
    """Return what reproductions print, one after the other in one process."""
    done = subprocess.run(
        [python, "-c", RUN],
        input=json.dumps({name: findings.load(name).reproduction for name in names}),
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"),
             "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    # frameworks write lines of their own to the same place
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {row["name"]: row["output"] for row in rows}


def cells(table):
    """Return the cells of a table in Markdown, its head first."""
    lines = [line.strip("| ").split(" | ") for line in table.splitlines()]
    return [lines[0], *lines[2:]]


def near(found, told, exact):
    """Return whether a table is the one in the text; on another processor noise differs."""
    if exact:
        return found == told
    (head, *rows), (same, *others) = cells(found), cells(told)
    if head != same or len(rows) != len(others):
        return False
    numbers = [pd.DataFrame(part).apply(pd.to_numeric, errors="coerce") for part in (rows, others)]
    a, b = (part.fillna(-1.0).replace(float("inf"), 1e9) for part in numbers)
    return bool(((a - b).abs() <= 0.03 * b.abs() + 2e-6).all(axis=None))
