"""The answer in a sentence or two, and why: for one program, one framework, or several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sigmoid_bce.verdicts import harm
from sigmoid_bce.verdicts.harm import Harm, Row, number, of_mistakes, samples
from sigmoid_bce.verdicts.programs import Mine
from sigmoid_bce.verdicts.written import WRITTEN

NOT_MEASURED = "{} trains with the gradient p - y, which the record does not measure."
"""Of a framework with metrics alone."""


def joined(names: Iterable[str], last: str = "and") -> str:
    """Return names as a list in a sentence.

    Examples
    --------
    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    *most, one = dict.fromkeys(names)
    return f"{', '.join(most)} {last} {one}" if most else one


def _name(row: Row) -> str:
    """Return the name of a program in a sentence."""
    details = ", ".join(filter(None, [row["framework"], row["mode"], row["dtype"]]))
    return f"{row['implementation']} ({details})"


def _on_loss(row: Row, outputs: Row, mine: Mine) -> str:
    """Return what a program makes of the mean loss: the end of a sentence."""
    mean, change = float(outputs["mean_loss"]), float(row["loss_change"])
    if row["broken"]:
        return f"returns nan or inf for {samples(row['broken'])}"
    if row["shifted"]:
        verb = "understates" if change < 0 else "overstates"
        whose = {True: "the training loss", False: "your validation loss", None: "the mean loss"}
        size = f"{number(mean + change)} in place of {number(mean)}"
        return f"{verb} {whose[mine.trained]}: {size} ({harm.moved(change, mean)})"
    return harm.wrong(row, int(outputs["mistakes"])).replace("wrong", "gives a wrong", 1)


def _training(mine: Mine) -> str:
    return "Training" if mine.trained else "Training on such samples"


def on_program(row: Row, outputs: Row, mine: Mine) -> str:
    """Return the answer for one program.

    Parameters
    ----------
    row : mapping
        A row of `sigmoid_bce.verdicts.harm.counts`.
    outputs : mapping
        The row of all labels of the table of outputs.
    mine : Mine
    """
    kind, name, mistakes = Harm(row["harm"]), _name(row), int(outputs["mistakes"])
    if kind is Harm.BREAKS:
        return f"{_training(mine)} breaks: {name} {_on_loss(row, outputs, mine)}."
    if kind is Harm.BLIND:
        gives = f"{name} gives {'it' if row['blind'] == 1 else 'them'} no gradient."
        text = f"{_training(mine)} is blind to {of_mistakes(row['blind'], mistakes)}: {gives}"
        return f"{text} It {_on_loss(row, outputs, mine)}." if row["shifted"] else text
    if kind is Harm.LOSS:
        what = "Only a metric is wrong"
        if row["trains"]:
            wrong = row["shifted"] or any(row[n] for n in ("flat", "off", "broken", "off_right"))
            what = "The loss is wrong" if wrong else "The gradient is wrong"
        return f"{what}: {name} {_on_loss(row, outputs, mine)}."
    if kind is Harm.RIGHT_SIDE:
        right = samples(row["right"], "right prediction")
        return (
            f"Nothing that matters is lost: {name} is right at every mistake. {right} "
            f"{'has' if row['right'] == 1 else 'have'} a wrong loss or gradient, close to 0."
        )
    what = "loss and gradient are right" if row["trains"] else "the metric is right"
    return f"Nothing is lost: with {name}, {what} at all {int(outputs['samples']):,} raw outputs."


def on_framework(rows: pd.DataFrame, outputs: Row, mine: Mine) -> str:
    """Return the answer for the programs of one framework, the worst first."""
    losses = rows[rows["trains"]].to_dict("records")
    metrics = rows[~rows["trains"]].to_dict("records")
    parts = _on_losses(losses, outputs, mine) if losses else []
    if metrics and metrics[0]["harm"] == Harm.LOSS:
        row = metrics[0]
        mode = f" ({row['mode']})" if row["mode"] else ""
        parts.append(f"Its metric {row['implementation']}{mode} {_on_loss(row, outputs, mine)}.")
    elif not losses:
        parts.append(f"Nothing is lost: each of its {len(metrics)} metrics is right here.")
    return " ".join(parts)


def _on_losses(losses: list[dict[Any, Any]], outputs: Row, mine: Mine) -> list[str]:
    """Return the answer for what one framework trains with, the worst first."""
    worst, title = losses[0], losses[0]["framework"]
    written = WRITTEN.get(title, {})
    if worst["harm"] <= Harm.RIGHT_SIDE:
        right = "right here" if worst["harm"] == Harm.NOTHING else "right at every mistake"
        names = {row["implementation"] for row in losses}
        which = f"each of its {len(names)} losses is"
        if len(names) == 1:
            of = getattr(written.get(worst["implementation"]), "of", "")
            which = f"its loss {worst['implementation']}{f' ({of} train with it)' if of else ''} is"
        return [f"Nothing that a training needs is lost with {title}: {which} {right}."]
    one = on_program(worst, outputs, mine)
    parts = [f"It depends on your loss. {one}" if losses[-1]["harm"] < worst["harm"] else one]
    order = [*written, *(row["implementation"] for row in losses)]
    fine = [row for row in losses if row["harm"] <= Harm.RIGHT_SIDE]
    if fine:
        best = min(fine, key=lambda row: (row["from_sigmoid"], order.index(row["implementation"])))
        parts.append(f"With {best['implementation']}, no mistake is affected.")
    return parts


