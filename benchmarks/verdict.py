"""Measure speed and memory of the verdict, beside plain programs with pandas and NumPy.

    python benchmarks/verdict.py                 # 10^7 rows
    python benchmarks/verdict.py --rows 100000000 --formats parquet

Each measurement runs in its own process. All read the same file, which is already in the page
cache. One NumPy pass of the stable formula is measured with the package's reader and with the
library's own calls. The plain program reads all rows with pandas, and compares both losses.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv, parquet

PART = 1 << 20


def stable(x, y):
    return np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))


def parts(rows):
    """Yield raw outputs as a network has them: mostly right, some far out, some wrong."""
    rng = np.random.default_rng(0)
    for start in range(0, rows, PART):
        n = min(PART, rows - start)
        y = (rng.random(n) < 0.4).astype(np.int8)
        yield y, ((2 * y - 1) * rng.normal(5, 6, n)).astype(np.float32)


def write(path, rows):
    schema = pa.schema({"label": pa.int8(), "raw_output": pa.float32()})
    if path.suffix == ".npz":
        y, x = map(np.concatenate, zip(*parts(rows), strict=True))
        np.savez(path, label=y, raw_output=x)
        return
    writer = csv.CSVWriter if path.suffix == ".csv" else parquet.ParquetWriter
    with writer(path, schema) as file:
        for y, x in parts(rows):
            file.write_table(pa.table({"label": y, "raw_output": x}, schema))


def plain_reader(path):
    """One pass of the formula over the chunks that the package reads."""
    from sigmoid_bce.verdicts.read import from_file

    total = count = 0
    for x, y in from_file(path).chunks:
        total += stable(x, y).sum(dtype=np.float64)
        count += x.size
    return total / count


def plain_library(path):
    """One pass of the formula over what the file's own library reads."""
    total = count = 0
    if path.suffix == ".npz":
        file = np.load(path)
        pairs = [(file["raw_output"], file["label"])]
        pairs = (
            (x[i : i + PART // 4], y[i : i + PART // 4])
            for x, y in pairs
            for i in range(0, len(x), PART // 4)
        )
    else:
        columns = ["label", "raw_output"]
        batches = (
            csv.open_csv(path)
            if path.suffix == ".csv"
            else parquet.ParquetFile(path).iter_batches(PART // 4, columns=columns)
        )
        pairs = ((b.column("raw_output").to_numpy(), b.column("label").to_numpy()) for b in batches)
    for x, y in pairs:
        total += stable(x, y).sum(dtype=np.float64)
        count += x.size
    return total / count


def plain_pandas(path):
    """What a user would write: each row's loss from sigmoid outputs, its error, and a summary."""
    read = {
        ".csv": pd.read_csv,
        ".parquet": pd.read_parquet,
        ".npz": lambda path: pd.DataFrame(dict(np.load(path))),
    }
    table = read[path.suffix](path)
    x, y = table["raw_output"].astype(np.float32), table["label"]
    p = np.clip(1 / (1 + np.exp(-x)), np.float32(1e-7), np.float32(1 - 1e-7))
    table["from_sigmoid"] = -(  # sigmoid-bce: ignore
        y * np.log(p) + (1 - y) * np.log(1 - p)
    )
    table["exact"] = stable(x.astype(np.float64), y)
    table["error"] = (table["from_sigmoid"] - table["exact"]).abs()
    return table.describe().loc["mean", "exact"]


def verdict(path):
    """Judge a file, without figures and output files."""
    from sigmoid_bce.verdicts.judge import judge
    from sigmoid_bce.verdicts.read import from_file

    return judge(from_file(path))[0].outputs["mean_loss"].iloc[-1]


def with_files(path):
    """Judge a file, and write figures and tables."""
    from sigmoid_bce.verdicts import page
    from sigmoid_bce.verdicts.judge import judge
    from sigmoid_bce.verdicts.read import from_file

    outputs = from_file(path)
    found = judge(outputs)
    page.write(path.with_suffix(".results"), *found, outputs.shape)
    return found[0].outputs["mean_loss"].iloc[-1]


WAYS = {
    way.__name__: way for way in (plain_reader, plain_library, plain_pandas, verdict, with_files)
}


def measured(way, path):
    command = [sys.executable, __file__, "--way", way, "--file", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10**7)
    parser.add_argument("--formats", nargs="+", default=["parquet", "csv", "npz"])
    parser.add_argument("--folder", help="folder for the files, about 9 bytes a row")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        import sigmoid_bce.verdicts.page  # noqa: F401  (imports are not measured)

        start, cpu = time.perf_counter(), time.process_time()
        value = WAYS[given.way](given.file)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        # ru_maxrss is inherited from the parent, which wrote the file
        status = Path("/proc/self/status").read_text()
        peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 2**10
        found = {"seconds": seconds, "cpu": cpu, "mean_loss": value, "peak_mb": peak}
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for ending in given.formats:
            path = Path(folder) / f"outputs.{ending}"
            write(path, given.rows)
            print(f"{ending}, {given.rows:,} rows, {path.stat().st_size / 2**20:,.0f} MB")
            best = {}
            for _ in range(given.repeat):
                for way in WAYS:
                    found = measured(way, path)
                    if way not in best or found["seconds"] < best[way]["seconds"]:
                        best[way] = found
            for way, found in best.items():
                ratio = best["plain_reader"]["seconds"] / found["seconds"]
                other = best["plain_library"]["seconds"] / found["seconds"]
                plain = best["plain_pandas"]["seconds"] / found["seconds"]
                print(
                    f"  {way:14} {found['seconds']:8.2f} s {found['cpu']:8.2f} s of CPU"
                    f"{found['peak_mb']:7.0f} MB"
                    f"  speed {ratio:5.2f} of plain_reader, {other:5.2f} of plain_library,"
                    f" {plain:5.2f} of plain_pandas"
                    f"  mean loss {found['mean_loss']:.9g}"
                )
            path.unlink()


if __name__ == "__main__":
    main()
