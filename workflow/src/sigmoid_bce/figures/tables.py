"""Tables as pages of the report."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sigmoid_bce.jobs.files import replacing

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 14px sans-serif; margin: 1em }}
table {{ border-collapse: collapse }}
th, td {{ padding: .25em .6em; text-align: right; border-bottom: 1px solid #ddd }}
th {{ position: sticky; top: 0; background: #fff }}
tr:hover {{ background: #f4f4f4 }}
</style>
<h1>{title}</h1>
{table}
</html>
"""


def write_html(table: pd.DataFrame, title: str, path: str | Path) -> None:
    """Write a table as an HTML page, floats with four significant digits.

    Parameters
    ----------
    table : DataFrame
    title : str
    path : str or Path
    """
    html = table.to_html(index=False, border=0, float_format="{:.4g}".format)
    with replacing(path) as part:
        part.write_text(PAGE.format(title=title, table=html))
