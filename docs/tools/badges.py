"""README's badges, drawn from pyproject.toml: a page that shows them needs no other server."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from sigmoid_bce.figures.texts import width

ROOT = Path(__file__).parents[2]
SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="{all}" height="20" role="img" \
aria-label="{name}: {value}">
<rect width="{all}" height="20" rx="3" fill="#555"/>
<path d="M{left} 0h{right}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{right}z" fill="#263393"/>
<g fill="#fff" font-family="DejaVu Sans, Verdana, sans-serif" font-size="11">
<text x="6" y="14">{name}</text><text x="{at}" y="14">{value}</text>
</g>
</svg>
"""


def stated() -> dict[str, str]:
    """Return what each badge says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = "\n".join(project["optional-dependencies"]["workflow"])
    pythons = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    return {
        "python": " | ".join(pythons),
        "snakemake": re.search(r"snakemake>=([\d.]+)", pins)[1],
        "tensorflow": re.search(r"tensorflow==([\d.]+)\.", pins)[1],
        "licence": project["license"],
    }


def drawn() -> dict[str, str]:
    """Return the badges as SVG, by file."""
    found = {}
    for name, value in stated().items():
        left, right = (round(72 * width(text, 11)) + 12 for text in (name, value))
        found[f"docs/badges/{name}.svg"] = SVG.format(
            name=name, value=value, all=left + right, left=left, right=right - 3, at=left + 6
        )
    return found
