"""The answer in a sentence or two, and why: for one program, one framework, or several."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from sigmoid_bce.verdicts import harm
from sigmoid_bce.verdicts.harm import Harm, Row, of_mistakes, samples
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
        size = f"{mean + change:.3g} in place of {mean:.3g}"
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
    title = rows["framework"].iloc[0]
    losses, metrics = (
        rows[rows["trains"] == trains].to_dict("records") for trains in (True, False)
    )
    parts = []
    if losses:
        worst, best = losses[0], losses[-1]
        if worst["harm"] <= Harm.RIGHT_SIDE:
            right = "right here" if worst["harm"] == Harm.NOTHING else "right at every mistake"
            names = set(row["implementation"] for row in losses)
            which = f"each of its {len(names)} losses is"
            if len(names) == 1:
                entry = WRITTEN.get(title, {}).get(worst["implementation"])
                of = f" ({entry.of} train with it)" if entry and entry.of else ""
                which = f"its loss {worst['implementation']}{of} is"
            parts.append(f"Nothing that a training needs is lost with {title}: {which} {right}.")
        else:
            one = on_program(worst, outputs, mine)
            parts.append(f"It depends on your loss. {one}" if best["harm"] < worst["harm"] else one)
            order = [*WRITTEN.get(title, {}), *(row["implementation"] for row in losses)]
            fine = [row["implementation"] for row in losses if row["harm"] <= Harm.RIGHT_SIDE]
            if fine:
                parts.append(f"With {min(fine, key=order.index)}, no mistake is affected.")
    if metrics:
        row = metrics[0]
        mode = f" ({row['mode']})" if row["mode"] else ""
        called = f"{row['implementation']}{mode}"
        if row["harm"] == Harm.LOSS:
            parts.append(f"Its metric {called} {_on_loss(row, outputs, mine)}.")
        elif not losses:
            parts.append(f"Nothing is lost: each of its {len(metrics)} metrics is right here.")
    return " ".join(parts)


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


def why(rows: pd.DataFrame, outputs: Row) -> str:
    """Return why the first program does what it does: its threshold, and the furthest mistake.

    Where nothing is lost, the threshold is that of the program that fails first.
    """
    row = rows.iloc[0].to_dict()
    kind = Harm(row["harm"])
    fine = kind <= Harm.RIGHT_SIDE
    furthest = {y: float(outputs[f"wrong_side_max_{y}"]) for y in (0, 1)}
    if kind is Harm.BREAKS:
        return f"Why: {CAUSES[kind] if row['from_sigmoid'] else ARITHMETIC}."
    if not any(furthest.values()):
        none = "there is no mistake among these samples"
        off = "; this loss is off by more than 1 % although it is nowhere flat"
        return f"Why: {none}{'' if fine else off}."
    starts = (rows if fine else rows.head(1))[[f"wrong_from_{y}" for y in (0, 1)]].min()
    start = {y: float(starts[f"wrong_from_{y}"]) for y in (0, 1)}
    # the label whose furthest mistake goes furthest beyond its threshold, or comes nearest to it
    gap = {y: start[y] - furthest[y] if furthest[y] else np.inf for y in (0, 1)}
    gap = {y: np.inf if np.isnan(value) else value for y, value in gap.items()}
    y = min(gap, key=lambda label: gap[label])
    alone = rows[["framework", "implementation"]].drop_duplicates().shape[0] == 1
    which = "this loss keeps" if alone else "these losses keep"
    if np.isinf(gap[y]):
        far = f"your furthest mistake is at |x| = {max(furthest.values()):.3g}"
        if fine:
            return f"Why: {far}; {which} mistakes of any size."
        return f"Why: it is off by more than 1 % there, although it is nowhere flat; {far}."
    at = f"your furthest mistake of label {y} is at |x| = {furthest[y]:.3g}"
    if fine:
        return f"Why: {at}; {which} such mistakes up to |x| = {start[y]:.3g}."
    if gap[y] > 0:
        return f"Why: it is off by more than 1 % before it is flat, at |x| = {start[y]:.3g}; {at}."
    cause = CAUSES[kind] if row["from_sigmoid"] else ARITHMETIC
    return f"Why: from |x| = {start[y]:.3g} on, {cause}; {at}."
