"""The tables of a study of learning, recomputed by other functions; verdicts; error rates."""

import itertools
import os
import statistics

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from sigmoid_bce.comparison import paired
from sigmoid_bce.comparison.ends import judged_epochs
from sigmoid_bce.comparison.learning import BETTER, tables, verdict
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.study.learning import Regime

MARGINS = {"accuracy": 0.005, "auc": 0.002, "ece": 0.005, "exact_loss": 0.005}
MARGINS["exact_loss_share"] = 0.02
SEEDS = range(100, 140)


def cell(shift=0.0, spread=0.0, chaos=0.0, failed=(), stuck=(), seeds=SEEDS, arm=0):
    """Return a learning cell: `shift` is better by so much, in every metric.

    A seed has its own level; `spread` is an arm's own noise, `chaos` that of every arm.
    """
    level = np.random.default_rng(1).normal(0, 0.02, len(seeds))
    noise = np.random.default_rng(2 + arm).normal(0, 1, (len(seeds), len(BETTER)))
    noise -= noise.mean(axis=0)
    rows = []
    for i, seed in enumerate(seeds):
        better = level[i] + shift + (spread + chaos) * noise[i]
        row = {"seed": seed, "failed": seed in failed, "majority": 0.6}
        row |= {"accuracy": 0.6 if seed in stuck else 0.9, "exact_loss": 0.5}
        row |= {"dead_misclassified": 0.9 if seed in stuck else np.nan, "loss": 0.4}
        for (metric, sign), value in zip(BETTER.items(), better, strict=True):
            row[f"val_{metric}"] = 0.8 + sign * value if sign > 0 else 0.2 - value
        if seed in failed:  # accuracy stays a number
            row |= {"val_exact_loss": np.nan, "val_auc": np.nan, "exact_loss": np.inf}
        early = {**row, "val_accuracy": 0.5, "val_exact_loss": 9.0, "accuracy": 0.5}
        rows += [{**early, "epoch": 0}, {**row, "epoch": 7}]
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


CALM = {
    "logits": {},
    "twin_up": {"spread": 1e-6, "arm": 1},
    "twin_down": {"spread": 1e-6, "arm": 2},
}
CHAOS = {name: {"chaos": 0.1, "arm": i} for i, name in enumerate(CALM)}
MANY = range(100, 115)
# the other arms of a regime, and the class of verdict that a person would give
REGIMES = {
    "calm": (
        CALM,
        {
            "same": ({}, "equivalent"),
            "near": ({"shift": -1e-4, "spread": 1e-4, "arm": 3}, "equivalent"),
            "harmful": ({"shift": -0.1, "spread": 0.01, "arm": 3}, "harms"),
            "harmful by one number": ({"shift": -0.1}, "harms"),
            "helpful": ({"shift": 0.1, "spread": 0.01, "arm": 3}, "helps"),
            "at the margin": ({"shift": -0.005, "spread": 0.02, "arm": 5}, "open"),
            "noisy": ({"spread": 0.03, "arm": 4}, "open"),
            "mostly nan": ({"failed": MANY}, "harms"),
            "nan once": ({"failed": [100]}, "open"),
            "nan once, and harmful": ({"failed": [100], "shift": -0.1}, "harms"),
            "all nan": ({"failed": SEEDS}, "harms"),
        },
    ),
    "chaotic": (
        CHAOS,
        {
            "same": ({"chaos": 0.1}, "equivalent"),
            "near": ({"chaos": 0.1, "arm": 3}, "not decidable"),
            "harmful": ({"chaos": 0.1, "shift": -0.03, "arm": 4}, "not decidable"),
            "ruinous": ({"chaos": 0.1, "shift": -0.5, "arm": 4}, "harms"),
        },
    ),
    "failing": (
        {name: {**how, "failed": MANY} for name, how in CALM.items()},
        {
            "same": ({"failed": MANY}, "open"),
            "cured": ({}, "open"),
            "ruinous": ({"failed": SEEDS}, "harms"),
        },
    ),
    "hopeless": ({name: {"failed": SEEDS} for name in CALM}, {"cured": ({}, "not decidable")}),
}


