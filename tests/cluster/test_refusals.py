"""A request that the cluster can never run is refused in one line, before any submission."""

import os
import time
from pathlib import Path

import pytest

from sigmoid_bce.slurm.check import PROGRAMS, check
from sigmoid_bce.slurm.commands import ClusterError
from sigmoid_bce.slurm.requests import Request
from support.submitted import changed, grid, run


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (
            {"partition": "gpuu"},
            "rule train asks for partition 'gpuu' (slurm_partition): did you mean 'gpu'?",
        ),
        (
            {"partition": "weekend"},
            "rule train asks for partition 'weekend' (slurm_partition): there are cpu, gpu, urgent",
        ),
        (
            {"partition": "gpu", "gpus": 3},
            "rule train asks for 3 GPUs (gpu): no node of partition 'gpu' has more than 2",
        ),
        (
            {"gpus": 1, "gpu_model": "fakes"},
            "rule train asks for GPU model 'fakes' (gpu_model): no node of partition 'cpu' has "
            "it; there are fake",
        ),
        (
            {"mem_mb": 16001},
            "rule train asks for 16001 MB of memory (mem_mb): no node of partition 'cpu' has more "
            "than 16000 MB",
        ),
        (
            {"cpus": 9},
            "rule train asks for 9 CPUs (threads): no node of partition 'cpu' has more than 8",
        ),
    ],
)
def test_a_request_that_no_node_can_run(cluster, asked, line):
    with pytest.raises(ClusterError) as caught:
        check([Request("rule train", **asked), Request("rule compare", cpus=8, mem_mb=16000)])
    assert str(caught.value) == line


def test_a_request_that_a_node_can_run(cluster):
    # without accounting any account will do
    check([Request("rule train", "gpu", "any", 8, 16000, 60, 2, "fake"), Request("rule compare")])


def test_a_workflow_stops_before_it_submits(cluster, tmp_path):
    folder = grid(tmp_path / "grid")
    gpu = {"gpu": 1, "gpu_model": "h100", "slurm_partition": "gpu"}
    networks = {"train": gpu, "raw_outputs": gpu}
    changed(
        folder,
        **{"set-resources": networks, "default-resources": {"slurm_partition": "cpus"}},
    )
    start = time.monotonic()
    text = run(folder, status=1)
    assert time.monotonic() - start < 60
    for line in (
        "group comparison (compare, figure_cell) asks for partition 'cpus' (slurm_partition): did "
        "you mean 'cpu'?",
        "group networks (raw_outputs, train) asks for GPU model 'h100' (gpu_model): no "
        "node of partition 'gpu' has it; there are fake",
    ):
        assert f"\n{line}\n" in text
    # the folder is not left locked
    gpu |= {"gpu": 3, "gpu_model": "fake"}
    more = {"prepare": {"mem_mb": 16001}}
    changed(
        folder,
        **{"set-resources": networks | more, "default-resources": {"slurm_partition": "cpu"}},
    )
    text = run(folder, status=1)
    for line in (
        "group networks (raw_outputs, train) asks for 3 GPUs (gpu): no node of partition 'gpu' "
        "has more than 2",
        "group data (prepare, resize) asks for 16001 MB of memory (mem_mb): no node of partition "
        "'cpu' has more than 16000 MB",
    ):
        assert f"\n{line}\n" in text
    # by itself Snakemake would lower the number to one without a word
    gpu |= {"gpu": 2}
    more = {"prepare": {"mem_mb": "attempt * 6000"}}
    changed(folder, **{"set-resources": networks | more})
    text = run(folder, status=1)
    assert (
        "\ngroup data (prepare, resize) asks for 18000 MB of memory (mem_mb) in the last retry "
        "(retries): no node of partition 'cpu' has more than 16000 MB\n"
    ) in text
    assert "asks for 2 GPUs (gpu), but the profile allows a submission 1" in text
    # what SLURM itself refuses is asked with the plugin's own command
    profile = {"train": {"gpu": 1}, "prepare": {"constraint": "big"}}
    changed(folder, **{"set-resources": profile, "default-resources": {"slurm_partition": "gpu"}})
    text = run(folder, status=1)
    assert (
        "\ngroup data (prepare, resize): sbatch will not take it: Invalid feature specification\n"
    ) in text
    assert "networks" not in text.split("sbatch will not take it")[1]
    assert "Traceback" not in text
    assert not cluster.jobs(folder)


@pytest.mark.parametrize(
    ("model", "line"),
    [
        (3090, "GPU model '3090' (gpu_model): no node of partition 'gpu' has it; there are fake"),
        (
            "'3090'",
            "GPU model '3090' (gpu_model): no node of partition 'gpu' has it; there are fake",
        ),
        ("fake", ""),
    ],
)
def test_a_gpu_model_as_the_profile_has_it(cluster, tmp_path, model, line):
    folder = grid(tmp_path / "grid")
    gpu = {"gpu": 1, "gpu_model": model, "slurm_partition": "gpu"}
    changed(folder, **{"set-resources": {"train": gpu, "raw_outputs": gpu}})
    # here sbatch answers without a job number
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sbatch").write_text("#!/bin/sh\necho welcome\n")
    (programs / "sbatch").chmod(0o755)
    path = os.pathsep.join([str(Path(os.sys.executable).parent), str(programs), os.environ["PATH"]])
    text = run(folder, status=1, limit=120, path=path)
    assert line in text
    # by itself the plugin would never report a failed submission of a group
    assert ("No valid SLURM job ID found in: welcome" in text) == (not line)


def test_without_slurm(tmp_path):
    folder = grid(tmp_path / "grid")
    programs = tmp_path / "programs"
    programs.mkdir()
    for place in ("/bin", "/usr/bin"):
        for program in Path(place).iterdir():
            if program.name not in (*PROGRAMS, "sacct", "scontrol"):
                link = programs / program.name
                link.is_symlink() or link.symlink_to(program)
    python = Path(os.__file__).parents[2] / "bin"
    path = os.pathsep.join([str(Path(os.sys.executable).parent), str(programs), str(python)])
    text = run(folder, status=1, path=path)
    assert "there is no SLURM here: sinfo, sbatch, squeue, scancel not found on the PATH" in text
    assert "Traceback" not in text


def test_slurm_that_does_not_answer(cluster):
    cluster.kill("slurmctld")
    try:
        with pytest.raises(ClusterError, match="sinfo"):
            check([Request("rule train")])
    finally:
        cluster.start_slurmctld()
