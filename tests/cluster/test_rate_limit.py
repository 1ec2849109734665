"""Snakemake's options are obeyed on SLURM."""

import copy
import re

import yaml

from support.submitted import grid, run

NAMES = [f"part-{number}" for number in range(4)]


def test_a_limit_on_submissions_is_obeyed(cluster, tmp_path):
    folder = grid(tmp_path / "grid")
    config = yaml.safe_load((folder / "grid.yaml").read_text())
    (digits,) = config["datasets"].values()
    config["datasets"] = {name: copy.deepcopy(digits) for name in NAMES}
    config["grid"]["dataset"] = NAMES
    (folder / "grid.yaml").write_text(yaml.safe_dump(config))
    images = [f"results/{config['study']}/data/{name}/images.npy" for name in NAMES]
    text = run(folder, *images, "--max-jobs-per-timespan", "2/15s")
    assert re.findall(r"Execute (\d) jobs", text) == ["2", "2"]
    assert len(cluster.jobs(folder)) == 4