def regime(name, **changes):
    arms = [*REGIMES[name][0], *REGIMES[name][1]]
    given = {
        "part": "exploratory",
        "question": "matters",
        "asks": "",
        "batch_size": 32,
        "seeds": SEEDS,
    }
    given |= {"models": dict.fromkeys(arms, "linear"), "primary": "auc", "dataset": name}
    return Regime(**{**given, **changes})


def read(place):
    assert (place.model, place.batch_size) == ("linear", 32)
    twins, others = REGIMES[place.dataset]
    return cell(**({**twins, **{arm: how for arm, (how, _) in others.items()}}[place.loss]))


@pytest.fixture(scope="module", autouse=True)
def few_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paired, "RESAMPLES", 499)
        yield


@pytest.fixture(scope="module")
def made(few_resamples):
    return tables([regime(name) for name in REGIMES], read, MARGINS)


def test_verdicts_are_a_persons(made):
    wanted = {(r, arm): v for r, (_, arms) in REGIMES.items() for arm, (_, v) in arms.items()}
    for row in made.learning.to_dict("records"):
        if row["loss"].startswith("twin"):
            calm = row["dataset"] == "calm"
            assert row["verdict"] in (("equivalent",) if calm else ("open", "not decidable"))
        else:
            key = (row["dataset"], row["loss"])
            assert (*key, row["metric"], row["verdict"]) == (*key, row["metric"], wanted[key])


def by_hand(d, margin):
    """Return statistics of finite differences by other functions than the package's."""
    n, mean = len(d), sum(d) / len(d)
    sd = (sum((d - mean) ** 2) / (n - 1)) ** 0.5
    half = stats.t.isf(0.025, n - 1) * sd / n**0.5
    below = stats.ttest_1samp(d, margin, alternative="less").pvalue
    above = stats.ttest_1samp(d, -margin, alternative="greater").pvalue
    ranks = stats.rankdata(abs(d[d != 0]))
    return {
        "difference": mean, "sd": sd, "t_low": mean - half, "t_high": mean + half,
        "tost_p": max(below, above), "rank sum": min(ranks[d[d != 0] > 0].sum(),
        ranks[d[d != 0] < 0].sum()), "median": statistics.median(d),
    }  # fmt: skip


def holm_by_hand(p):
    order, out, most = np.argsort(p), np.empty(len(p)), 0.0
    for rank, i in enumerate(order):
        most = max(most, min(1.0, (len(p) - rank) * p[i]))
        out[i] = most
    return out


def test_holms_adjustment_is_that_of_statsmodels():
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 30):
        p = np.round(rng.uniform(0, 0.2, n) ** 2, 3)
        np.testing.assert_allclose(paired.holm(p), multipletests(p, method="holm")[1])
        np.testing.assert_allclose(paired.holm(p), holm_by_hand(p))
    np.testing.assert_array_equal(paired.holm([np.nan, 0.02, 0.01]), [np.nan, 0.02, 0.02])
    assert len(paired.holm([])) == 0


def test_every_row_is_recomputed_from_the_pairs_by_other_functions(made):
    keys = ["dataset", "loss", "metric"]
    pairs = dict(list(made.pairs.groupby(keys)))
    assert len(pairs) == len(made.learning)
    for row in made.learning.to_dict("records"):
        part = pairs[tuple(row[key] for key in keys)]
        assert part["seed"].tolist() == list(SEEDS)
        np.testing.assert_allclose(
            part["difference"], part["value"] - part["reference"], atol=1e-12
        )
        d = part["difference"].to_numpy()
        d = d[np.isfinite(d)]
        assert row["n"] == len(d)
        assert row["failed"] == part["failed"].sum()
        if len(d) == 0:
            assert np.isnan([row[name] for name in ("difference", "t_low", "q05", "sd")]).all()
            assert row["wilcoxon_p"] == row["tost_p"] == 1
            continue
        if np.ptp(d) == 0:
            ends = [row[f"{kind}_{end}"] for kind in ("t", "bootstrap") for end in ("low", "high")]
            assert ends == [d[0]] * 4
            assert row["tost_p"] == float(abs(d[0]) >= row["margin"])
            continue
        hand = by_hand(d, row["margin"])
        for name in ("difference", "sd", "t_low", "t_high", "tost_p"):
            assert row[name] == pytest.approx(hand[name], rel=1e-7, abs=1e-15)
        assert row["median"] == pytest.approx(hand["median"])
        assert row["bootstrap_low"] == pytest.approx(row["t_low"], abs=0.4 * row["sd"] + 1e-12)
        assert row["bootstrap_high"] == pytest.approx(row["t_high"], abs=0.4 * row["sd"] + 1e-12)
        found = stats.wilcoxon(d)
        assert found.statistic == hand["rank sum"]
        assert row["wilcoxon_p"] == found.pvalue
    for name, adjusted in (("wilcoxon_p", "p_adjusted"), ("tost_p", "tost_p_adjusted")):
        np.testing.assert_allclose(made.learning[adjusted], holm_by_hand(made.learning[name]))


