"""A file that was cut off is named, and once it is deleted all is made again as it was."""

import pytest

from broken import CELLS, CONFIG, RESULTS, state
from conftest import snakemake


@pytest.mark.parametrize(
    ("file", "rule"),
    [
        (f"raw_outputs/{CELLS[0]}/full.parquet", f"compare/{CELLS[0]}"),
        ("data/digits/manifest.parquet", f"train/{CELLS[0]}"),
    ],
)
def test_a_table_that_was_cut_off(finished, undisturbed, file, rule):
    whole = (finished / RESULTS / file).read_bytes()
    (finished / RESULTS / file).write_bytes(whole[:-100])
    done = snakemake(finished, "tables", *CONFIG, check=False)
    assert done.returncode != 0
    log = (finished / RESULTS / f"logs/{rule}.log").read_text()
    assert log.splitlines()[-1].startswith(f"error: {RESULTS}/{file} cannot be read (")
    again = f"delete it, then run snakemake again with the targets: all {RESULTS}/{file}"
    assert log.splitlines()[-1].endswith(again)
    assert "Traceback" not in log
    (finished / RESULTS / file).unlink()
    snakemake(finished, "tables", RESULTS / file, *CONFIG)
    assert (finished / RESULTS / file).read_bytes() == whole
    assert state(finished) == undisturbed[1]
