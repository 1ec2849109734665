"""Build the documentation site, with warnings as errors: `make docs`.

The documents keep their places in the repository, so a link means the same there and on the site.
Only two things are changed on the way: the marks of `render.py` are left out, and a diagram that a
browser would draw with a script from another server becomes a table.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from committed import ROOT
from render import MARK

BUILD = ROOT / "build/docs"
PAGES = ("*.md", "config/README.md", "docs/**/*.md")
NO_PAGES = ("docs/upstream",)
"""Notes for other projects."""
ASSETS = (Path("docs/tools/iframe-worker.js"), Path("docs/tools/site.css"))
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)|(?:href|src)=\"(?!\w+:)([^\"#]+)\"")
MERMAID = re.compile(r"```mermaid\n(.*?)```", re.DOTALL)


def pages() -> list[Path]:
    """Return the documents of the site, relative to the repository."""
    found = sorted({file for pattern in PAGES for file in ROOT.glob(pattern)})
    names = [file.relative_to(ROOT) for file in found]
    return [name for name in names if not str(name).startswith(NO_PAGES)]


def table_of_arrows(diagram: re.Match[str]) -> str:
    r"""Return a flow chart as a table.

    Examples
    --------
    >>> print(MERMAID.sub(table_of_arrows, "```mermaid\n    a --> b\n    a --> c\n```"))
    | rule | its results are used by |
    |---|---|
    | `a` | `b`, `c` |
    """
    after = defaultdict(list)
    for start, end in re.findall(r"(\w+) --> (\w+)", diagram[1]):
        after[start].append(f"`{end}`")
    lines = [f"| `{start}` | {', '.join(ends)} |" for start, ends in after.items()]
    return "\n".join(["| rule | its results are used by |", "|---|---|", *lines])


def page(text: str) -> str:
    """Return a document as the site has it.

    Examples
    --------
    >>> page("up to <!-- = clipped, at most -->8.85 %<!-- / --> of them")
    'up to 8.85 % of them'
    """
    return MERMAID.sub(table_of_arrows, MARK.sub(lambda mark: mark[3], text))


def linked(name: Path, text: str) -> set[Path]:
    """Return the files of the repository that a document links to, relative to it."""
    links = {one or other for one, other in LINK.findall(text)}
    files = {(ROOT / name.parent / link).resolve() for link in links}
    return {file.relative_to(ROOT) for file in files if file.is_file()}


def stage(folder: Path) -> None:
    """Write the documents, and the files that they link to, into a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    names = pages()
    texts = {name: (ROOT / name).read_text() for name in names}
    others = {file for name, text in texts.items() for file in linked(name, text)} - set(names)
    for name in [*names, *others, *ASSETS]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name in texts:
            (folder / name).write_text(page(texts[name]))
        else:
            shutil.copyfile(ROOT / name, folder / name)


def main(build: Path = BUILD) -> Path:
    """Build the site; return its folder."""
    stage(build / "source")
    shutil.copyfile(ROOT / "docs/zensical.toml", build / "zensical.toml")
    program = Path(sys.executable).with_name("zensical")
    done = subprocess.run([program, "build", "--clean", "--strict"], cwd=build)
    if done.returncode:
        sys.exit("the site was not built: mend what is named above")
    return build / "site"


if __name__ == "__main__":
    print(f"open      {main().relative_to(ROOT)}/index.html")
