"""HTML pages from one template: headings, paragraphs, tables and embedded images."""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sigmoid_bce.jobs.files import replacing
from sigmoid_bce.jobs.logs import one_line

TEMPLATE = Path(__file__).with_name("page.html.jinja")
SCRIPT = Path(__file__).with_name("listing.js")


@dataclass(frozen=True)
class Image:
    """A picture that the page embeds, so that the page is complete in one file."""

    file: Path
    title: str
    caption: str

    @property
    def source(self) -> str:
        """The file's content as a data URL."""
        kind, _ = mimetypes.guess_type(self.file.name)
        return f"data:{kind};base64,{base64.b64encode(self.file.read_bytes()).decode()}"


@dataclass(frozen=True)
class Group:
    """A table that opens when its title is clicked."""

    title: str
    table: pd.DataFrame


class Head(NamedTuple):
    """A column of a listing."""

    name: str
    unit: str = ""
    first: bool = True  # False: hidden until the reader asks for all columns
    words: bool = False
    width: int = 0  # pixels that its longest word takes


@dataclass(frozen=True)
class Listing:
    """A table that is searched, sorted by a click on a heading, and stacked on a phone."""

    heads: Sequence[Head]
    rows: Sequence[Sequence[str]]
    shared: str = ""  # what is the same in all rows, said once
    file: str = ""  # the CSV file that has every digit

    @property
    def more(self) -> bool:
        """Whether some columns are hidden at first."""
        return not all(head.first for head in self.heads)


@dataclass(frozen=True)
class Section:
    """A part of a page; its members appear in the order of the fields."""

    heading: str = ""
    warnings: Sequence[str] = ()
    lead: str = ""  # a first paragraph in bold
    paragraphs: Sequence[str] = ()
    code: str = ""
    tables: Sequence[pd.DataFrame] = ()
    groups: Sequence[Group] = ()
    images: Sequence[Image] = ()
    listing: Listing | None = None


def _table(table: pd.DataFrame) -> str:
    """Return a table's element; pandas escapes the cells itself."""
    element: str = table.to_html(index=False, border=0, float_format="{:.4g}".format)
    return element


def _in_words(table: pd.DataFrame) -> bool:
    """Return whether a table has no numbers: its cells are sentences and names."""
    return table.select_dtypes(["number", "bool"]).empty


def _css(text: str) -> str:
    """Return a string of CSS, in which only letters, digits and blanks stand as they are."""
    signs = (c if c.isalnum() or c == " " else f"\\{ord(c):x} " for c in text)
    return f'"{"".join(signs)}"'


def _parts(text: str) -> list[str]:
    """Return the parts of a text between which a browser may break it: after an underscore."""
    return [part for part in re.split("(?<=_)", text) if part]


def render(title: str, sections: Sequence[Section], sources: str = "") -> str:
    """Return an HTML page.

    Parameters
    ----------
    title : str
        The page's title and first heading.
    sections : sequence of Section
        Texts are plain text; the template escapes them.
    sources : str
        What the page is made from, for its metadata `dcterms.source`.

    Returns
    -------
    str

    Examples
    --------
    >>> page = render("a < b", [Section("Losses", paragraphs=["0.3 & falling"])])
    >>> "<h1>a &lt; b</h1>" in page, "<p>0.3 &amp; falling</p>" in page
    (True, True)
    """
    script = SCRIPT.read_text(encoding="utf-8")
    values = {"title": one_line(title), "sections": sections, "sources": sources, "script": script}
    return fragment(TEMPLATE.name, **values) + "\n"


def fragment(template: str, **values: object) -> str:
    """Return what a template of this folder makes of some values, all of which it escapes."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {
        "as_table": _table,
        "parts": _parts,
        "css": _css,
        "in_words": _in_words,
    }
    return environment.get_template(template).render(values)


def write(path: str | Path, title: str, sections: Sequence[Section], sources: str = "") -> None:
    """Write an HTML page, completely or not at all.

    Parameters
    ----------
    path : str or Path
        The file to write.
    title, sections, sources
        As for `render`.

    Examples
    --------
    >>> write("/tmp/sigmoid-bce-example.html", "Losses", [Section(lead="All are finite.")])
    >>> '<p class="lead">All are finite.</p>' in Path("/tmp/sigmoid-bce-example.html").read_text()
    True
    """
    page = render(title, sections, sources)
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")
