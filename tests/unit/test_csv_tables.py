"""Names in tables of rules are texts, whatever they look like."""

import numpy as np
import pandas as pd
import pytest

from sigmoid_bce.jobs.csv_tables import read_csv
from sigmoid_bce.jobs.files import write_csv


@pytest.mark.parametrize("name", ["nan", "007", "1e5", "null", "none", "na", "true"])
def test_names_in_tables_are_texts(tmp_path, name):
    table = pd.DataFrame({"question": [name], "dataset": name, "n": 3, "difference": np.nan})
    write_csv(table, tmp_path / "t.csv")
    found = read_csv(tmp_path / "t.csv")
    assert found["question"].tolist() == found["dataset"].tolist() == [name]
    assert found["n"].tolist() == [3]
    assert found["difference"].isna().all()
