"""Does it matter for learning? The answer, a sentence from rows of the tables each, at most ten."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from sigmoid_bce.comparison.learning import PLACE
from sigmoid_bce.comparison.paired import LEVEL
from sigmoid_bce.study.learning import CLIPPED, REFERENCE, TWINS

WORDS = {
    "accuracy": "accuracy",
    "auc": "AUC",
    "ece": "calibration error",
    "exact_loss": "exact loss",
}


class NoRegime(Exception):
    """A study has no regime of which a sentence could speak."""


def some(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows, of which there must be one."""
    if rows.empty:
        raise NoRegime
    return rows


class Evidence:
    """The tables of a study, and the rows that sentences are made of.

    Parameters
    ----------
    learning, stuck : DataFrame
        As `sigmoid_bce.comparison.learning.tables` returns them.
    """

    def __init__(self, learning: pd.DataFrame, stuck: pd.DataFrame):
        self.learning, self.stuck = learning, stuck
        self.primary = learning[learning["primary"]]

    def of(self, loss: str, *verdicts: str) -> pd.DataFrame:
        """Return the rows of a loss in the primary metrics, with one of some verdicts."""
        rows = self.primary[self.primary["loss"] == loss]
        return rows[rows["verdict"].isin(verdicts)] if verdicts else rows

    def shared(self, *losses: str) -> pd.DataFrame:
        """Return the regimes in which the same network is trained with each of some losses."""
        rows = self.stuck[self.stuck["loss"].isin(losses)]
        return rows.groupby(PLACE).filter(lambda group: len(group) == len(losses))

    def stuck_of(self, loss: str, among: pd.DataFrame | None = None) -> tuple[int, int]:
        """Return how many networks of a loss are stuck, and of how many."""
        rows = self.stuck[self.stuck["loss"] == loss]
        if among is not None:
            rows = rows.merge(among[[*PLACE]].drop_duplicates(), on=PLACE)
        return int(rows["stuck"].sum()), int(rows["n"].sum())

    def failed_of(self, loss: str) -> tuple[int, int]:
        """Return how many networks of a loss end in nan or infinity, and of how many."""
        rows = self.stuck[self.stuck["loss"] == loss]
        return int(rows["failed"].sum()), int(rows["n"].sum())

    def twins(self, undecided: pd.DataFrame) -> pd.DataFrame:
        """Return the twins, not equivalent to the reference, that leave some rows undecided."""
        twins = self.primary[self.primary["loss"].isin(TWINS) & ~(self.primary["tost_p"] < LEVEL)]
        shared = [name for name in PLACE if name != "model"]
        found = [twins.iloc[:0]]
        for _, row in undecided.iterrows():
            there = twins[(twins[shared] == row[shared]).all(axis=1)]
            same = there[there["model"] == row["model"]]
            # where each loss has a network of its own, a twin may have another one
            found.append(same if len(same) else there)
        return pd.concat(found)


def regime(row: pd.Series) -> str:
    """Return the words for the regime of a row.

    Examples
    --------
    >>> names = {"question": "rare", "dataset": "eight", "model": "linear", "batch_size": 32}
    >>> regime(pd.Series(names))
    '"rare" (eight, linear, batch size 32)'
    """
    return f'"{row["question"]}" ({row["dataset"]}, {row["model"]}, batch size {row["batch_size"]})'


def regimes(number: int) -> str:
    """Return a number of regimes in words.

    Examples
    --------
    >>> regimes(1), regimes(9)
    ('1 regime', '9 regimes')
    """
    return f"{number} regime{'s' * (number != 1)}"


def questions(rows: pd.DataFrame) -> str:
    """Return the questions of some rows, with the number of regimes of each."""
    counts = rows.groupby("question", sort=False).size()
    return ", ".join(f"{name} {number}" for name, number in counts.items())


def worst(rows: pd.DataFrame) -> pd.Series:
    """Return the row whose difference is the most margins; nan counts least."""
    return rows.loc[(rows["difference"].abs() / rows["margin"]).fillna(-1.0).idxmax()]


def change(row: pd.Series) -> str:
    """Return the words for a row's difference: both means, and the interval."""
    if not row["n"]:
        return f"no pair of finite trainings, since {row['failed']} of {row['seeds']} end in nan"
    return (
        f"{WORDS[row['metric']]} {row['mean']:.3g} in place of {row['mean_reference']:.3g} "
        f"(difference {row['difference']:+.3g}, 95 % interval {row['t_low']:+.3g} to "
        f"{row['t_high']:+.3g})"
    )


def same(e: Evidence) -> str:
    """Say where it does not matter, and by which margins."""
    rows, all_rows = some(e.of(CLIPPED, "equivalent")), e.of(CLIPPED)
    margins = rows.groupby("metric", sort=False)["margin"].agg(["min", "max"])
    limits = ", ".join(
        f"{WORDS[name]} {low:.3g}" + (f" to {high:.3g}" if high > low else "")
        for name, low, high in margins.itertuples()
    )
    return (
        f"In {len(rows)} of {len(all_rows)} regimes it does not matter: the loss from clipped "
        f"sigmoid outputs and the loss from logits are equivalent within the margins ({limits}). "
        f"Regimes by question: {questions(rows)}."
    )


