"""The report's chapters, and the names of what it lists, in reading order.

Snakemake's report sorts chapters and rows as texts. Numbers in them are padded, so that 16 comes
before 128.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from sigmoid_bce.planning.functions import Wildcards, input_function
from sigmoid_bce.study.cells import Cell
from sigmoid_bce.study.config import Study

CHAPTERS = {
    "answer": "Answer",
    "numerics": "Numbers",
    "grid": "Trained networks",
    "learning": "Learning",
    "own": "Your own",
    "tables": "Tables",
}
"""The chapters in reading order, by the section of a study that fills them."""

SPACE = "\N{FIGURE SPACE}"
"""As wide as a digit, and sorted before all of them."""

TITLE = "{dataset}, {model}, loss {loss}, batch size {batch_size}{precision}, seed {seed}"


def chapters(study: Study) -> dict[str, str]:
    """Return the numbered name of each chapter; one that the study lacks has no number.

    Parameters
    ----------
    study : Study

    Returns
    -------
    dict of str
        By the keys of `CHAPTERS`.
    """
    there = [key for key in CHAPTERS if getattr(study, key, True)]
    numbered = {key: f"{i} {CHAPTERS[key]}" for i, key in enumerate(there, 1)}
    return CHAPTERS | numbered


def aligned(texts: Iterable[str]) -> dict[str, str]:
    """Return texts whose numbers have the places of the longest one, by the texts.

    Examples
    --------
    >>> list(aligned(["Figure 10", "Figure 9"]).values()) == ["Figure 10", f"Figure {SPACE}9"]
    True
    """
    texts = list(texts)
    width = max((len(digits) for text in texts for digits in re.findall(r"\d+", text)), default=1)
    return {
        text: re.sub(r"\d+", lambda found: found[0].rjust(width, SPACE), text) for text in texts
    }


def labels_of(cells: list[Cell]) -> Callable[[Wildcards], dict[str, str]]:
    """Return a function of wildcards: the columns in which the report lists a cell's figures.

    Parameters
    ----------
    cells : list of Cell
        All cells of the study.

    Examples
    --------
    >>> cells = [Cell("d", "m", "logits", size, 0) for size in (16, 128)]
    >>> wildcards = {**vars(cells[0]), "precision": ""}
    >>> labels_of(cells)(wildcards)["batch size"].replace(SPACE, "_")
    '_16'
    """
    sizes = aligned(str(cell.batch_size) for cell in cells)
    seeds = aligned(str(cell.seed) for cell in cells)
    several = len({cell.precision for cell in cells}) > 1

    def labels(wildcards: Wildcards) -> dict[str, str]:
        cell = Cell.of(wildcards)
        return {
            "data set": cell.dataset,
            "network": cell.model,
            "loss": cell.loss,
            "batch size": sizes[str(cell.batch_size)],
            **({"precision": cell.precision} if several else {}),
            "seed": seeds[str(cell.seed)],
        }

    return input_function(labels)


def title(cell: Cell) -> str:
    """Return the title of a cell's figures, which names a precision other than float32.

    Examples
    --------
    >>> title(Cell("elpv", "convnet", "logits", 20, 0, precision="mixed_bfloat16"))
    'elpv, convnet, loss logits, batch size 20, mixed_bfloat16, seed 0'
    """
    precision = cell.named_precision and f", {cell.named_precision}"
    return TITLE.format(**vars(cell) | {"precision": precision})


@input_function
def title_of(wildcards: Wildcards) -> str:
    """Return the title of the figures that a job draws."""
    return title(Cell.of(wildcards))