def on_all(rows: pd.DataFrame, outputs: Row, mine: Mine) -> str:
    """Return the answer for the programs of several frameworks, the worst first."""
    mistakes, total = int(outputs["mistakes"]), rows["framework"].nunique()
    worst = rows.iloc[0].to_dict()
    kind = Harm(worst["harm"])
    if kind is Harm.NOTHING:
        return (
            f"Nothing is lost: every loss of {total} frameworks is right at all "
            f"{int(outputs['samples']):,} raw outputs."
        )
    if kind is Harm.RIGHT_SIDE:
        return (
            f"Nothing that matters is lost: every loss of {total} frameworks is right at every "
            "mistake. Some give right predictions a wrong loss or gradient, close to 0."
        )
    if kind is Harm.LOSS:
        fine = total - rows.loc[rows["harm"] == Harm.LOSS, "framework"].nunique()
        none = f"{fine} of {total} frameworks lose nothing that matters. " if fine else ""
        return f"{none}Every mistake keeps a gradient. At worst, {_name(worst)} " + (
            f"{_on_loss(worst, outputs, mine)}."
        )
    parts = ["It depends on your loss."]
    blind = rows[rows["harm"] == Harm.BLIND]
    if len(blind):
        most = blind[blind["blind"] == blind["blind"].max()]
        source = " from sigmoid outputs" if most["from_sigmoid"].all() else ""
        raw = rows[rows["trains"] & ~rows["from_sigmoid"]]
        cured = bool(source) and len(raw) > 0 and bool((raw["harm"] <= Harm.RIGHT_SIDE).all())
        parts.append(
            f"{_training(mine)} is blind to {of_mistakes(most['blind'].iloc[0], mistakes)} with a "
            f"loss{source} in {joined(most['framework'])}"
            + (", and to none with a loss from raw outputs in any framework." if cured else ".")
        )
    broken = rows[rows["harm"] == Harm.BREAKS]
    if len(broken):
        names = joined(f"'{name}'" for name in broken["implementation"])
        parts.append(f"In {joined(broken['framework'])}, {names} gives nan or inf.")
    return " ".join(parts)


CAUSES = {
    Harm.BREAKS: "the sigmoid output is rounded to 0 or 1, and log(0) is not finite",
    Harm.BLIND: "the sigmoid output is rounded or clipped to a constant, which has no gradient",
    Harm.LOSS: "the sigmoid output is rounded or clipped to a constant, and so is the loss",
}
ARITHMETIC = "its own arithmetic is flat or not finite"


class _Reach(NamedTuple):
    """The furthest mistake of a label, and from where on a program loses such mistakes."""

    label: int
    furthest: float
    start: float

    @property
    def gap(self) -> float:
        """How far the furthest mistake is from being lost; inf if that cannot happen."""
        gap = self.start - self.furthest
        return gap if self.furthest and not np.isnan(gap) else np.inf


def why(rows: pd.DataFrame, outputs: Row) -> str:
    """Return why the first program does what it does: its threshold, and the furthest mistake.

    Where nothing is lost, the threshold is that of the program that fails first.
    """
    row = rows.iloc[0].to_dict()
    kind = Harm(row["harm"])
    fine = kind <= Harm.RIGHT_SIDE
    cause = CAUSES.get(kind, "") if row["from_sigmoid"] else ARITHMETIC
    if kind is Harm.BREAKS:
        return f"Why: {cause}."
    starts = (rows if fine else rows.head(1))[["wrong_from_0", "wrong_from_1"]].min()
    reaches = [
        _Reach(y, float(outputs[f"wrong_side_max_{y}"]), float(starts[f"wrong_from_{y}"]))
        for y in (0, 1)
    ]
    off = "" if fine else " This loss is off by more than 1 %, although it is nowhere flat."
    most = max(reach.furthest for reach in reaches)
    if not most:
        return f"Why: there is no mistake among these samples.{off}"
    # of the labels, that whose mistakes come nearest to being lost, or go furthest beyond
    near = min(reaches, key=lambda reach: reach.gap)
    alone = len(rows[["framework", "implementation"]].drop_duplicates()) == 1
    which = "this loss keeps" if alone else "these losses keep"
    at = f"your furthest mistake of label {near.label} is at |x| = {number(near.furthest)}"
    if np.isinf(near.gap):
        keep = f"; {which} mistakes of any size" if fine else ""
        return f"Why: your furthest mistake is at |x| = {number(most)}{keep}.{off}"
    if fine:
        return f"Why: {at}; {which} such mistakes up to |x| = {number(near.start)}."
    if near.gap > 0:
        flat = f"it is off by more than 1 % before it is flat, at |x| = {number(near.start)}"
        return f"Why: {flat}; {at}."
    return f"Why: from |x| = {number(near.start)} on, {cause}; {at}."
