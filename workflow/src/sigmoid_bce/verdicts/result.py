"""The verdict: its tables, its words, and the same as text, HTML and JSON."""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.verdicts import changes
from sigmoid_bce.verdicts.harm import Harm
from sigmoid_bce.verdicts.listing import WIDTH, listing
from sigmoid_bce.verdicts.programs import Mine
from sigmoid_bce.verdicts.words import Answer

SCHEMA = 1
"""The version of the JSON result; verdict.schema.json describes it."""
COUNTS = ("blind", "flat", "off", "skewed", "right", "broken")


KEYS = ("framework", "implementation", "version", "mode", "dtype", "split")


@dataclass(frozen=True, eq=False, repr=False)
class Verdict:
    """The cost of computing binary cross-entropy of some raw outputs from their sigmoid.

    Attributes
    ----------
    name : str
        The file's name, or the caller's name for the raw outputs.
    mine : Mine
        What the user runs, as far as it was said.
    answer : Answer
        The verdict in words.
    warnings : tuple of str
        Its limits.
    programs : DataFrame
        The programs that the answer is about, the worst first: shares and numbers of samples, and
        their harm.
    outputs : DataFrame
        By label, and for all together: samples; the share of label 1; the share on the correct
        side; the range of raw outputs; the number of mistakes, and their greatest magnitude, also
        by label (0 or 1); the mean loss; the number of samples that are left out.
    implementations : DataFrame
        By label, implementation, framework, version, mode and dtype: shares of samples, by side,
        as `sigmoid_bce.verdicts.shares.compute` returns them.
    batches : DataFrame
        By batch size: the number of batches; the number that hold a clipped sample; the relative
        error of their mean loss from sigmoid outputs, median and largest; the number of rows from
        which the batches are drawn.
    """

    name: str
    mine: Mine
    answer: Answer
    warnings: tuple[str, ...]
    programs: pd.DataFrame
    outputs: pd.DataFrame
    implementations: pd.DataFrame
    batches: pd.DataFrame

    @property
    def sentences(self) -> tuple[str, ...]:
        """The five lines of the verdict."""
        return self.answer.lines

    @property
    def harm(self) -> Harm:
        """The harm of the worst program that the answer is about."""
        return Harm(self.programs["harm"].max())

    @property
    def instead(self) -> dict[str, str]:
        """By framework that loses anything, the code for a loss from raw outputs."""
        return changes.instead(self.programs.loc[self.programs["harm"] > 0, "framework"])

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table of implementations."""
        return self.implementations.copy()

    def __repr__(self) -> str:
        first, *rest = self.sentences
        return "\n".join([first, *(f"warning: {text}" for text in self.warnings), *rest])

    def to_text(self) -> str:
        """Return the verdict as a text of at most 100 columns, with a line for each program."""
        said = self.answer
        parts = [said.about, *(f"warning: {text}" for text in self.warnings)]
        parts += [said.answer, said.why, said.change]
        parts = [textwrap.fill(part, WIDTH) for part in parts]
        parts.append(textwrap.indent(said.diff, "    "))
        parts += self._listings()
        parts += [textwrap.fill(part, WIDTH) for part in (said.checked, said.question)]
        return "\n\n".join(filter(None, parts))

    def _listings(self) -> list[str]:
        """Return the text table of programs; of several splits, that of each."""
        if "split" not in self.programs:
            return [listing(self.programs)]
        parts = self.programs.groupby("split", sort=False)
        return [f"{split}\n{textwrap.indent(listing(part), '  ')}" for split, part in parts]

    def to_html(self) -> str:
        """Return the verdict as an element of HTML, as a notebook shows it."""
        said = self.answer
        parts = [said.about, *(f"Warning: {text}" for text in self.warnings)]
        parts = [f"<p>{html.escape(text)}</p>" for text in parts]
        parts.append(f"<p><strong>{html.escape(said.answer)}</strong></p>")
        parts += [f"<p>{html.escape(text)}</p>" for text in (said.why, said.change)]
        if said.diff:
            parts.append(f"<pre>{html.escape(said.diff)}</pre>")
        last = f"{said.checked} {said.question}".strip()
        parts.append(f"<p>{html.escape(last)}</p>")
        return f"<div>{''.join(parts)}</div>"

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON has it; verdict.schema.json describes it."""
        whole = self.outputs.iloc[-1]
        return {
            "schema": SCHEMA,
            "name": self.name,
            "samples": int(whole["samples"]),
            "mistakes": int(whole["mistakes"]),
            "mean_loss": float(whole["mean_loss"]),
            "trained_on": self.mine.trained,
            "harm": self.harm.name.lower(),
            **{k: v for k, v in self.answer._asdict().items()},
            "warnings": list(self.warnings),
            "programs": [_program(row) for row in self.programs.to_dict("records")],
        }


def _program(row: dict[Any, Any]) -> dict[str, Any]:
    change = float(row["loss_change"])
    return {
        **{key: row[key] for key in KEYS if key in row},
        "from_sigmoid": bool(row["from_sigmoid"]),
        "trains": bool(row["trains"]),
        "harm": Harm(row["harm"]).name.lower(),
        "effect": row["effect"],
        **{name: int(row[name]) for name in COUNTS},
        "loss_change": None if np.isnan(change) else change,
    }
