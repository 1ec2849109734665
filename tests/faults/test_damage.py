"""An error names a file that was cut off; once deleted, it is made again with the same bytes."""

import json

import pytest

from support.broken import CELLS, CONFIG, RESULTS, state
from support.checkout import snakemake


@pytest.mark.parametrize(
    ("file", "rule"),
    [
        (f"raw_outputs/{CELLS[0]}/full.parquet", f"compare/{CELLS[0]}"),
        ("data/digits/manifest.parquet", f"train/{CELLS[0]}"),
        ("features/dataset~digits/size~46.npy", f"train/{CELLS[0]}"),
        (f"train/{CELLS[0]}/full.weights.h5", f"raw_outputs/{CELLS[0]}"),
    ],
)
def test_a_file_that_was_cut_off(finished, undisturbed, file, rule):
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


def test_a_cell_of_other_settings_is_in_no_table(finished):
    """Snakemake does not notice, since it has no record of how the file was made."""
    file = RESULTS / f"train/{CELLS[0]}/run.json"
    record = json.loads((finished / file).read_text())
    record["model"]["learning_rate"] = 0.5
    (finished / file).write_text(json.dumps(record))
    done = snakemake(finished, "tables", *CONFIG, check=False)
    assert done.returncode != 0
    last = (finished / RESULTS / "logs/tables.log").read_text().splitlines()[-1]
    assert last == (
        f"error: {file}: trained with learning_rate 0.5; the study has learning_rate 0.003. Delete "
        "this file, then run snakemake again"
    )
