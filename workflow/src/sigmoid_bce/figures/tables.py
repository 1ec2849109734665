"""Tables as pages of the report, and a paragraph of its first page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sigmoid_bce.figures import html
from sigmoid_bce.jobs.files import replacing
from sigmoid_bce.jobs.logs import one_line

FIRST = (
    "primary", "part", "question", "dataset", "model", "batch_size", "loss", "metric", "verdict",
    "mean_reference", "mean", "difference", "t_low", "t_high", "margin", "n",
)  # fmt: skip
"""What a reader of paired differences looks for; all that it is made from comes after it."""


def in_short(learning: pd.DataFrame) -> pd.DataFrame:
    """Return paired differences as a page shows them: the primary rows and `FIRST` come first.

    Examples
    --------
    >>> table = pd.DataFrame({"sd": [1, 2], "primary": [False, True], "verdict": ["open", "harms"]})
    >>> in_short(table).to_dict("split")["data"]
    [[True, 'harms', 2], [False, 'open', 1]]
    """
    first = [name for name in FIRST if name in learning]
    rest = [name for name in learning if name not in first]
    return learning[first + rest].sort_values("primary", ascending=False, kind="stable")


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
