"""A clock that jumps, within an attempt or between two, changes no result."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sigmoid_bce.jobs.attempts import read_attempts
from support.broken import CELLS, CONFIG, EPOCHS, RESULTS, attempts, epochs, held, state, wait_until
from support.checkout import snakemake
from support.tracked import environment

CELL = CELLS[0]
TRAIN = RESULTS / "train" / str(CELL)
INPUTS = {
    "inputs": str(RESULTS / "features/dataset~digits/size~46.npy"),
    "manifest": str(RESULTS / "data/digits/manifest.parquet"),
}
HOUR = 3600
# the rule's script without Snakemake, which does not end under a faked clock
SCRIPT = """
import json, runpy, sys
class Named(dict):
    __getattr__ = dict.__getitem__
    def __iter__(self):
        return iter(self.values())
class Job:
    threads, log = 1, ["train.log"]
    input, params, output = map(Named, json.loads(sys.argv[1]))
runpy.run_path("workflow/scripts/train.py", {"snakemake": Job})
"""


def test_inputs_dated_in_the_future(finished, undisturbed):
    """After a clock was set back, an error comes before a training that would be deleted."""
    shutil.rmtree(finished / TRAIN)
    file = INPUTS["manifest"]
    os.utime(finished / file, (time.time() + HOUR,) * 2)
    done = snakemake(finished, TRAIN / "run.json", *CONFIG, check=False)
    assert done.returncode != 0
    log = (finished / RESULTS / f"logs/train/{CELL}.log").read_text()
    assert re.search(rf"error: {file} is dated 3[56]\d\d s ahead of the clock", log)
    assert log.splitlines()[-1].endswith(f"Set the clock, or run: touch {file}")
    assert attempts(finished)[CELL] == []
    os.utime(finished / file)
    snakemake(finished, TRAIN / "run.json", *CONFIG)
    assert state(finished) == undisturbed[1]


@pytest.fixture
def library():
    found = list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found and not os.environ.get("SIGMOID_BCE_CI"):
        pytest.skip("needs another clock: apt install faketime")
    return found[0]


def test_a_clock_that_jumps_back_within_an_attempt_and_between_two(
    finished, undisturbed, library, tmp_path
):
    record = json.loads((finished / TRAIN / "run.json").read_text())
    shutil.rmtree(finished / TRAIN)
    for file in INPUTS.values():  # older than both clocks
        os.utime(finished / file, (time.time() - 12 * HOUR,) * 2)
    params = {"model": record["model"], "training": record["training"], "module": "", "code": "x"}
    params["seen"] = record["data"]
    names = ("history.parquet", "run.json", "early.weights.h5", "full.weights.h5")
    output = {name.split(".")[0]: str(TRAIN / name) for name in names}
    clock = tmp_path / "clock"

    def begin(hours):
        clock.write_text(f"{hours:+d}h")
        more = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock)}
        more |= {"FAKETIME_NO_CACHE": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, json.dumps([INPUTS, params, output])],
            cwd=finished,
            env=environment(finished, **more),
        )

    def last():
        return read_attempts(finished / TRAIN)[-1]

    chance = random.Random(int(os.environ.get("SIGMOID_BCE_KILLS", "0")))
    latest = chance.randrange(6, EPOCHS // 2)
    with held(finished, latest):
        with held(finished, 3):
            process = begin(5)
            wait_until(lambda: read_attempts(finished / TRAIN), "it does not begin")
            wait_until(lambda: epochs(last()) == 3, "no epochs")
            clock.write_text("-3h")
        wait_until(lambda: epochs(last()) == latest, "no epochs")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert begin(-5).wait() == 0, (finished / "train.log").read_text()
    first, second = read_attempts(finished / TRAIN)
    assert second["started"] < first["started"] - 9 * HOUR * 1000
    assert second["resumed_from"] >= 1
    assert state(finished) == undisturbed[1]
