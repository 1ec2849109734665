"""A grid of cells on SLURM: devices, shared submissions, memory, and the same bytes."""

import json
import re
from collections import Counter
from itertools import pairwise

import pytest
import yaml

from support.submitted import STUDY, attempts, cells, changed, grid, results, run

SEEDS = (0, 1)
CELLS = cells(SEEDS)
# every Python that a job starts writes down its arguments, job and devices
WITNESS = """
import json, os, sys
with open(os.environ["WITNESS"], "a") as file:
    keys = ("SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES")
    file.write(json.dumps([sys.orig_argv, *map(os.environ.get, keys)]) + "\\n")
"""


@pytest.fixture(scope="module")
def done(cluster, tmp_path_factory):
    """The folder of a run, its jobs in SLURM, and its output."""
    folder = grid(tmp_path_factory.mktemp("grid"), SEEDS)
    (folder / "site").mkdir()
    (folder / "site/sitecustomize.py").write_text(WITNESS)
    # too little for two Snakemakes, which live for seconds; the retry gets enough
    changed(folder, **{"set-resources": resources(folder, "prepare", mem_mb="150*5**(attempt-1)")})
    text = run(folder, pythonpath=folder / "site", witness=folder / "witness")
    return folder, cluster.jobs(folder), text


def resources(folder, rule, **values):
    profile = yaml.safe_load((folder / "workflow/profiles/slurm/config.yaml").read_text())
    return {**profile["set-resources"], rule: values, "resize": values}


def test_a_device_trains_one_cell_at_a_time(done):
    folder, jobs, _ = done
    trained = attempts(folder)
    assert {record["cell"] for record in trained} == set(map(str, CELLS))
    by_device = {}
    for record in trained:
        by_device.setdefault(record["cuda_visible_devices"], []).append(record)
        job = jobs[int(record["slurm_job_id"])]
        assert job["partition"] == "gpu"
    assert set(by_device) == {"0", "1"}
    for records in by_device.values():
        records.sort(key=lambda record: record["started"])
        for one, next_one in pairwise(records):
            assert one["ended"] <= next_one["started"]
    # and both devices at the same time, with four jobs
    first, second = (jobs[int(records[0]["slurm_job_id"])] for records in by_device.values())
    assert max(first["begin"], second["begin"]) < min(first["end"], second["end"])


def test_jobs_without_a_gpu_see_none(done):
    folder, jobs, _ = done
    seen = {}
    for line in (folder / "witness").read_text().splitlines():
        arguments, job, devices = json.loads(line)
        script = re.search(r"tmp\w+\.(\w+)\.py", " ".join(arguments))
        if script and job:
            seen.setdefault(script[1], set()).add(devices)
            assert (jobs[int(job)]["partition"] == "gpu") == bool(devices), arguments
    assert seen["train"] == {"0", "1"}
    assert seen["prepare"] == {""}
    others = {
        name: devices for name, devices in seen.items() if name not in ("train", "raw_outputs")
    }
    assert set().union(*others.values()) == {""}


def test_cells_share_submissions(done):
    folder, jobs, text = done
    completed = [job for job, values in jobs.items() if values["state"] == "COMPLETED"]
    finished = [re.match("rule_([a-z]+)", jobs[job]["what"])[1] for job in completed]
    # a cell's training and raw outputs; data; comparisons and figures of all cells
    assert sorted(finished) == ["comparison", "data", *["networks"] * len(CELLS)]
    # all cells of a submission share one Snakemake, beside the plugin's own
    started = [json.loads(line) for line in (folder / "witness").read_text().splitlines()]
    nested = Counter(int(job) for arguments, job, _ in started if job and "snakemake" in arguments)
    assert [nested[job] for job in completed] == [2] * len(completed)
    planned = dict(re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE))
    local = sum(
        int(planned[rule])
        for rule in ("datasets", "tables", "report", "track_cells", "track_study", "all")
    )
    assert int(planned["total"]) - local >= 2.5 * len(finished)


def test_a_job_killed_for_memory_gets_more(done):
    _, jobs, _ = done
    tries = [job for job in jobs.values() if "data" in job["what"]]
    tries.sort(key=lambda job: int(job["id"]))
    assert [job["memory"] for job in tries] == ["150M", "750M", "3750M"][: len(tries)]
    assert [job["state"] for job in tries] == ["FAILED"] * (len(tries) - 1) + ["COMPLETED"]
    assert len(tries) > 1


def test_the_same_bytes_as_on_one_machine(done, smoke):
    folder, _, _ = done
    shared = [cell for cell in CELLS if cell.seed == 0]
    here, there = results(smoke, "smoke", shared), results(folder, STUDY, shared)
    assert len(here) > 15
    assert set(here) == set(there)
    assert [name for name in here if here[name] != there[name]] == []
