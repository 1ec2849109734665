"""Jobs share submissions where the user or a profile says how many."""

import re

import pytest

from support.checkout import checkout, snakemake


@pytest.mark.parametrize(
    ("options", "groups"),
    [
        ((), set()),
        (
            ("--group-components", "networks=2"),
            {"networks", "data", "comparison", "numerics", "learning"},
        ),
    ],
)
def test_groups_are_formed_on_request_only(tmp_path, options, groups):
    folder = checkout(tmp_path / "project")
    # options that take several values would swallow a target or a file after them
    plan = snakemake(folder, "-n", "--configfile", "config/studies/smoke.yaml", *options).stdout
    assert set(re.findall(r"Group job (\w+)", plan)) == groups
