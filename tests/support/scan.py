"""A dense scan of one framework: floats that go wrong before a table of thresholds says so.

`python -m support.scan NAME` scans the record, `python -m support.scan NAME FILE` the thresholds of
a study. The record has nine digits, so that the last floats before a threshold are left out.
"""

import sys
from pathlib import Path

import numpy as np

from sigmoid_bce.numerics import catalogue
from sigmoid_bce.numerics.search import SIDES, Search
from sigmoid_bce.numerics.sweep import Measured, measure
from sigmoid_bce.numerics.tables import HARD, RECORD, read_thresholds

BAD = {
    "loss_off": lambda found: found.off("loss"),
    "loss_over": Measured.over,
    "loss_under": Measured.under,
    "gradient_off": lambda found: found.off("gradient"),
    "gradient_zero_first": Measured.dead,
}
BELOW, BEFORE = 100_000, 20_000
NEVER = 100.0
"""How far a place that the record calls "never" is looked for."""


def points(place, dtype, share):
    """Return even |x| up to a threshold, and the floats before it."""
    end = NEVER if np.isnan(place) else place
    even = np.linspace(0, end, int(BELOW * share)).astype(dtype)
    if np.isnan(place):
        return np.unique(even)
    even = even[even < dtype.type(place)]
    if dtype == np.longdouble:  # a threshold is kept in float64, which has fewer digits
        return np.unique(even)
    bits = np.array(place, dtype).view(f"i{dtype.itemsize}")
    first = max(int(bits) - int(BEFORE * share), 0)
    near = np.arange(first, int(bits), dtype=bits.dtype).view(dtype)
    return np.unique(np.concatenate([even, near]))


def main(name, path=RECORD):
    """Print a line for each threshold with a bad float before it, then the number of points."""
    framework, record = catalogue.module(name), read_thresholds(path).fillna({"mode": ""})
    rounded = 1e-8 if Path(path) == RECORD else 0
    keys = ["framework", "implementation", "mode", "dtype", "y", "side"]
    record, looked = record.set_index(keys).sort_index(), 0
    for entry in framework.implementations():
        for dtype in entry.dtypes:
            share = 0.02 if entry.per_sample or dtype == "longdouble" else 1
            for y in HARD:
                for side in SIDES:
                    search = Search(entry, dtype, y, side)
                    row = record.loc[(framework.TITLE, entry.name, entry.mode, dtype, y, side)]
                    for column, bad in BAD.items():
                        if column.startswith("gradient") and not search.has_gradient:
                            continue
                        x = points(row[column], search.dtype, share)
                        x = x[x < row[column] * (1 - rounded)] if row[column] == row[column] else x
                        if not len(x):  # it goes wrong at 0
                            continue
                        found = measure(entry, search.sign * x, y)
                        looked += len(x)
                        hits = np.flatnonzero(bad(found))
                        if hits.size:
                            at, what = float(x[hits[0]]), (entry.name, entry.mode, dtype, y, side)
                            print("earlier:", *what, column, row[column], at, sep=" | ", flush=True)
    print(f"{looked:,} points")


if __name__ == "__main__":
    main(*sys.argv[1:])
