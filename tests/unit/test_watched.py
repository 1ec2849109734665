"""Programs that hang or crash, and measurements of other studies."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from sigmoid_bce.numerics import record, reuse, tables
from sigmoid_bce.numerics.measure import measure_framework
from support.brought import installed, sigmoid_bce

FILES = ("sweep", "thresholds", "special", "implementations")
CODE = """
import os, signal, subprocess, time
from sigmoid_bce.numerics.catalogue import Implementation
TITLE = "Other"
PACKAGES = ("numpy",)
INSTEAD = "x"

def zero(x, y):
    return 0 * x, None

def implementations():
    {body}
"""
ONE = "    return [Implementation('a', {a}, soft=False), Implementation('b', zero, soft=False)]"


@pytest.fixture
def framework(broken, tmp_path):
    """Write the file of the only framework; return the files of its measurement."""

    def write(body):
        broken(CODE.format(body=body))
        return {name: tmp_path / "numerics/frameworks/broken" / name for name in FILES}

    return write


LIMIT = 5  # seconds that one which hangs costs; whatever else it measures takes less than one
HANGS = f"hangs: no result after {LIMIT} s"


def measured(folder, body, *words, limit=20):
    """Measure a framework from the command line, in a process that has imported nothing else."""
    installed(folder, CODE.format(body=body))
    return sigmoid_bce(folder, "measure", "mylib", "--limit", str(limit), *words)


def read(file):
    """Return what a file of /proc has; nothing if its process has ended meanwhile."""
    with suppress(OSError):
        return file.read_bytes()
    return b""


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("return [Implementation('a', lambda x, y: time.sleep(99), soft=False)]",
         [HANGS]),
        (f"pass\n{ONE.format(a='lambda x, y: time.sleep(99)')}",
         [HANGS, "measured"]),
        # a loop that lets no other thread of Python run
        (f"pass\n{ONE.format(a='lambda x, y: sum(range(10**12))')}",
         [HANGS, "measured"]),
        (f"pass\n{ONE.format(a='lambda x, y: os.kill(os.getpid(), signal.SIGSEGV)')}",
         ["ended the process: SIGSEGV", "measured"]),
        (f"pass\n{ONE.format(a='lambda x, y: os._exit(3)')}",
         ["ended the process: exit status 3", "measured"]),
        ("time.sleep(99)", [HANGS]),
        (f"subprocess.Popen(['sleep', '98.7'])\n{ONE.format(a='lambda x, y: time.sleep(99)')}",
         [HANGS, "measured"]),
    ],
)  # fmt: skip
def test_a_program_that_never_ends_is_a_status_and_stops_nothing(tmp_path, body, status):
    done = measured(tmp_path, body, limit=LIMIT if HANGS in status else 20)
    assert done.returncode == (0 if "measured" in status else 2), done.stderr
    folder = tmp_path / "results/measure-mylib"
    found = tables.read_all([folder / "implementations.csv"])
    assert found["status"].tolist() == status
    assert len(tables.read_thresholds(folder / "thresholds.csv")) == 4 * ("measured" in status)
    assert sorted(path.stem for path in folder.iterdir()) == sorted(FILES)
    assert f"mylib: a, bce, float32: {status[0]}" in done.stdout or status == [status[0]]
    assert status[0] in done.stdout
    # what the framework started ended with it
    assert b"sleep\x0098.7\x00" not in map(read, Path("/proc").glob("[0-9]*/cmdline"))


def test_a_process_that_is_killed_from_outside_is_an_error(tmp_path):
    """It may have had too little memory: another attempt may have more."""
    kills = ONE.format(a="lambda x, y: os.kill(os.getpid(), signal.SIGKILL)")
    done = measured(tmp_path, f"pass\n{kills}")
    assert done.returncode not in (0, 3)
    assert "ended the process: SIGKILL; was there too little memory?" in done.stderr


def test_errors_of_the_measurement_itself_are_told(tmp_path):
    done = measured(tmp_path, "return []", "--device", "cuda")
    assert done.returncode == 2
    assert "is measured on the CPU only" in done.stderr


def test_the_process_ends_with_the_one_that_waits(tmp_path):
    note = tmp_path / "pid"
    installed(tmp_path, CODE.format(body=f"open({str(note)!r}, 'w').write(str(os.getpid()))\n"
                                         "    time.sleep(99)"))  # fmt: skip
    code = "from sigmoid_bce.commands import main; main()"
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    waiting = subprocess.Popen(
        [sys.executable, "-c", code, "measure", "mylib"], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for _ in range(600):
        if note.is_file() and note.read_text():
            break
        time.sleep(0.05)
    waiting.kill()
    waiting.wait()
    state = Path(f"/proc/{note.read_text()}/stat")
    for _ in range(100):
        if (read(state) or b"0 (gone) Z").split()[2] == b"Z":
            return
        time.sleep(0.05)
    pytest.fail("it is still there")


def test_what_was_measured_the_same_way_is_copied(framework, tmp_path):
    body = "return [Implementation('b', zero, soft=False)]"
    framework(body)

    def files(study):
        folder = tmp_path / "results" / study / "numerics/frameworks/broken"
        return {name: str(folder / name) for name in FILES}

    key = reuse.key("broken", ["bce"], "1f")
    results = tmp_path / "results"
    assert reuse.copied(results, key, files("new")) is None
    measure_framework("broken", **files("old"), key=key)
    for other in (reuse.key("broken", ["bce", "focal"], "1f"), reuse.key("broken", ["bce"], "2e")):
        assert reuse.copied(results, other, files("new")) is None
    found = reuse.copied(results, key, files("new"))
    assert found == Path(files("old")["sweep"])
    for name in FILES:
        assert Path(files("new")[name]).read_bytes() == Path(files("old")[name]).read_bytes()
    assert parquet.read_table(files("new")["sweep"]).schema.names == tables.SCHEMA.names
    # what failed may have been the moment's fault
    both = [Path(files(study)["implementations"]) for study in ("old", "new")]
    text = both[0].read_text()
    for status in both:
        status.write_text(text.replace(",measured,", ",hangs: no result after 600 s,"))
    assert reuse.copied(results, key, files("newest")) is None
    for status in both:
        status.write_text(text)
    # one that is torn, incomplete or no Parquet file is not taken
    Path(files("old")["special"]).unlink()
    Path(files("new")["sweep"]).write_bytes(b"PAR1")
    assert reuse.copied(results, key, files("newer")) is None


def test_a_key_has_what_a_measurement_depends_on(monkeypatch):
    first = reuse.key("scipy", ["bce"], "1f")
    assert np.__version__ in first
    assert reuse.key("scipy", ["bce"], "1f") == first
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    assert reuse.key("scipy", ["bce"], "1f") != first


def test_the_record_takes_the_date_of_the_measurement(framework, tmp_path):
    files = framework("return [Implementation('b', zero, soft=False)]")
    place = {name: files[name].with_suffix(".csv") for name in FILES[1:]}
    measure_framework("broken", sweep=files["sweep"], **place)
    status = pd.read_csv(place["implementations"])
    status.assign(date="2001-02-03").to_csv(place["implementations"], index=False)
    others = shutil.copy(record.PROCESSORS, tmp_path)
    kept = Path(shutil.copy(tables.RECORD, tmp_path / "record.csv"))
    record.keep(place["thresholds"], kept, Path(others))
    assert set(pd.read_csv(kept)["date"]) == {"2001-02-03"}
