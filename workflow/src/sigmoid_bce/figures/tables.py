"""Tables as pages of the report."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sigmoid_bce.figures import html


def write_html(table: pd.DataFrame, title: str, path: str | Path) -> None:
    """Write a table as an HTML page, with floats to four significant digits.

    Parameters
    ----------
    table : DataFrame
    title : str
    path : str or Path
        The file to write.

    Examples
    --------
    >>> write_html(pd.DataFrame({"loss": [0.123456]}), "Losses", "/tmp/sigmoid-bce-example.html")
    >>> "<td>0.1235</td>" in Path("/tmp/sigmoid-bce-example.html").read_text()
    True
    """
    html.write(path, title, [html.Section(tables=[table])])
