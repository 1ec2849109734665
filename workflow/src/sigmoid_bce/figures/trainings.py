"""The trainings of a study of learning, as figures are drawn from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sigmoid_bce.comparison.ends import judged_epochs
from sigmoid_bce.comparison.learning import BETTER
from sigmoid_bce.figures import arms, style
from sigmoid_bce.jobs.csv_tables import read_csv
from sigmoid_bce.jobs.files import read_parquet
from sigmoid_bce.jobs.logs import one_line
from sigmoid_bce.study.learning import CLIPPED, LearningCell, Regime

OWN = "own networks"
"""Of a regime in which every loss has a network chosen for it."""


@dataclass(frozen=True)
class LearningTables:
    """The tables and the trainings of a study of learning, read when a figure asks for them."""

    files: Mapping[str, str | Path]  # of the tables: learning, stuck
    epochs: Mapping[LearningCell, str | Path]
    regimes: Sequence[Regime]
    models: Mapping[str, Mapping[str, Any]]  # their sections of the configuration
    noise: Mapping[str, float]  # the share of flipped labels of each data set

    @cached_property
    def learning(self) -> pd.DataFrame:
        """Paired differences, as `comparison.learning.tables` returns them."""
        return self._table("learning")

    @cached_property
    def stuck(self) -> pd.DataFrame:
        """Counts of stuck trainings, as `comparison.learning.tables` returns them."""
        return self._table("stuck")

    def _table(self, name: str) -> pd.DataFrame:
        return read_csv(self.files[name])

    def questions(self) -> Iterator[tuple[str, list[Regime]]]:
        """Yield each question in words, with its regimes."""
        for _, group in groupby(self.regimes, lambda regime: (regime.part, regime.question)):
            regimes = list(group)
            first, number = regimes[0], len(regimes[0].seeds)
            about = f"{first.part}, {number} seed{'s' * (number > 1)}"
            yield f"{style.plain(first.question)} ({about}): {one_line(first.asks)}", regimes

    def of(self, table: pd.DataFrame, regime: Regime) -> pd.DataFrame:
        """Return the rows of `learning` or of `stuck` that belong to a regime."""
        here = table["model"] == table["loss"].map(regime.models)
        for name in ("part", "question", "dataset", "batch_size"):
            here &= table[name] == getattr(regime, name)
        return table[here]

    def harms(self, regime: Regime) -> pd.DataFrame:
        """Return what happens to the primary metric in each loss of a regime, except logits.

        Returns
        -------
        DataFrame
            The rows of `learning`, with the loss as the index. benefit, low and high: the mean
            difference and its 95 % interval in margins; above 0 the loss is better than logits.
        """
        rows = self.of(self.learning, regime)
        rows = rows[rows["metric"] == regime.primary].set_index("loss")
        scale = BETTER[regime.primary] / rows["margin"]
        ends = np.sort(rows[["t_low", "t_high"]].mul(scale, axis=0), axis=1)
        benefit = rows["difference"] * scale
        return rows.assign(benefit=benefit, low=ends[:, 0], high=ends[:, 1])

    @cached_property
    def plainest(self) -> Regime:
        """The regime in which `CLIPPED` is worst beside logits; the first if it is worse in none.

        It counts by the mean difference of the primary metric in margins, whatever the verdict.
        """

        def benefit(regime: Regime) -> float:
            # a mean without a finite pair is nan
            found = self.harms(regime)["benefit"].get(CLIPPED, 0.0)
            return 0.0 if np.isnan(found) else min(0.0, found)

        return min(self.regimes, key=benefit)

    def why_plainest(self) -> str:
        """Return a sentence that tells which regime `plainest` is, and why, for a caption."""
        regime = self.plainest
        where = f"the data set {literal(regime.dataset)}, {self.network(regime, literal)}"
        where += f", batches of {regime.batch_size}, and the question {literal(regime.question)}"
        rows = self.harms(regime)
        if CLIPPED not in rows.index or not rows["benefit"][CLIPPED] < 0:
            return f"It shows the first regime of the study: {where}."
        row = rows.loc[CLIPPED]
        return (
            f"It shows the regime in which {literal(CLIPPED)} is worse than {literal('logits')} "
            f"by the most margins of its primary metric: {where}. "
            f"{regime.primary} is {row['mean_reference']:.3g} with {literal('logits')} "
            f"and {row['mean']:.3g} with {literal(CLIPPED)}, a difference of "
            f"{-row['benefit']:.3g} margins. The verdict: {row['verdict']}."
        )

    @staticmethod
    def network(regime: Regime, name: Any = style.plain) -> str:
        """Return the network of a regime in words."""
        models = set(regime.models.values())
        return f"network {name(models.pop())}" if len(models) == 1 else OWN

    def place(self, regime: Regime, separator: str = ", ") -> str:
        """Return a regime in words."""
        parts = (style.plain(regime.dataset), self.network(regime).removeprefix("network "))
        return separator.join([*parts, f"batch\N{NO-BREAK SPACE}{regime.batch_size}"])

    def runs(self, regime: Regime, loss: str, columns: Sequence[str]) -> pd.DataFrame:
        """Return the rows of a regime's seeds in one loss, sorted by seed and epoch.

        Parameters
        ----------
        regime : Regime
        loss : str
        columns : sequence of str
            Columns to read besides seed and epoch.
        """
        file = self.epochs[regime.cell(loss)]
        found = read_parquet(file, columns=["seed", "epoch", *columns])
        return found[found["seed"].isin(regime.seeds)].sort_values(["seed", "epoch"])

    def judged(self, regime: Regime, loss: str) -> pd.DataFrame:
        """Return the judged epochs of a regime's seeds in one loss, with the seed as the index.

        Columns failed and val_accuracy.
        """
        columns = ("failed", "exact_loss", "val_exact_loss", "val_accuracy")
        found = judged_epochs(self.runs(regime, loss, columns), regime.epoch)
        return found[["failed", "val_accuracy"]]

    def heading(self, regime: Regime, loss: str, inches: float) -> str:
        """Return the heading of a loss's panel, which tells how many of its trainings failed.

        Its lines are not wider than the panel.
        """
        failed = self.judged(regime, loss)["failed"]
        told = f", {failed.sum()} of {len(failed)} nan" if failed.any() else ""
        return "\n".join(style.wrap(f"{style.plain(loss)}{told}", inches, style.SMALL))

    def losses(self) -> list[str]:
        """Return every loss of the study, in the order of figures."""
        return arms.ordered({loss for regime in self.regimes for loss in regime.models})


def literal(name: str) -> str:
    """Return a name as a caption shows it.

    Examples
    --------
    >>> literal("digits_")
    '``digits_``'
    """
    return f"``{name}``"
