"""The explorer's page: its data, style and script in one file that needs no network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sigmoid_bce.jobs.files import replacing

FOLDER = Path(__file__).parent
TEMPLATE = "page.html.jinja"
PARTS = ("explorer.css", "numbers.js", "chart.js", "explorer.js", "table.js")
"""What the template includes."""


def as_json(content: dict[str, Any]) -> str:
    """Return data as JSON: a member a line, so that a change is seen where it is.

    Examples
    --------
    >>> print(as_json({"a": [1, 2], "b": "é"}).rstrip())
    {
    "a": [1,2],
    "b": "é"
    }
    """
    members = (f"{json.dumps(k)}: {_compact(value)}" for k, value in content.items())
    return "{\n" + ",\n".join(members) + "\n}\n"


def _compact(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], (dict, list)):
        return "[\n" + ",\n".join(map(_compact, value)) + "\n]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def render(data: str) -> str:
    r"""Return the page.

    Parameters
    ----------
    data : str
        The explorer's data, as JSON.

    Examples
    --------
    >>> page = render('{"a": "</script>"}')
    >>> r'{"a": "\u003c/script>"}' in page
    True
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined
    )
    parts = {name.replace(".", "_"): (FOLDER / name).read_text("utf-8") for name in PARTS}
    # no text of users ends the element that holds the data
    page: str = environment.get_template(TEMPLATE).render(
        data=data.strip().replace("<", "\\u003c"), **parts
    )
    return page + "\n"


def write(content: dict[str, Any], data: str | Path, page: str | Path) -> None:
    """Write the explorer's data and its page.

    Parameters
    ----------
    content : dict
        The result of `content.content`.
    data, page : str or Path
        The files to write.
    """
    text = as_json(content)
    for file, whole in ((data, text), (page, render(text))):
        with replacing(file) as part:
            part.write_text(whole, encoding="utf-8")
