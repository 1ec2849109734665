"""The verdict in plain words: the answer, why, what to change, what was checked."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from sigmoid_bce.verdicts import changes, harm, programs, sentences
from sigmoid_bce.verdicts.changes import Change
from sigmoid_bce.verdicts.count import Counted
from sigmoid_bce.verdicts.errors import EVERY
from sigmoid_bce.verdicts.harm import Harm, Row, of_mistakes, percent, samples
from sigmoid_bce.verdicts.listing import PROGRAM, distinct
from sigmoid_bce.verdicts.outputs import Outputs
from sigmoid_bce.verdicts.programs import Mine
from sigmoid_bce.verdicts.sentences import joined
from sigmoid_bce.verdicts.written import WRITTEN

NAMED = 3
"""More names than these are counted."""


class Answer(NamedTuple):
    """The verdict in words.

    Parameters
    ----------
    about : str
        What was judged.
    answer, why, change, checked : str
        A sentence or two each.
    question : str
        What to say so that the answer is about one program; empty if it is.
    diff : str
        The lines to change, after ``-`` and ``+``; empty if there are none.
    """

    about: str
    answer: str
    why: str
    change: str
    checked: str
    question: str
    diff: str

    @property
    def lines(self) -> tuple[str, ...]:
        """The five lines."""
        code = "; ".join(line[2:] for line in self.diff.splitlines() if not line.startswith("-"))
        change = f"{self.change} Write: {code}" if code else self.change
        return (
            self.about,
            self.answer,
            self.why,
            change,
            f"{self.checked} {self.question}".strip(),
        )


def about(name: str, outputs: pd.DataFrame, shape: tuple[int, ...], of: str) -> str:
    """Return what was judged.

    Parameters
    ----------
    name : str
        The file's name.
    outputs : DataFrame
        As in `sigmoid_bce.verdicts.result.Verdict`.
    shape : tuple of int
        Height and width, if each row is a map.
    of : str
        What the samples are for, or what the rows of `outputs` are: the end of a phrase.
    """
    whole = outputs.iloc[-1]
    of += f" in maps of {' x '.join(map(str, shape))} pixels (height x width)" if shape else ""
    number, low, high = int(whole["samples"]), whole["raw_output_min"], whole["raw_output_max"]
    reach = f"of {harm.number(low + 0.0)}"  # not of -0
    if number > 1:
        reach = f"from {harm.number(low + 0.0)} to {harm.number(high + 0.0)}"
    return (
        f"{name or 'Raw outputs'}: {samples(number, 'raw output')}{of} {reach}, "
        f"{samples(int(whole['mistakes']), 'mistake')} (raw outputs of the wrong sign), mean loss "
        f"{harm.number(whole['mean_loss'])}."
    )


def _counted(names: list[str], what: str) -> str:
    """Return names in a sentence, or their number."""
    return joined(names) if len(names) <= NAMED else f"{len(names)} {what}"


def _checked(rows: pd.DataFrame, outputs: Row, record: str, more: str) -> str:
    losses = list(dict.fromkeys(rows["implementation"]))
    titles = list(dict.fromkeys(rows["framework"]))
    if len(titles) > 1:
        losses = list(map(str, range(len(rows[PROGRAM].drop_duplicates()))))
    number = samples(int(outputs["samples"]), "raw output")
    return (
        f"Checked: {_counted(losses, 'losses and metrics')} of {_counted(titles, 'frameworks')} in "
        f"{joined(rows['dtype'], 'or')}, at each of {number}{record}.{more}"
    )


def _question(rows: pd.DataFrame, worst: Row, mine: Mine) -> str:
    """Return the one question whose answer makes the verdict more specific."""
    losses = rows[rows["trains"]]
    if worst["harm"] <= Harm.RIGHT_SIDE:
        return ""
    if rows["framework"].nunique() > 1:
        keras = all(title.startswith("Keras on") for title in rows["framework"])
        if keras and mine.framework:
            return "Which backend do you run? For instance: --framework 'Keras on TensorFlow'."
        return f"Which do you run? For instance: --framework '{worst['framework']}'."
    harmful = losses["harm"] > Harm.RIGHT_SIDE
    if not harmful.any():
        return ""
    if not harmful.all() and losses["implementation"].nunique() > 1:
        entry = WRITTEN.get(worst["framework"], {}).get(worst["implementation"])
        name = next(iter(entry.names if entry else ()), worst["implementation"])
        return f"Which loss do you write? For instance: --loss '{name}'."
    if not harmful.all():
        return f"In which mode do you run it? For instance: --mode {worst['mode'].split('/')[0]}."
    if mine.trained is None:
        return "Is the network trained on these samples? Say --split train or --split validation."
    return ""


def _in_half(every: pd.DataFrame, rows: pd.DataFrame, outputs: Row, mine: Mine) -> str:
    """Return what half precision would add, where the user named no precision."""
    if mine.dtype or mine.autocast or mine.raw_dtype or not rows["trains"].any():
        return ""
    half = every[every["dtype"].isin(programs.HALF)]
    half = half[half["framework"].isin(rows["framework"])]
    most = half.loc[half["implementation"].isin(rows["implementation"]), "blind"].max()
    if not most > rows["blind"].max():
        return ""
    most, mistakes = int(most), int(outputs["mistakes"])
    who = of_mistakes(most, mistakes)
    who = f"{who} gets" if mistakes == 1 else f"up to {who} get"
    return f" In half precision, {who} no gradient (--dtype bfloat16)."


def answer(
    name: str,
    outputs: pd.DataFrame,
    table: pd.DataFrame,
    mine: Mine,
    shape: tuple[int, ...] = (),
    record: str = "",
    label: str = EVERY,
) -> tuple[Answer, pd.DataFrame]:
    """Return the verdict in plain words, and the programs that it is about.

    Parameters
    ----------
    name : str
        The file's name.
    outputs, table : DataFrame
        As `outputs` and `implementations` of `sigmoid_bce.verdicts.result.Verdict`.
    mine : Mine
        What the user runs.
    shape : tuple of int
        Height and width, if each row is a map.
    record : str
        What to say of the record's origin, the end of a sentence.
    label : str
        The rows of `outputs` and `table` to speak of; by default all labels together.

    Returns
    -------
    Answer
    DataFrame
        As `sigmoid_bce.verdicts.harm.counts` returns them, with the column effect.

    Raises
    ------
    BadOutputs
        If the record does not hold what the user runs.
    """
    whole = outputs[outputs["label"] == label].iloc[0].to_dict()
    every = harm.counts(programs.in_use(table, label), whole, mine.trained)
    rows = programs.chosen(every, mine)
    rows = rows.assign(effect=[harm.effect(row, whole) for row in rows.to_dict("records")])
    shown = distinct(rows)
    worst = shown.iloc[0].to_dict()
    reason, change = shown, Change("Change nothing.")
    if shown["framework"].nunique() > 1:
        text = sentences.on_all(shown, whole, mine)
        # a formula that breaks is a beginner's; what most people lose is gradients
        unbroken = shown[shown["harm"] != Harm.BREAKS]
        reason = unbroken if unbroken["harm"].max() == Harm.BLIND else shown
        if worst["harm"] > Harm.RIGHT_SIDE:
            change = Change(
                "Change: compute the loss from raw outputs, not from probabilities. For the lines, "
                "name one framework."
            )
    else:
        text = (
            sentences.on_framework(shown, whole, mine)
            if len(shown) > 1
            else sentences.on_program(worst, whole, mine)
        )
        framework = every[every["framework"] == worst["framework"]]
        if not framework["trains"].any():
            text += f" {sentences.NOT_MEASURED.format(worst['framework'])}"
        change = changes.of_program(worst, framework, mine.loss)
    of = f" of {'training' if mine.trained else mine.kind} samples" if mine.kind else ""
    if len(outputs) > 1:
        of += f" of {len(outputs) - 1} labels"
    found = Answer(
        about=about(name, outputs, shape, of),
        answer=text,
        why=sentences.why(reason, whole),
        change=change.text,
        checked=_checked(rows, whole, record, _in_half(every, rows, whole, mine)),
        question=_question(shown, reason.iloc[0].to_dict(), mine),
        diff=change.diff,
    )
    return found, rows


def warnings(outputs: Outputs, counted: Counted) -> list[str]:
    """Return limits of the verdict that the reader should know.

    Parameters
    ----------
    outputs : Outputs
    counted : Counted
    """
    out = []
    for name, tally in zip(outputs.labels, counted.tallies, strict=True):
        of = f"{'split' if outputs.splits else 'label'} {name}: " if name else ""
        left = tally.left_out - outputs.others
        if left and not outputs.splits:
            whole = left + tally.samples
            share = percent(left / whole)
            out.append(f"{of}left out: {left:,} of {whole:,} samples ({share})")
        if tally.ones in (0, tally.samples - tally.sideless):
            only = int(tally.ones > 0)
            out.append(
                f"{of}one class only: every label is {only}, and the verdict says nothing of "
                f"label {1 - only}"
            )
        if tally.soft:
            out.append(
                f"{of}{samples(tally.soft, 'label')} between 0 and 1: a soft label uses the "
                "thresholds of the nearer hard label, and the change of the mean loss is not "
                "computed"
            )
        if tally.sideless:
            labels = samples(tally.sideless, "label")
            are = "is" if tally.sideless == 1 else "are"
            out.append(f"{of}{labels} {are} 0.5, which counts for neither side")
    return out
