"""SLURM's daemons or Snakemake are killed in mid-run; the results equal those of a calm run."""

import os
import signal
import subprocess
import sys
import time

from sigmoid_bce.jobs.attempts import read_attempts
from sigmoid_bce.slurm.queue import RUNS, leftover_jobs
from support.submitted import STUDY, attempts, begin, cells, changed, grid, results, run
from support.waits import ask, wait_until

CELLS = cells([0])
# seconds that the controller stays down after the job has ended
OUTAGE = float(os.environ.get("SIGMOID_BCE_OUTAGE", "5"))


def ended(process, limit=200):
    try:
        return process.wait(limit)
    finally:
        process.kill()
        process.wait()


def check_as_undisturbed(folder, smoke):
    here, there = results(smoke, "smoke", CELLS), results(folder, STUDY, CELLS)
    assert set(here) == set(there)
    assert [name for name in here if here[name] != there[name]] == []
    assert (folder / f"results/{STUDY}/report.html").exists()


def training(folder, process):
    def begun():
        assert process.poll() is None, (folder / "snakemake.log").read_text()[-3000:]
        return any(folder.glob(f"results/{STUDY}/train/**/history.csv"))

    return begun


def test_death_of_the_daemons(cluster, smoke, tmp_path):
    """A job ends while the controller is down and the node's daemon has been replaced."""
    folder = changed(grid(tmp_path / "grid"), **{"group-components": ["networks=2"]})
    process = begin(folder)
    try:
        wait_until(training(folder, process), "no training began", 300)
        cluster.kill("node1")
        cluster.kill("slurmctld")
        cluster.start_slurmd(wait=False)
        last = [folder / f"results/{STUDY}/raw_outputs/{cell}/full.parquet" for cell in CELLS]
        wait_until(lambda: all(map(os.path.exists, last)), "the job did not continue", 300)
        time.sleep(OUTAGE)
        cluster.start_slurmctld()
        assert ended(process) == 0, (folder / "snakemake.log").read_text()[-6000:]
    finally:
        process.kill()
        if "slurmctld" not in cluster.processes:
            cluster.start_slurmctld()
    check_as_undisturbed(folder, smoke)
    # nothing ran twice: both cells ran in one submission, one after the other on its one device
    records = sorted(attempts(folder), key=lambda record: record["started"])
    assert [record["status"] for record in records] == ["FINISHED"] * len(CELLS)
    assert len({record["slurm_job_id"] for record in records}) == 1
    assert records[0]["ended"] <= records[1]["started"]


def test_a_finished_training_survives_a_failure_in_its_submission(cluster, smoke, tmp_path):
    """Of two cells in a submission the second fails once, and Snakemake deletes both outputs."""
    folder = changed(grid(tmp_path / "grid"), **{"group-components": ["networks=2"]})
    file = folder / "workflow/src/sigmoid_bce/training/train.py"
    before, after = file.read_text().split("    if not np.isfinite(")
    file.write_text(f"{before}{ONCE}    if not np.isfinite({after}")
    run(folder)
    check_as_undisturbed(folder, smoke)
    first, second = sorted(
        (read_attempts(folder / f"results/{STUDY}/train/{cell}") for cell in CELLS),
        key=lambda records: records[0]["started"],
    )
    assert [record["status"] for record in first] == ["FINISHED", "FINISHED"]
    assert [record["status"] for record in second] == ["FAILED", "FINISHED"]
    history = first[0]["folder"] / "history.csv"
    assert first[1]["resumed_from"] == len(history.read_text().splitlines()) - 1
    assert not list(folder.glob("results/**/checkpoint*"))


ONCE = """    if list(Path("results").rglob("run.json")) and not Path("failed").exists():
        Path("failed").touch()
        raise RuntimeError("once")
"""


def test_death_of_snakemake(cluster, smoke, tmp_path):
    folder = grid(tmp_path / "grid")
    process = begin(folder)
    wait_until(training(folder, process), "no training began", 300)
    assert not leftover_jobs(folder)  # so a second study may start in this folder
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = [
        str(job) for job, values in cluster.jobs(folder).items() if values["state"] == "RUNNING"
    ]
    assert left
    # suspended, they stay in the queue until they are cancelled, whatever the timing
    ask("scontrol", "suspend", ",".join(left))
    run(folder, "--unlock")
    text = run(folder, status=1)
    assert "jobs of an earlier run in this folder are still in the queue" in text
    assert all(f"{job} (" in text for job in left)
    command = [sys.executable, "-m", "sigmoid_bce.slurm.queue", "cancel"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "no job of a workflow in this folder is in the queue" in done.stdout
    run(folder)
    check_as_undisturbed(folder, smoke)


def test_a_lost_job_counts_as_failed(cluster, tmp_path):
    """A submitted job that SLURM does not know is FAILED; other states are passed on."""
    folder = grid(tmp_path / "grid")
    notes = folder / ".snakemake/incomplete"
    notes.mkdir(parents=True)
    command = ["sbatch", "--parsable", "--job-name", "run-of-ours", "--wrap", "sleep 30"]
    job = ask(*command, "--chdir", str(folder))
    for number in (job, "99999"):
        note = notes / number
        note.write_text(f'{{"external_jobid": "{number}"}}')
        os.utime(note, (time.time() - 300,) * 2)
    (notes / "fresh").write_text('{"external_jobid": "88888"}')  # too new to be in the queue
    seen = folder / RUNS / "run-of-ours"
    seen.parent.mkdir()
    seen.write_text("77777\n")  # a job that has begun has no note any more
    sacct = ["sh", "workflow/profiles/slurm/bin/sacct", "-X", "--parsable2", "--clusters", "all"]
    sacct += ["--noheader", "--format=JobIdRaw,State", "--name", "run-of-ours"]
    done = subprocess.run(sacct, cwd=folder, capture_output=True, text=True, timeout=60)
    states = dict(line.split("|") for line in done.stdout.split())
    assert states.pop(job) in ("RUNNING", "PENDING")
    assert states == {"99999": "FAILED", "77777": "FAILED"}
    assert set(seen.read_text().split()) == {job, "99999", "77777"}
    ask("scancel", job)
