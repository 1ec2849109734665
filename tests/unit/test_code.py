"""A rule's digest moves with the code it uses, and with no other."""

from pathlib import Path

from conftest import checkout, subprocess, sys

PROBE = """
import sys
from pathlib import Path
from sigmoid_bce.planning.digest import digest
print(*(digest(Path("workflow/scripts", f"{name}.py")) for name in sys.argv[1:]))
"""


def digests(folder, *names):
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *names],
        cwd=folder,
        env={"PYTHONPATH": str(folder / "workflow/src"), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_what_moves_a_digest(tmp_path):
    folder = checkout(tmp_path)
    names = ("train", "figure_cell", "figure_laboratory", "compare")
    before = digests(folder, *names)

    def after_edit(path):
        file = folder / "workflow" / path
        text = file.read_text()
        file.write_text(text + "\n# edited\n")
        moved = [a != b for a, b in zip(before, digests(folder, *names), strict=True)]
        file.write_text(text)
        return moved

    assert after_edit("src/sigmoid_bce/training/train.py") == [True, False, False, False]
    assert after_edit("scripts/train.py") == [True, False, False, False]
    assert after_edit("src/sigmoid_bce/figures/batch_mean.py") == [False, True, False, False]
    assert after_edit("src/sigmoid_bce/figures/laboratory.py") == [False, False, True, False]
    assert after_edit("src/sigmoid_bce/figures/style.py") == [False, True, True, False]
    assert after_edit("src/sigmoid_bce/comparison/compare.py") == [False, False, False, True]
    # how a job starts is no part of what it computes
    assert after_edit("src/sigmoid_bce/jobs/forkserver.py") == [False, False, False, False]
    Path(folder / "workflow/scripts/train.py").touch()
    assert digests(folder, *names) == before