def harm(e: Evidence) -> str:
    """Say where it harms, and how much at worst."""
    rows = some(e.of(CLIPPED, "harms"))
    row = worst(rows)
    return (
        f"In {regimes(len(rows))} it harms ({questions(rows)}). The worst is {regime(row)}: "
        f"{change(row)}."
    )


def stuck(e: Evidence) -> str:
    """Say how harm looks from inside: stuck networks."""
    rows = some(e.stuck[(e.stuck["loss"] == CLIPPED) & (e.stuck["stuck"] > 0)])
    number, of, reference = rows[["stuck", "n", "stuck_reference"]].sum()
    harmed = len(rows.merge(e.of(CLIPPED, "harms")[PLACE], on=PLACE))
    return (
        f"In {regimes(len(rows))} ({harmed} of them harmed) networks get stuck: {number} of {of}, "
        f"and {reference} of those trained from logits. At least half of the samples that a stuck "
        "network gets wrong have a gradient of exactly 0, and no longer move it."
    )


def _least_displayed(e: Evidence) -> pd.Series:
    """Return the row of the clipped loss whose stuck networks display the least loss."""
    rows = some(e.stuck[(e.stuck["loss"] == CLIPPED) & (e.stuck["stuck"] > 0)])
    return rows.loc[rows["stuck_loss"].idxmin()]


def hides(e: Evidence) -> bool:
    """Return whether some stuck networks display a loss below that of guessing, log 2."""
    return bool(_least_displayed(e)["stuck_loss"] < math.log(2))


def hidden(e: Evidence) -> str:
    """Say whether harm hides from whoever watches the displayed loss and the accuracy."""
    row = _least_displayed(e)
    text = "It can hide: in" if hides(e) else "It shows: even in"
    return (
        f"{text} {regime(row)}, stuck networks display, on average, a loss of "
        f"{row['stuck_loss']:.3f} and an accuracy of {row['stuck_accuracy']:.3f} in training. "
        f"Their exact loss is {row['stuck_exact_loss']:.2f}, and their AUC on new samples "
        f"{row['stuck_val_auc']:.2f}."
    )


def mechanism(e: Evidence) -> str:
    """Say which side of the clip does it."""
    wrong, correct = "wrong_side_zeroed", "correct_side_zeroed"
    losses = (CLIPPED, wrong, correct, REFERENCE)
    there = some(e.shared(*losses))
    counts = {loss: e.stuck_of(loss, there) for loss in losses}
    lead = "The wrong side alone does it."
    if not counts[CLIPPED][0] + counts[wrong][0] + counts[correct][0]:
        lead = "Neither side does it here."
    elif counts[correct][0] > counts[REFERENCE][0] or not counts[wrong][0]:
        lead = "It is not the wrong side alone."
    return (
        f"{lead} In the {regimes(there.groupby(PLACE).ngroups)} that test "
        f"it, {counts[CLIPPED][0]} of {counts[wrong][1]} networks are stuck with the clip. If only "
        f"the gradient of samples far on the wrong side is set to 0, it is {counts[wrong][0]}; if "
        f"only that of samples far on the correct side is, {counts[correct][0]}; with logits, "
        f"{counts[REFERENCE][0]}."
    )


def cure(e: Evidence) -> str:
    """Say what cures it."""
    some(e.stuck)
    number, of = e.stuck_of(REFERENCE)
    keras = e.learning[(e.learning["loss"] == "sigmoid_keras") & (e.learning["n"] > 0)]
    # of a single pair, the standard deviation is nan
    equal = int(((keras["difference"] == 0) & ~(keras["sd"] > 0)).sum())
    text = f"With the loss from logits, {number} of {of} networks are stuck."
    if failed := e.failed_of(REFERENCE)[0]:
        text = f"{text[:-1]}, and {failed} end in nan or infinity."
    if not len(keras):
        return text
    recovers = "recovers the logits from its own sigmoid, so it is the same"
    if equal < len(keras):
        recovers = "is not the same after its own sigmoid"
    return (
        f"{text} Keras 3 on TensorFlow {recovers}: {equal} of {len(keras)} mean differences from "
        "logits are exactly 0."
    )


def no_cure(e: Evidence) -> str:
    """Say which other formulas do not cure it."""
    names = {
        "two_epsilons": "a second epsilon in the logarithms",
        "bce_loss": "PyTorch's BCELoss",
    }
    some(e.stuck[e.stuck["loss"].isin([*names, "naive"])])
    parts, harmed = [], []
    for loss, words in names.items():
        number, of = e.stuck_of(loss)
        if of:
            parts.append(f"with {words}, {number} of {of} networks are stuck")
            harmed.append(number)
    failed, of = e.failed_of("naive")
    if of:
        parts.append(f"without any clip, {failed} of {of} end in nan or infinity")
        harmed.append(failed)
    lead = "Another formula of the sigmoid's output is no cure"
    if not any(harmed):
        lead = "Other formulas of the sigmoid's output do no harm here"
    elif not all(harmed):
        lead = "Some other formulas of the sigmoid's output are no cure"
    return f"{lead}: {'; '.join(parts)}."