def test_the_exact_losss_margin_follows_the_reference(made):
    margins = made.learning.drop_duplicates(["dataset", "metric"]).set_index(["dataset", "metric"])
    runs = last(cell())
    assert margins["margin"]["calm", "auc"] == 0.002
    assert margins["margin"]["calm", "exact_loss"] == 0.005  # 2 % of 0.2 are less
    short = regime("calm", models=dict.fromkeys(["logits", "same"], "linear"))
    high = tables([short], read, {**MARGINS, "exact_loss_share": 0.5}).learning
    high = high[high["metric"] == "exact_loss"]["margin"].unique()
    assert high == pytest.approx(0.5 * runs["val_exact_loss"].mean())
    assert margins["margin"]["hopeless", "exact_loss"] == 0.005


def test_the_best_epoch_is_that_of_the_lowest_exact_loss():
    """Of seed 1 the best epoch is before a failure; seed 2 fails from the first epoch on."""
    table = pd.DataFrame({"seed": np.repeat([0, 1, 2], 4), "epoch": [0, 1, 2, 3] * 3})
    table["val_exact_loss"] = [3, 1, 1, 2, 5, 4, np.nan, np.inf, *[np.nan] * 4]
    table = table.assign(exact_loss=table["val_exact_loss"], failed=table["seed"] == 2)
    best, ends = judged_epochs(table, "best"), judged_epochs(table)
    assert list(best["epoch"]) == [1, 1, 3]
    assert list(best["failed"]) == [False, False, True]
    assert list(ends["epoch"]) == [3, 3, 3]
    assert list(ends["failed"]) == [False, True, True]


def last(table):
    return table[table["epoch"] == 7].sort_values("seed")


@pytest.mark.parametrize(
    ("changes", "twin", "expected"),
    [
        ({}, (-0.01, 0.01), "harms"),  # few networks are stuck, and ranks hardly see it
        ({"stuck_p_adjusted": 0.2}, (-0.01, 0.01), "open"),
        ({}, (-0.2, 0.2), "not decidable"),
        ({"t_high": 0.004}, (-0.01, 0.01), "not decidable"),
        ({"t_high": -0.004}, (0.0, 0.0), "open"),
        ({"t_low": 0.1, "t_high": 0.3}, (-0.01, 0.01), "helps"),
    ],
)
def test_stuck_networks_show_a_difference(changes, twin, expected):
    row = {"metric": "accuracy", "seeds": 40, "n": 40, "failed": 0, "failed_reference": 0}
    row |= {"failed_p_adjusted": 1.0, "stuck_p_adjusted": 0.001, "margin": 0.005}
    row |= {"p_adjusted": 0.5, "tost_p_adjusted": 1.0, "t_low": -0.2, "t_high": -0.05}
    twins = [{"t_low": twin[0], "t_high": twin[1], "tost_p": 0.5 * (twin != (0, 0))}]
    assert verdict(row | changes, twins) == expected


@pytest.mark.parametrize("of_reference", [0, 3, 20])
@pytest.mark.parametrize("stuck", [0, 1, 7, 20])
def test_stuck_runs_are_counted_exactly(stuck, of_reference):
    seeds = range(20)

    def read(place):
        return cell(stuck=range(stuck) if place.loss == "arm" else range(of_reference), seeds=seeds)

    models = {"logits": "linear", "arm": "linear"}
    found = tables([regime("calm", models=models, seeds=seeds)], read, MARGINS).stuck
    reference, row = found.to_dict("records")
    assert (reference["stuck"], reference["loss"]) == (of_reference, "logits")
    assert np.isnan(reference["mcnemar_p"])
    interval = stats.binomtest(stuck, 20).proportion_ci(0.95, "exact")
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert (row["stuck"], row["share"], row["n"]) == (stuck, stuck / 20, 20)
    more = max(0, stuck - of_reference)
    less = max(0, of_reference - stuck)
    assert (row["only_arm"], row["only_reference"]) == (more, less)
    p = stats.binomtest(more, more + less).pvalue if more + less else 1
    assert row["mcnemar_p"] == row["mcnemar_p_adjusted"] == pytest.approx(p)


