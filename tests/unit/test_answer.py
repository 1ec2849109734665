"""Each sentence of the answer follows from the rows, whatever a study has found."""

import re
from unittest import mock

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmoid_bce.comparison import learning, paired
from sigmoid_bce.comparison.answer import SENTENCES, answer
from sigmoid_bce.comparison.conclusions import conclusions
from sigmoid_bce.study.learning import REFERENCE, Regime

LOSSES = (
    "logits", "twin_up", "sigmoid_clipped", "sigmoid_keras", "two_epsilons", "bce_loss", "naive",
    "wrong_side_zeroed", "correct_side_zeroed", "sigmoid_bfloat16", "sigmoid_after_bfloat16",
)  # fmt: skip
MARGINS = {"accuracy": 0.005, "auc": 0.002, "ece": 0.005, "exact_loss": 0.005}
SEEDS = range(8)


def epochs(value, spread, stuck, failed, loss, chance):
    """Return the last epochs of an arm: `stuck` and `failed` of its trainings, which are others."""
    number = len(SEEDS)
    is_stuck, is_failed = np.arange(number) < stuck, np.arange(number) >= number - failed
    values = value + spread * chance.normal(size=number)
    table = pd.DataFrame({"seed": SEEDS, "epoch": 9, "failed": is_failed, "majority": 0.6})
    table["accuracy"] = np.where(is_stuck, 0.6, 0.9)
    table["dead_misclassified"] = np.where(is_stuck, 0.9, 0.0)
    table["loss"] = loss
    table["exact_loss"] = np.where(is_failed, np.inf, 1.0)
    return table.assign(**{f"val_{metric}": values for metric in learning.BETTER})


COUNT = st.integers(0, len(SEEDS) // 2)
ARM = st.tuples(
    st.sampled_from([0.5, 0.5, 0.3]), st.sampled_from([0, 0.01, 0.5]), COUNT, COUNT,
    st.sampled_from([0.1, 8.0]),
)  # fmt: skip


def study(arms, own):
    """Return the tables of a study of two data sets with these arms."""
    chance = np.random.default_rng(0)
    found = [
        Regime(
            "exploratory", "q", "Does it?", "auc", dataset,
            {loss: f"m-{loss}" if own else "m" for loss in arms[dataset]}, 4, SEEDS,
        )
        for dataset in arms
    ]  # fmt: skip
    made = {}
    for regime in found:
        for loss, arm in arms[regime.dataset].items():
            made[regime.cell(loss)] = epochs(*arm, chance)
    with mock.patch.object(paired, "bootstrap_interval", paired.t_interval):  # it takes seconds
        return learning.tables(found, made.__getitem__, MARGINS)


def arms_of(losses):
    return st.fixed_dictionaries(dict.fromkeys(("a", "b"), st.fixed_dictionaries(losses)))


EVERY = {loss: ARM for loss in LOSSES}
SOME = st.sampled_from([EVERY, {k: EVERY[k] for k in ("logits", "sigmoid_clipped", "bce_loss")}])


@settings(max_examples=8)
@given(SOME.flatmap(arms_of), st.booleans())
def test_each_sentence_follows_from_the_rows(arms, own):
    found = study(arms, own)
    said = answer(found.learning, found.stuck).set_index("name")["sentence"]
    assert [name for name in SENTENCES if name in said] == list(said.index)
    said = said.reindex(SENTENCES).fillna("")
    counts = found.stuck.groupby("loss")[["n", "stuck", "failed"]].sum()
    number = lambda loss, what="stuck": int(counts[what].get(loss, 0))  # noqa: E731
    verdicts = found.learning.query("primary and loss == 'sigmoid_clipped'")["verdict"]
    # what is trained with logits, and what Keras computes after its sigmoid
    failed = number(REFERENCE, "failed")
    assert (f"and {failed} end in nan" in said["cure"]) == (failed > 0)
    if "recovers the logits" in said["cure"]:
        equal, of = re.search(r"(\d+) of (\d+) mean differences", said["cure"]).groups()
        assert equal == of
    # the formulas that do not cure it
    other = [number("two_epsilons"), number("bce_loss"), number("naive", "failed")]
    if len(counts) < len(LOSSES):
        other = other[1:2]
    assert ("do no harm" in said["no_cure"]) == (not any(other))
    assert said["no_cure"].startswith("Another formula") == all(other)
    # the side, where the same network is trained with each loss
    if "The wrong side alone does it" in said["mechanism"]:
        assert number("wrong_side_zeroed") > 0
        assert number("correct_side_zeroed") <= number(REFERENCE)
    if "does it earlier" in said["half"]:
        assert number("sigmoid_bfloat16") > number("sigmoid_clipped") or own
    # what hides displays less than a guess
    if "It can hide" in said["hidden"]:
        assert float(re.search(r"a loss of ([\d.]+)", said["hidden"])[1]) < np.log(2)
    # what cannot be decided
    undecided = re.match(r"In (\d+) regimes? nothing can", said["undecided"])
    if len(counts) == len(LOSSES):
        assert (int(undecided[1]) if undecided else 0) == (verdicts == "not decidable").sum()
    assert "nan on average" not in said["undecided"]
    # the article's first conclusion
    measured = conclusions(found.learning, found.stuck)["measured"]
    keeps = number("sigmoid_clipped", "failed") == 0
    assert measured[0].startswith("The clip keeps the loss finite") == keeps
    assert ("Its price" in measured[0]) == (number("sigmoid_clipped") > 0)
