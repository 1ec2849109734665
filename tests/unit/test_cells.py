"""The path of a cell is its identity, with and without a precision."""

import itertools
import re
from pathlib import PurePosixPath
from typing import get_args

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmoid_bce.study.cells import (
    FOLDERS,
    PARTS,
    PATTERN,
    Cell,
    cells,
    fields_in,
    named_in,
    trained_with,
)
from sigmoid_bce.study.config import FLOAT32, Grid, Precision
from sigmoid_bce.tracking.runs import cell_params, group_key, group_name, run_name

HALF = "mixed_bfloat16"
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,20}", fullmatch=True)
NUMBERS = st.integers(0, 2**31 - 1)
CELLS = st.builds(
    Cell, NAMES, NAMES, NAMES, NUMBERS, NUMBERS, precision=st.sampled_from(get_args(Precision))
)
EXAMPLE = Cell("elpv", "convnet", "logits", 20, 1)


@given(CELLS)
def test_a_path_names_its_cell(cell):
    assert Cell.parse(str(cell)) == cell
    assert Cell.parse(f"a b/results/x/train/{cell}/run.json") == cell
    assert ("precision" in str(cell)) == (cell.precision != FLOAT32)
    assert [PurePosixPath(str(cell)).match(folder) for folder in FOLDERS].count(True) == 1
    expression = PATTERN.format(**{name: r"[^/]+" for name in vars(cell)} | {"precision": PARTS})
    assert re.fullmatch(expression, str(cell))
    assert not re.fullmatch(expression, str(cell).replace("/seed", "/precision~float32/seed"))
    assert {"precision": FLOAT32, **cell_params(cell)} == {
        key: str(value) for key, value in vars(cell).items()
    }


@given(st.lists(CELLS, min_size=2, max_size=2, unique=True))
def test_other_cells_have_other_paths_and_none_is_inside_another(two):
    one, other = (f"{cell}/" for cell in two)
    assert not one.startswith(other)
    assert not other.startswith(one)


@given(CELLS, CELLS)
def test_a_group_holds_the_seeds_of_one_precision(one, other):
    settings = [(c.dataset, c.model, c.loss, c.batch_size, c.precision) for c in (one, other)]
    assert (group_key(one) == group_key(other)) == (settings[0] == settings[1])


def test_paths_of_float32_are_those_of_studies_without_the_axis():
    axes = {"dataset": ["a"], "model": ["b"], "batch_size": [4, 20], "seed": [0, 1]}
    without = cells(Grid(**axes))
    assert without == cells(Grid(**axes, precision=[FLOAT32]))
    both = cells(Grid(**axes, precision=[FLOAT32, HALF]))
    assert [cell for cell in both if not cell.named_precision] == without
    assert {cell.precision for cell in both} == {FLOAT32, HALF}
    # the seeds of a cell come one after the other
    groups = [key for key, _ in itertools.groupby(both, group_key)]
    assert len(groups) == len(set(groups)) == 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dataset~a/model~b/loss~c/batch_size~4",
        "dataset~a/model~b/loss~c/batch_size~4/seed~0/size~3",
        "dataset~a/model~b/loss~c/batch_size~4/precision~mixed_bfloat16",
        "dataset~a/model~b/loss~c/batch_size~four/seed~0",
    ],
)
def test_no_path_of_a_cell(text):
    with pytest.raises(ValueError, match=r"is not the path of a cell|invalid literal"):
        Cell.parse(text)


def test_names_tell_precisions_apart_where_they_are_not_float32():
    half = Cell("elpv", "convnet", "logits", 20, 1, precision=HALF)
    assert (run_name(EXAMPLE), group_name(EXAMPLE)) == (
        "convnet logits batch 20 seed 1",
        "convnet logits batch 20",
    )
    assert run_name(half) == "convnet logits batch 20 mixed_bfloat16 seed 1"
    assert trained_with(EXAMPLE, {"precision": HALF}) == {"precision": HALF}
    assert trained_with(half, {"precision": FLOAT32}) == {"precision": HALF}


def test_rows_of_tables_with_and_without_a_precision_name_cells():
    rows = pd.DataFrame([{**vars(EXAMPLE), "stage": "full"}, {**vars(EXAMPLE), "seed": 2}])
    assert named_in(rows)[0] == EXAMPLE
    assert list(map(str, named_in(rows.drop(columns="precision")))) == list(
        map(str, named_in(rows))
    )
    assert fields_in(["stage", "seed", "dataset"]) == ["dataset", "seed"]
