"""A framework that another package brings, and the command line that measures it."""

import os
import re
import subprocess
import sys

from support.checkout import ROOT

ENTRY = re.search(
    r'\[project.entry-points."(.*?)"\]\n(.*?)\n', (ROOT / "docs/measure.md").read_text()
)


def installed(folder, code, value=None, name="mylib"):
    """Write a package that brings a framework, as pip installs it."""
    module = (value or "mylib_bce").split(".")[0]
    (folder / f"{module}.py").write_text(code)
    info = folder / "mylib-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mylib\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{ENTRY[1]}]\n{name} = {value or 'mylib_bce'}\n")
    return folder


def sigmoid_bce(folder, *words):
    own = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join(filter(None, [str(folder), own]))
    code = "from sigmoid_bce.commands import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
