"""A grid of cells of a second, whose jobs and whose Snakemake are killed at random moments."""

import os
import random
import signal
import time
from contextlib import suppress

from sigmoid_bce.study.cells import Cell
from support import kill_grid
from support.broken import LIMIT, wait_until
from support.broken import begin as started
from support.kill_grid import alive, check_runs, digests, prepare, running

SEED = int(os.environ.get("SIGMOID_BCE_KILLS", "0"))  # of the moments of the kills
SIZE = int(os.environ.get("SIGMOID_BCE_GRID", "60"))  # cells
CELLS = kill_grid.cells(SIZE)
HOW = (signal.SIGKILL, signal.SIGTERM)


def test_random_kills_in_a_grid(tmp_path):
    chance, folder = random.Random(SEED), prepare(tmp_path / "grid", "faults.yaml", SIZE)

    def done():
        return kill_grid.done(folder)

    def shoot(snakemake):
        """Kill a training at a random moment, and spare a few; return whether one was running."""
        wait_until(lambda: running(folder, CELLS) or snakemake.poll() is not None, "no training")
        time.sleep(chance.random() / 2)
        if some := running(folder, CELLS):
            with suppress(ProcessLookupError):
                os.kill(chance.choice(some)["pid"], chance.choice(HOW))
        # on a slow machine, none would ever come to its end
        spared = done() + chance.randrange(3)
        wait_until(lambda: done() >= spared or snakemake.poll() is not None, "none ends")
        return bool(some)

    killed = 0
    for how in (signal.SIGKILL, signal.SIGTERM):
        snakemake, share = started(folder, "--until", "train"), done() + SIZE // 4
        while done() < share and snakemake.poll() is None:
            killed += shoot(snakemake)
        snakemake.send_signal(how)
        snakemake.wait(LIMIT)
        started(folder, "--unlock").wait(LIMIT)
    assert started(folder, "--until", "train").wait(LIMIT + 10 * SIZE) == 0
    said = (folder / "snakemake.log").read_text()[-3000:]
    assert done() == SIZE, said
    assert killed >= SIZE // 10

    for cell in CELLS[: SIZE // 2]:
        assert digests(folder, cell) == digests(folder, Cell(**{**vars(cell), "model": "two"}))
    assert "KILLED" in {run.info.status for run in check_runs(folder, CELLS)}
    wait_until(lambda: not alive(folder), "a process is left")
