"""The answer in a sentence or two, and why: for one program, one framework, or several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sigmoid_bce.verdicts import harm
from sigmoid_bce.verdicts.harm import Harm, Row, number, of_mistakes, samples
from sigmoid_bce.verdicts.programs import MEASURED, Mine
from sigmoid_bce.verdicts.written import WRITTEN

NO_MISTAKE = "there is no mistake among these samples"
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
    mode = "" if row["mode"] in MEASURED else row["mode"]
    details = ", ".join(filter(None, [row["framework"], mode, row["dtype"]]))
    return f"{row['implementation']} ({details})"


def _on_loss(row: Row, outputs: Row, mine: Mine) -> str:
    """Return what a program makes of the mean loss: the end of a sentence."""
    mean, change = float(outputs["mean_loss"]), float(row["loss_change"])
    if row["broken"]:
        return f"returns nan or inf for {samples(row['broken'])}"
    if row["shifted"]:
        verb = "understates" if change < 0 else "overstates"
        whose = {"": "the mean", "train": "the training"}.get(mine.kind, f"your {mine.kind}")
        # of a difference of large numbers, nothing is left
        small = abs(mean + change) < 1e-6 * mean
        size = f"{'next to nothing' if small else number(mean + change)} in place of {number(mean)}"
        return f"{verb} {whose} loss: {size} ({harm.moved(change, mean)})"
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
            what = f"The {harm.wrong_quantity(row)} is wrong"
        return f"{what}: {name} {_on_loss(row, outputs, mine)}."
    return _on_fine(row, outputs)


def _on_fine(row: Row, outputs: Row) -> str:
    """Return the answer for a program that loses nothing that matters."""
    name, total = _name(row), int(outputs["samples"])
    if row["harm"] == Harm.RIGHT_SIDE:
        where = f"{name} is right at every mistake" if outputs["mistakes"] else NO_MISTAKE
        return (
            f"Nothing that matters is lost: {where}. {samples(row['right'], 'right prediction')} "
            f"{'has' if row['right'] == 1 else 'have'} a wrong loss"
            f"{' or gradient' if row['trains'] else ''}, close to 0."
        )
    what = "loss and gradient are right" if row["trains"] else "the metric is right"
    where = f"all {total:,} raw outputs" if total > 1 else "the only raw output"
    return f"Nothing is lost: with {name}, {what} at {where}."


def on_framework(rows: pd.DataFrame, outputs: Row, mine: Mine) -> str:
    """Return the answer for the programs of one framework, the worst first."""
    losses = rows[rows["trains"]].to_dict("records")
    metrics = rows[~rows["trains"]].to_dict("records")
    parts = _on_losses(losses, outputs, mine) if losses else []
    if metrics and metrics[0]["harm"] == Harm.LOSS:
        row = metrics[0]
        mode = f" ({row['mode']})" if row["mode"] not in ("", *MEASURED) else ""
        called = row["implementation"].removeprefix("metric ")
        parts.append(f"Its metric {called}{mode} {_on_loss(row, outputs, mine)}.")
    elif not losses:
        parts.append(f"Nothing is lost: each of its {len(metrics)} metrics is right here.")
    return " ".join(parts)


def _on_losses(losses: list[dict[Any, Any]], outputs: Row, mine: Mine) -> list[str]:
    """Return the answer for what one framework trains with, the worst first."""
    worst, title = losses[0], losses[0]["framework"]
    written = WRITTEN.get(title, {})
    names = list(dict.fromkeys(row["implementation"] for row in losses))
    if worst["harm"] <= Harm.RIGHT_SIDE:
        right = "right here" if worst["harm"] == Harm.NOTHING else "right at every mistake"
        which = f"each of its {len(names)} losses is"
        if len(names) == 1:
            of = getattr(written.get(names[0]), "of", "")
            which = f"the loss of {of}, {names[0]}, is" if of else f"its loss {names[0]} is"
        if not outputs["mistakes"] and worst["harm"] == Harm.RIGHT_SIDE:
            return [f"Nothing that a training needs is lost with {title}: {NO_MISTAKE}."]
        return [f"Nothing that a training needs is lost with {title}: {which} {right}."]
    one = on_program(worst, outputs, mine)
    if losses[-1]["harm"] == worst["harm"]:
        return [one]
    order = [*written, *names]
    fine = [row for row in losses if row["harm"] <= Harm.RIGHT_SIDE]
    parts = [f"It depends on {'your loss' if len(names) > 1 else 'the mode'}. {one}"]
    if fine:
        best = min(fine, key=lambda row: (row["from_sigmoid"], order.index(row["implementation"])))
        mode = (
            f" in mode {best['mode']}" if best["implementation"] == worst["implementation"] else ""
        )
        parts.append(f"With {best['implementation']}{mode}, no mistake is affected.")
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
    losses, keras = rows[rows["trains"]], rows["framework"].str.startswith("Keras on").all()
    depends = "your loss"
    if losses["implementation"].nunique() == 1:
        depends = "the backend" if keras else "the framework"
    parts = [f"It depends on {depends}."]
    if (losses["harm"] == Harm.BLIND).any():
        parts.append(_on_blind(losses, mistakes, mine))
    broken = rows[rows["harm"] == Harm.BREAKS]
    if len(broken):
        names = joined(f"'{name}'" for name in broken["implementation"])
        parts.append(f"In {joined(broken['framework'])}, {names} gives nan or inf.")
    return " ".join(parts)


def _on_blind(losses: pd.DataFrame, mistakes: int, mine: Mine) -> str:
    """Return how many mistakes get no gradient, in which frameworks, and where all of them do."""
    blind = losses[losses["harm"] == Harm.BLIND]
    most = blind[blind["blind"] == blind["blind"].max()]
    source = " from sigmoid outputs" if most["from_sigmoid"].all() else ""
    raw = losses[~losses["from_sigmoid"]]
    cured = bool(source) and len(raw) > 0 and bool((raw["harm"] <= Harm.RIGHT_SIDE).all())
    text = (
        f"{_training(mine)} is blind to {of_mistakes(most['blind'].iloc[0], mistakes)} with a "
        f"loss{source} in {joined(most['framework'])}"
        + (", and to none with a loss from raw outputs in any of them." if cured else ".")
    )
    fine = losses.groupby("framework", sort=False)["harm"].max() <= Harm.RIGHT_SIDE
    if mine.any and fine.any():
        text += f" With {joined(fine.index[fine])}, no mistake is affected."
    return text


CAUSES = {
    Harm.BREAKS: "the sigmoid output is rounded to 0 or 1, and log(0) is not finite",
    Harm.BLIND: "the sigmoid output is rounded or clipped to a constant, which has no gradient",
    Harm.LOSS: "the sigmoid output is rounded or clipped to a constant, and so is the loss",
}
ARITHMETIC = "its own arithmetic is flat or not finite"


class _Reach(NamedTuple):
    """Of a label: the furthest mistake, where something begins, and the share that is lost."""

    label: int
    furthest: float
    start: float
    lost: float

    @property
    def gap(self) -> float:
        """How far the furthest mistake is from that place; inf if it cannot happen."""
        gap = self.start - self.furthest
        return gap if self.furthest and not np.isnan(gap) else np.inf


def _reaches(rows: pd.DataFrame, outputs: Row, place: str = "wrong_from") -> list[_Reach]:
    """Return the reach of either label, that with most lost mistakes or the smallest gap first."""
    start, row = rows[[f"{place}_0", f"{place}_1"]].min(), rows.iloc[0]
    found = [
        _Reach(
            y,
            float(outputs[f"wrong_side_max_{y}"]),
            float(start[f"{place}_{y}"]),
            float(row[f"lost_{y}_share"]),
        )
        for y in (0, 1)
    ]
    return sorted(found, key=lambda reach: (-reach.lost, reach.gap))


def why(rows: pd.DataFrame, outputs: Row) -> str:
    """Return why the first program does what it does: its threshold, and the furthest mistake.

    Where nothing is lost, the threshold is that of the program that fails first.
    """
    row = rows.iloc[0].to_dict()
    kind = Harm(row["harm"])
    cause = CAUSES.get(kind, "") if row["from_sigmoid"] else ARITHMETIC
    if kind is Harm.BREAKS:
        return f"Why: {cause}."
    if kind <= Harm.RIGHT_SIDE:
        return _why_not(rows, outputs)
    near = _reaches(rows.head(1), outputs)[0]
    if near.lost:
        return f"Why: from |x| = {number(near.start)} on, {cause}; {_at(near)}."
    what = harm.wrong_quantity(row)
    off = min(_reaches(rows.head(1), outputs, f"{what}_off_from"), key=lambda reach: reach.gap)
    if off.gap <= 0:
        where = f"from |x| = {number(off.start)} on, the {what} of a mistake"
        return f"Why: {where} of label {off.label} is off by more than 1 %; {_at(off)}."
    if row["clipped_correct_share"]:
        start = number(row["right_flat_from"])
        return f"Why: from |x| = {start} on, the loss of right predictions is a constant."
    return f"Why: this {what} of right predictions is off by more than 1 %."


def _at(reach: _Reach) -> str:
    """Return where the furthest mistake of a label is."""
    return f"your furthest mistake of label {reach.label} is at |x| = {number(reach.furthest)}"


def _why_not(rows: pd.DataFrame, outputs: Row) -> str:
    """Return why nothing is lost."""
    # of all programs, that which fails first
    near = min(_reaches(rows, outputs, "right_until"), key=lambda reach: reach.gap)
    most = max(float(outputs[f"wrong_side_max_{y}"]) for y in (0, 1))
    if not outputs["mistakes"]:
        return f"Why: {NO_MISTAKE}; an earlier epoch may have had some."
    alone = len(rows[["framework", "implementation"]].drop_duplicates()) == 1
    right = "this loss is right" if alone else "these losses are right"
    if not rows["trains"].any():
        right = right.replace("loss is", "metric is").replace("losses", "metrics")
    if np.isinf(near.gap):
        return f"Why: your furthest mistake is at |x| = {number(most)}; {right} at any."
    return f"Why: {_at(near)}; {right} for such mistakes up to |x| = {number(near.start)}."
