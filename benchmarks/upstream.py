"""Run the reproductions of findings, time their formulas, and write what came out.

    python benchmarks/upstream.py [FINDING ...]

Each finding runs in a process of its own, with this Python: a finding whose packages are not
installed keeps what it has. Thresholds of programs that the record holds are not measured again.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from contextlib import redirect_stdout
from dataclasses import asdict
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from sigmoid_bce.jobs.files import replacing, write_csv
from sigmoid_bce.jobs.machine import processor
from sigmoid_bce.jobs.releases import installed
from sigmoid_bce.upstream import effect, findings
from sigmoid_bce.upstream.text import EXAMPLE

ROOT = Path(__file__).parents[1]
COUNT, REPEATS = 65536, 60
SECONDS = 0.01
"""The least time of a measurement: short calls are repeated."""


def packages(finding: findings.Finding) -> dict[str, str]:
    """Return the installed release, or nothing, of each package that a finding needs."""
    names = (package.split("[")[0] for package in finding.packages)
    # a local version, such as +cpu, is not on PyPI
    return {name: (installed(name) or "").split("+")[0] for name in names}


def run(finding: findings.Finding) -> tuple[str, dict]:
    """Return what a reproduction prints, and the names that it defines."""
    names: dict = {"__name__": "__main__"}
    with redirect_stdout(StringIO()) as out:
        exec(compile(finding.reproduction, f"{finding.name}.py", "exec"), names)
    return out.getvalue().strip(), names


def costs(finding: findings.Finding) -> list[dict]:
    """Return the nanoseconds an element of the formula in use and of the proposed one."""
    found = []
    for dtype in finding.cost.dtypes:
        names: dict = {"COUNT": COUNT, "DTYPE": dtype}
        exec(finding.cost.setup, names)
        pair = [eval(f"lambda: ({code})", names) for code in (finding.cost.now, finding.cost.new)]
        # what else runs here only adds time
        spent = [[timed(one) for one in pair] for _ in range(REPEATS)]
        now, new = (min(times) / COUNT * 1e9 for times in zip(*spent, strict=True))
        found.append({"dtype": dtype, "now": round(now, 3), "new": round(new, 3)})
    return found


def timed(function) -> float:
    """Return the seconds of a call."""
    calls, start = 0, time.perf_counter()
    while not calls or time.perf_counter() - start < SECONDS:
        function()
        calls += 1
    return (time.perf_counter() - start) / calls


def thresholds(finding: findings.Finding, names: dict) -> list[dict]:
    """Return the thresholds of programs that the record lacks, by the reproduction's functions."""
    from sigmoid_bce.numerics.catalogue import Implementation
    from sigmoid_bce.numerics.search import SIDES, Search
    from sigmoid_bce.numerics.tables import HARD, RECORD, read_thresholds
    from sigmoid_bce.numerics.thresholds import find

    known = set(read_thresholds(RECORD)[["framework", "implementation"]].itertuples(index=False))
    rows = []
    for program in finding.program:
        if (program.framework, program.implementation) in known:
            continue
        for dtype in program.dtypes:

            def function(x, y, dtype=dtype):
                given = np.asarray(x, np.float64), float(y[0]), dtype
                parts = [np.asarray(names[part](*given), np.float64) if part in names else None
                         for part in ("loss", "gradient")]  # fmt: skip
                return parts[0], parts[1]

            made = Implementation(program.implementation, function, (dtype,), program.modes[0])
            for y in HARD:
                for side in SIDES:
                    search = Search(made, dtype, y, side)
                    head = {"implementation": made.name, "framework": program.framework,
                            "version": " ".join(map(str, packages(finding).values())),
                            "mode": made.mode, "dtype": dtype, "from_sigmoid": False,
                            "has_gradient": search.has_gradient, "gradient_by_hand": False,
                            "processor": processor(), "y": int(y), "side": side}  # fmt: skip
                    rows.append(head | asdict(find(search)))
                    print(finding.name, dtype, y, side, file=sys.stderr, flush=True)
    return rows


def measure(name: str) -> None:
    """Run one finding in this process, and print what came out as JSON."""
    finding = findings.load(name)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before a framework counts the cores
    output, names = run(finding)
    found = {
        "releases": packages(finding),
        "output": output,
        "costs": costs(finding),
        "count": COUNT,
        "repeats": REPEATS,
        "processor": processor(),
        "python": platform.python_version(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    print(json.dumps({"found": found, "thresholds": thresholds(finding, names)}))


def keep(finding: findings.Finding, rows: list[dict]) -> None:
    """Put thresholds into the table beside the record, in place of those of the same programs."""
    if not rows:
        return
    new, keys = pd.DataFrame(rows), ["framework", "implementation"]
    old = pd.read_csv(effect.BESIDE) if effect.BESIDE.exists() else new.iloc[:0]
    ours = set(new[keys].itertuples(index=False, name=None))
    old = old[[key not in ours for key in old[keys].itertuples(index=False, name=None)]]
    parts = [part for part in (old, new) if len(part)]
    write_csv(pd.concat(parts).sort_values(keys, kind="stable"), effect.BESIDE)


def write(found: dict) -> None:
    """Write what was found, with the effect of every finding on the example."""
    for name in found:
        found[name]["effect"] = effect.effect(findings.load(name), ROOT / EXAMPLE)
    with replacing(findings.MEASURED) as part:
        Path(part).write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        measure(sys.argv[2])
        return
    found = json.loads(findings.MEASURED.read_text()) if findings.MEASURED.exists() else {}
    for name in sys.argv[1:] or findings.names():
        finding = findings.load(name)
        if missing := [package for package, release in packages(finding).items() if not release]:
            print(f"{name}: not measured: {', '.join(missing)} not installed")
            continue
        done = subprocess.run([sys.executable, __file__, "--one", name], capture_output=True,
                              text=True)  # fmt: skip
        if done.returncode:
            sys.exit(f"{name}: {done.stderr[-3000:]}")
        made = json.loads(done.stdout.splitlines()[-1])
        keep(finding, made["thresholds"])
        found[name] = made["found"]
        write(found)
        print(f"{name}: {found[name]['costs']}", flush=True)


if __name__ == "__main__":
    main()