def half(e: Evidence) -> str:
    """Say what half precision does."""
    there = some(e.stuck[e.stuck["loss"].isin(["sigmoid_bfloat16", "sigmoid_float16"])])
    arms = {
        "the sigmoid in bfloat16": "sigmoid_bfloat16",
        "the sigmoid in float16": "sigmoid_float16",
        "only the raw output in bfloat16": "sigmoid_after_bfloat16",
        "only the raw output in float16": "sigmoid_after_float16",
    }
    counts = {words: e.stuck_of(loss) for words, loss in arms.items()}
    counts["all in float32"] = e.stuck_of(CLIPPED, there)
    parts = [f"{words}: {number} of {of}" for words, (number, of) in counts.items() if of]
    earlier = [
        e.stuck_of(loss)[0] > e.stuck_of(CLIPPED, rows)[0]
        for loss in ("sigmoid_bfloat16", "sigmoid_float16")
        if len(rows := there[there["loss"] == loss])
    ]
    lead = "A sigmoid in half precision does it earlier. " if all(earlier) else ""
    return f"{lead}Stuck networks with {'; '.join(parts)}."


def helps(e: Evidence) -> str:
    """Say where a clip helps, and at what price."""
    rows = some(e.of(CLIPPED, "helps"))
    row = worst(rows)
    price = e.learning[(e.learning[[*PLACE, "loss"]] == row[[*PLACE, "loss"]]).all(axis=1)]
    price = price[price["metric"] != row["metric"]]
    costs = ", ".join(
        f"{WORDS[r['metric']]} {r['mean']:.3g} and {r['mean_reference']:.3g}"
        for _, r in price.iterrows()
    )
    return (
        f"In {regimes(len(rows))} it helps ({questions(rows)}). The most in {regime(row)}: "
        f"{change(row)}. There {int(row['failed_reference'])} of {int(row['seeds'])} trainings "
        "from logits fail, and no mean counts their pairs. With the clip and from logits: "
        f"{costs}."
    )


def undecided(e: Evidence) -> str:
    """Say where nothing can be said, and why."""
    some(e.of(CLIPPED))
    rows, rest = e.of(CLIPPED, "not decidable"), e.of(CLIPPED, "open")
    few = f" In {regimes(len(rest))} the seeds do not suffice to decide." if len(rest) else ""
    every = e.primary[e.primary["loss"].isin(TWINS)]
    if every.empty:
        return f"No twins were trained: how far chance moves a network is unknown.{few}"
    twins = e.twins(rows)
    if twins.empty:
        return f"In no regime do twins differ as much as the losses do.{few}"
    row = worst(twins)
    words = (
        f"it changes {WORDS[row['metric']]} by {row['difference']:+.3g} on average, with a "
        f"standard deviation of {row['sd']:.3g}"
    )
    if row["n"] < 2:
        words = f"{row['n']} of {row['seeds']} pairs of twins are finite"
    return (
        f"In {regimes(len(rows))} nothing can be decided ({questions(rows)}): there, a last bit of "
        "the initial weights is not shown to change less than the margin either. In "
        f"{regime(row)} {words}.{few}"
    )


SENTENCES: dict[str, Callable[[Evidence], str]] = {
    "same": same,
    "harm": harm,
    "stuck": stuck,
    "hidden": hidden,
    "mechanism": mechanism,
    "cure": cure,
    "no_cure": no_cure,
    "half": half,
    "helps": helps,
    "undecided": undecided,
}
"""The sentences by name, in their order."""

NOTHING = {
    "same": "In no regime are the two losses shown to be equivalent.",
    "harm": "In no regime is the loss from clipped sigmoid outputs shown to harm.",
    "stuck": "No network that is trained with the loss from clipped sigmoid outputs is stuck.",
    "helps": "In no regime is the loss from clipped sigmoid outputs shown to help.",
}
"""What is said where a study has no row to speak of. Other sentences are left out there."""


def said(sentence: Callable[[Evidence], str], evidence: Evidence, nothing: str) -> str:
    """Return a sentence, or `nothing` where a study has no regime for it."""
    try:
        return sentence(evidence)
    except NoRegime:
        return nothing


def answer(learning: pd.DataFrame, stuck: pd.DataFrame) -> pd.DataFrame:
    """Return the answer that a study gives.

    Parameters
    ----------
    learning, stuck : DataFrame
        As `sigmoid_bce.comparison.learning.tables` returns them.

    Returns
    -------
    DataFrame
        name, sentence: at most ten rows. Each number of a sentence is that of a row of the tables,
        or a sum over rows. A study without a regime for a sentence has no such row, or, where that
        is an answer as well, a row that says so.
    """
    evidence = Evidence(learning, stuck)
    rows = [(name, said(s, evidence, NOTHING.get(name, ""))) for name, s in SENTENCES.items()]
    return pd.DataFrame([row for row in rows if row[1]], columns=["name", "sentence"])
