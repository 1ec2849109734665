"""The explorer's page: its data, style and script in one file that needs no network."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sigmoid_bce.jobs.files import replacing

FOLDER = Path(__file__).parent
TEMPLATE = "page.html.jinja"
PARTS = ("explorer.css", "numbers.js", "data.js", "chart.js", "explorer.js", "table.js")
"""What the template includes."""
LEVEL = 9
"""Of zlib, for the data."""
OPENED = '<script type="application/octet-stream" id="data">'
"""The tag before the packed data, as in the template."""


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
    """Return the page.

    Parameters
    ----------
    data : str
        The explorer's data, as JSON.

    Examples
    --------
    >>> parted(render('{"a": "</script>"}'))[1]
    '{"a": "</script>"}'
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined
    )
    parts = {name.replace(".", "_"): (FOLDER / name).read_text("utf-8") for name in PARTS}
    packed = base64.b64encode(zlib.compress(data.strip().encode(), LEVEL)).decode()
    page: str = environment.get_template(TEMPLATE).render(data=packed, **parts)
    return page + "\n"


def parted(page: str) -> tuple[str, str]:
    """Return a page without its data, and the data: versions of zlib pack them differently.

    Parameters
    ----------
    page : str
        The result of `render`. A page without packed data is returned whole, with no data.
    """
    start = page.find(OPENED) + len(OPENED)
    if start < len(OPENED):
        return page, ""
    end = page.index("<", start)
    data = zlib.decompress(base64.b64decode(page[start:end])).decode()
    return page[:start] + page[end:], data


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
