"""The blocks of the documents: what is shown as code, and how it is marked."""

import re
import textwrap
from typing import NamedTuple

from support.checkout import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "config/README.md"])
FENCED = re.compile(
    r"^( *)```([\w-]*)(?: title=\"([^\"]+)\")?\n(.*?)^ *```", re.DOTALL | re.MULTILINE
)
INDENTED = re.compile(r"(?:^    .*\n|^\n(?=    ))+", re.MULTILINE)


class Block(NamedTuple):
    """A block, in the order of its page; an indented one has no kind."""

    page: str
    kind: str
    title: str
    text: str
    place: int


def blocks(file):
    """Return the blocks of a document."""
    text, page = file.read_text(), str(file.relative_to(ROOT))
    fenced = list(FENCED.finditer(text))
    found = [
        Block(page, m[2], m[3] or "", textwrap.dedent(m[4]).strip("\n"), m.start()) for m in fenced
    ]
    # blanks take the place of fenced blocks, so that places stay the same
    rest = FENCED.sub(lambda m: re.sub(r"[^\n]", "", m[0]).ljust(len(m[0]), "\n"), text)
    found += [
        Block(page, "", "", textwrap.dedent(m[0]).strip(), m.start())
        for m in INDENTED.finditer(rest)
        if not re.match(r"\s*(\|)", m[0])  # a table below an item of a list
    ]
    return sorted(found, key=lambda block: block.place)