def test_a_missing_run_is_named_and_accepted_only_where_asked_for():
    def read(place):
        return cell(seeds=range(100, 138) if place.loss == "same" else SEEDS)

    asked = regime("calm", models={"logits": "a", "twin_up": "a", "same": "b"})
    with pytest.raises(UserError, match="learning/calm/b/same/32: no run of seeds 138, 139, which"):
        tables([asked], read, MARGINS)
    found = tables([asked], read, MARGINS, incomplete=True).learning
    assert found.groupby("loss")["n"].first().to_dict() == {"same": 38, "twin_up": 40}


def test_a_missing_margin_is_named():
    with pytest.raises(UserError, match="no margin of auc: write"):
        tables([regime("calm")], read, {k: v for k, v in MARGINS.items() if k != "auc"})


def test_families_are_questions():
    """A row's adjusted p values depend on the rows of its own question and part alone."""
    models = dict.fromkeys(["logits", "twin_up", "near"], "linear")
    one = regime("calm", models=models)
    two = regime("chaotic", question="another", models=models)
    alone, both = (tables(r, read, MARGINS).learning for r in ([one], [one, two]))
    pd.testing.assert_frame_equal(alone, both[both["question"] == "matters"])
    assert both["family"].unique().tolist() == ["exploratory.matters", "exploratory.another"]


@pytest.mark.parametrize("n", [0, 1, 2, 5])
@pytest.mark.parametrize("value", [0.0, 0.001, 1e-300, -1e6])
def test_few_or_equal_differences_have_no_nan_among_p(n, value):
    for d in (np.full(n, value), value * np.arange(n)):
        found = paired.describe(d, 0.005)
        assert 0 <= found["tost_p"] <= 1
        assert 0 <= found["wilcoxon_p"] <= 1
        assert (n < 2) == np.isnan(found["t_low"]) == np.isnan(found["bootstrap_high"])
        assert np.isnan(found["median"]) == (n == 0)


EXAMPLES = int(os.environ.get("SIGMOID_BCE_EXAMPLES", "40"))
DRAWS = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "heavy tails": lambda rng, n: rng.standard_t(3, n),
    "counts": lambda rng, n: rng.integers(-2, 3, n) / 1.4,
}


@pytest.mark.parametrize("name", DRAWS)
def test_error_rates(name):
    """Among families of four rows, at most 5 % have a false alarm, whatever the difference is.

    With no difference, harm or help is false; with one of the margin, equivalence is.
    """
    rng, n, size = np.random.default_rng(3), 20, 4
    false = {0.0: 0, 0.3: 0}
    for _, shift in itertools.product(range(EXAMPLES), false):
        margin = shift  # for harm and help, the strictest margin is 0
        family = [DRAWS[name](rng, n) + shift for _ in range(size)]
        p = paired.holm([paired.wilcoxon_p(d) for d in family])
        tost = paired.holm([paired.tost_p(d, margin) for d in family])
        rows = [
            {"metric": "auc", "seeds": n, "n": n, "failed": 0, "failed_reference": 0}
            | {
                "failed_p_adjusted": 1.0,
                "stuck_p_adjusted": 1.0,
                "margin": margin,
                "t_low": low,
                "t_high": high,
            }
            | {"p_adjusted": p[i], "tost_p_adjusted": tost[i]}
            for i, (low, high) in enumerate(map(paired.t_interval, family))
        ]
        wrong = ("equivalent",) if shift else ("harms", "helps")
        false[shift] += any(verdict(row, []) in wrong for row in rows)
    limit = stats.binom.isf(1e-4, EXAMPLES, paired.LEVEL)
    assert max(false.values()) <= limit, false
