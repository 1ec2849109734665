"""Tables as pages of the report, and a paragraph of its first page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sigmoid_bce.figures import html
from sigmoid_bce.jobs.files import replacing
from sigmoid_bce.jobs.logs import one_line


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


def write_paragraph(text: str, path: str | Path) -> None:
    r"""Write a text of users as reStructuredText that shows it as it is.

    Parameters
    ----------
    text : str
    path : str or Path
        The file to write. A page of the report includes it.

    Examples
    --------
    >>> write_paragraph("2 of 3 *stars*", "/tmp/sigmoid-bce-example.rst")
    >>> print(Path("/tmp/sigmoid-bce-example.rst").read_text().rstrip())
    2 of 3 \*stars\*
    """
    signs = (c if c.isalnum() or c == " " else f"\\{c}" for c in one_line(text))
    with replacing(path) as part:
        part.write_text("".join(signs) + "\n", encoding="utf-8")
