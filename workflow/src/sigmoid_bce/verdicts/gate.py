"""A gate for pipelines: what must not be lost, and what was."""

from __future__ import annotations

import pandas as pd

from sigmoid_bce.verdicts.harm import Harm, percent, samples
from sigmoid_bce.verdicts.result import Verdict

LOSS = ["off", "flat", "broken"]


def failures(verdict: Verdict, above: float | None = None, on_loss: bool = False) -> list[str]:
    """Return why a verdict does not pass; empty if it does.

    Parameters
    ----------
    verdict : Verdict
        Of the programs that it is about, the worst one counts.
    above : float, optional
        The largest share of samples that may be mistakes without a gradient, from 0 to 1. nan or
        inf counts as no gradient.
    on_loss : bool
        Whether a wrong loss fails: of a mistake by more than 1 %, of the mean by more than 1 %, or
        nan or inf. A gradient of a mistake that is more than 1 % off counts as well.

    Raises
    ------
    ValueError
        If `above` is not between 0 and 1.

    Examples
    --------
    >>> import sigmoid_bce
    >>> verdict = sigmoid_bce.verdict([18.5, 3.0], [0, 1], framework="torch", loss="BCELoss")
    >>> len(failures(verdict, above=0.1)), len(failures(verdict, above=0.5))
    (1, 0)
    """
    if above is not None and not 0 <= above <= 1:
        raise ValueError(f"--fail-above: expected a share from 0 to 1, found {above:g}")
    found = []
    rows = verdict.programs
    splits = rows["split"] if "split" in rows else pd.Series("", rows.index)
    for split, part in rows.groupby(splits, sort=False):
        of = f" of split {split}" if split else ""
        label = split or verdict.outputs["label"].iloc[-1]
        total = int(verdict.outputs.set_index("label").loc[label, "samples"])
        losses = part[part["trains"]]
        lost = losses["blind"].where(losses["broken"] == 0, losses[["blind", "broken"]].max(axis=1))
        if above is not None and len(losses) and lost.max() / total > above:
            row, number = losses.loc[lost.idxmax()], int(lost.max())
            what = f"{samples(number, 'mistake')} without a gradient"
            if row["broken"] == number:
                what = f"{samples(number)} with nan or inf"
            found.append(
                f"{what} among {samples(total)}{of} "
                f"({percent(number / total)}, more than {percent(above)}): {_called(row)}"
            )
        skewed = (part["skewed"] > 0) & (part["harm"] >= Harm.LOSS)
        wrong = part[part["shifted"] | part[LOSS].any(axis=1) | skewed]
        if on_loss and len(wrong):
            row = wrong.iloc[0]
            found.append(f"wrong loss or gradient{of}: {_called(row)}: {row['effect']}")
    return found


def _called(row: pd.Series) -> str:
    details = [row["framework"], row["mode"], row["dtype"]]
    return f"{row['implementation']} ({', '.join(filter(None, details))})"
