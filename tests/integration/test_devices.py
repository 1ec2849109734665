"""Jobs on a machine of two GPUs, which TensorFlow need not find: each has one of its own."""

import json
from itertools import pairwise

import pytest
import yaml

from support.checkout import SMOKE, checkout, snakemake

NETS = r"""
import json, os, time
import keras

def small(shape):
    here = {"pid": os.getpid(), "gpu": os.environ["CUDA_VISIBLE_DEVICES"], "since": time.time()}
    with open("built.jsonl", "a") as file:
        file.write(json.dumps(here) + "\n")
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(1)])
"""
MODEL = {
    "architecture": "custom",
    "function": "nets:small",
    "image_size": 8,
    "learning_rate": 0.001,
    "max_epochs": 12,
}


@pytest.mark.parametrize(("limit", "visible"), [(4, "0,1"), (2, "GPU-1a,3"), (4, "")])
def test_four_jobs_on_two_gpus(limit, visible, tmp_path):
    folder = checkout(tmp_path)
    (folder / "nets.py").write_text(NETS)
    study = SMOKE | {"models": {"small": MODEL}, "study": "gpus"}
    study["grid"] = SMOKE["grid"] | {"model": ["small"], "loss": ["logits"], "seed": [0, 1, 2, 3]}
    (folder / "gpus.yaml").write_text(yaml.safe_dump(study))
    snakemake(
        folder,
        "--cores",
        4,
        "--resources",
        f"gpu={limit}",
        "--configfile",
        "gpus.yaml",
        "--until",
        "train",
        CUDA_VISIBLE_DEVICES=visible,
    )
    results = folder / "results/gpus"
    runs = [json.loads(file.read_text()) for file in results.rglob("run.json")]
    attempts = [json.loads(file.read_text()) for file in results.rglob("attempt.json")]
    by_process = {attempt["pid"]: attempt["cuda_visible_devices"] for attempt in attempts}
    assert by_process == {run["pid"]: run["cuda_visible_devices"] for run in runs}
    ended = {attempt["pid"]: attempt["ended"] / 1000 for attempt in attempts}
    built = [json.loads(line) for line in (folder / "built.jsonl").read_text().splitlines()]
    assert len(runs) == len(built) == 4
    logs = [file.read_text() for file in (results / "logs/train").rglob("*.log")]
    if not visible:
        assert {run["cuda_visible_devices"] for run in runs} == {""}
        assert {run["device"] for run in runs} == {"CPU"}
        assert all("no GPU here: on the CPU" in log for log in logs)
        return
    used = {}
    for job in built:
        used.setdefault(job["gpu"], []).append((job["since"], ended[job["pid"]]))
    assert set(used) == set(visible.split(",")) == {run["cuda_visible_devices"] for run in runs}
    for intervals in used.values():
        for (_, end), (start, _) in pairwise(sorted(intervals)):
            assert end <= start
    assert any("waiting for a GPU" in log for log in logs) == (limit > 2)
