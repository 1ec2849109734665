"""Figures of a study of learning show the trainings and the tables that their titles name."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from sigmoid_bce.comparison import paired
from sigmoid_bce.comparison.learning import BETTER
from sigmoid_bce.figures import registry, style
from sigmoid_bce.figures.learning import figure_9, figure_10, figure_12
from support.figures import quoted
from support.studies import EPOCHS, LOSSES, NOISE, RATES, STUDY, cell, learning_tables, regime

NAMES = [f"figure-{number}" for number in range(7, 13)]


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def quick():
    """Resample little: no figure shows bootstrap intervals."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paired, "RESAMPLES", 99)
        yield


@pytest.fixture(scope="module")
def study(tmp_path_factory, quick):
    """Return a function from regimes to the tables of a study; an order shuffles every file."""

    def of(regimes, order=None):
        return learning_tables(tmp_path_factory.mktemp("study"), regimes, order=order)

    return of


@pytest.fixture(scope="module")
def whole(study):
    return study(STUDY)


@pytest.fixture(scope="module")
def ordered(study):
    return study(RATES[:2])


@pytest.fixture(scope="module")
def shuffled(study):
    return study(RATES[:2], order=4)


def rows_of(whole, one, loss):
    found = cell(one.cell(loss), one.seeds)
    return found, found[found["epoch"] == EPOCHS[-1]].set_index("seed")


def panels(figure):
    """Return the panels of a figure by the first word of their titles."""
    return {re.match(r"\w+", axis.get_title())[0]: axis for axis in figure.axes if axis.get_title()}


def lines(axis):
    """Return the curves of a panel by their labels."""
    return {line.get_label(): np.asarray(line.get_xydata(), float) for line in axis.lines}


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_rows_changes_no_learning_figure(ordered, shuffled, name):
    figure = registry.load("learning", name)
    assert figure.values(ordered) == pytest.approx(figure.values(shuffled))
    one, other = figure.draw(ordered), figure.draw(shuffled)
    for a, b in zip(one.axes, other.axes, strict=True):
        assert a.get_title() == b.get_title()
        assert [t.get_text() for t in a.texts] == [t.get_text() for t in b.texts]
        for first, second in zip(a.lines, b.lines, strict=True):
            np.testing.assert_allclose(
                np.asarray(first.get_xydata(), float), np.asarray(second.get_xydata(), float)
            )


SMALL = {
    "one seed of one regime": [regime(seeds=range(3, 4))],
    "no seed finite": [regime(losses=("logits", "naive"), seeds=range(1))],
    "own networks, one cell of two questions": [
        replace(regime(), models={"logits": "slow", "focal": "fast"}),
        regime(question="again", losses=("logits", "focal"), seeds=range(8, 14)),
    ],
}


@pytest.mark.parametrize("regimes", SMALL.values(), ids=SMALL)
def test_small_studies_have_every_figure(study, regimes):
    tables = study(regimes)
    for name in [one for one in NAMES if one != "figure-10" or figure_10.sweeps(tables)]:
        figure = registry.load("learning", name)
        drawn = figure.draw(tables)
        assert quoted(name) == set(figure.values(tables))
        if name == "figure-12":
            points = sum(len(line.get_xdata()) for axis in drawn.axes for line in axis.lines)
            runs = {(one.cell(loss), seed) for one in regimes for loss in one.models
                    for seed in one.seeds}  # fmt: skip
            # and the line at a cosine of 0
            assert points == len(runs) + 2 * len(drawn.axes)


def test_the_plainest_regime_has_the_largest_harm_in_margins(study, whole):
    harm = {
        i: -whole.harms(one)["benefit"]["sigmoid_clipped"] for i, one in enumerate(whole.regimes)
    }
    assert whole.plainest is whole.regimes[max(harm, key=harm.get)]
    assert set(whole.plainest.models.values()) == {"fast"}
    why = whole.why_plainest()
    assert "is worse than ``logits`` by the most margins of its primary metric" in why
    assert "harms" not in why.split("The verdict")[0]
    verdict = whole.harms(whole.plainest)["verdict"]["sigmoid_clipped"]
    assert why.endswith(f"The verdict: {verdict}.")
    for losses in (("logits", "focal"), LOSSES):
        calm = study([regime(losses=losses), regime("flipped", losses=losses)])
        harmless = [calm.harms(one)["benefit"].get("sigmoid_clipped", 0) for one in calm.regimes]
        if min(harmless) >= 0:
            assert calm.plainest is calm.regimes[0]
            assert "the first regime of the study" in calm.why_plainest()


def test_figure_7_shows_quantiles_over_seeds_and_the_clip(whole):
    drawn = registry.load("learning", "figure-7").draw(whole)
    one = whole.plainest
    (legend,) = drawn.legends
    assert legend.get_title().get_text() == f"{one.dataset}, fast, batch\xa032, 12 seeds"
    assert (drawn.get_supxlabel(), drawn.get_supylabel()) == ("epoch", "raw output")
    titles = [axis.get_title() for axis in drawn.axes]
    titles = [title.replace("\n", " ") for title in titles]
    assert titles == ["logits", "twin_up", "sigmoid_clipped", "naive, 4 of 12 nan", "focal"]
    for loss, axis in panels(drawn).items():
        found, _ = rows_of(whole, one, loss)
        for label in (0, 1):
            by_epoch = found.groupby("epoch")[f"raw_{label}_q50"].median()
            np.testing.assert_array_equal(
                lines(axis)[f"label {label}"], np.column_stack([by_epoch.index, by_epoch])
            )
        edge = found.groupby("epoch")["raw_1_q95"].quantile(0.95)
        # the last drawn: label 1
        np.testing.assert_allclose(np.asarray(axis.lines[-2].get_ydata(), float), edge)
        low, high = axis.get_ylim()
        shaded = sorted(p.get_y() for p in axis.patches)
        assert shaded == pytest.approx([low, 16.118])
        assert high > found["raw_1_q95"].max()


def test_figure_8_writes_counts_and_exact_intervals(whole):
    figure = registry.load("learning", "figure-8")
    axis = figure.draw(whole).axes[0]
    columns = [label.get_text() for label in axis.get_xticklabels()]
    assert columns == list(LOSSES)
    places = dict(
        zip(axis.get_yticks(), [t.get_text() for t in axis.get_yticklabels()], strict=True)
    )
    texts = {}
    for text in axis.texts:
        x, y = text.get_position()
        if x % 1 == 0.5:
            texts[y, columns[int(x)]] = text.get_text().splitlines()
    assert len(texts) == sum(len(one.models) for one in STUDY)
    for row, one in zip(sorted(places), whole.regimes, strict=True):
        assert (
            places[row].replace("\n", " ") == f"{one.dataset}, {one.models['logits']}, batch\xa032"
        )
        for loss in one.models:
            _, last = rows_of(whole, one, loss)
            stuck = int((last["dead_misclassified"] > 0.5).sum())
            failed = ["†4"] * (loss == "naive")
            # exact 95 % limits of 6 of 12, from a table
            assert texts[row, loss] == [str(stuck), *["21–79"] * bool(stuck), *failed]
    plain = whole.stuck[whole.stuck["loss"].isin(["logits", "twin_up"])]["n"].sum()
    assert figure.values(whole)["found"].endswith(f"Of the {plain} with ``logits`` and its twins, "
        "none is stuck.")  # fmt: skip


def test_figure_9_has_harms_on_the_left_whatever_the_metric(whole):
    drawn = registry.load("learning", "figure-9").draw(whole)
    axes = [axis for axis in drawn.axes if axis.get_visible()]
    assert len(axes) == len(STUDY)
    losses = []
    for axis, one in zip(axes, whole.regimes, strict=True):
        place = f"{one.dataset}, {one.models['logits']}, batch\xa032"
        title = axis.get_title().replace("\n", " ")
        assert title.startswith(f"{place} {one.primary}, margin ")
        names = [label.get_text() for label in axis.get_yticklabels()]
        losses = names or losses  # the first panel of a row shows them
        assert losses == [loss for loss in LOSSES if loss in one.models and loss != "logits"]
        rows = whole.of(whole.learning, one).query(f"metric == '{one.primary}'").set_index("loss")
        points = {y: line for line in axis.lines if len(line.get_ydata()) == 1
                  for y in line.get_ydata()}  # fmt: skip
        for y, loss in enumerate(losses):
            row = rows.loc[loss]
            expected = BETTER[one.primary] * row["difference"] / row["margin"]
            assert points[y].get_xdata()[0] == pytest.approx(expected)
            assert points[y].get_label() == row["verdict"]
            assert points[y].get_marker() == figure_9.CLASSES[row["verdict"]].marker
        texts = {text.xy[1]: text.get_text() for text in axis.texts}
        failed = {losses.index("naive"): "†4"} if "naive" in losses else {}
        assert texts == failed
    found = registry.load("learning", "figure-9").values(whole)["found"]
    number, _, *counts = map(int, re.findall(r"(?<!\w)(\d+) ", found.replace("none", "0")))
    assert sum(counts) == number == sum(len(one.models) - 1 for one in STUDY)
    assert len(counts) == len(figure_9.CLASSES)


def test_figure_10_has_the_questions_that_flip_labels(study, whole):
    figure = registry.load("learning", "figure-10")
    drawn = figure.draw(whole)
    titles = [axis.get_title().replace("\n", " ") for axis in drawn.axes]
    assert titles == [
        f"rates: {dataset}, label noise {100 * noise:g} % linear, sgd, batch 32"
        for dataset, noise in NOISE.items()
    ]
    for axis, dataset in zip(drawn.axes, NOISE, strict=True):
        assert [tick.get_text() for tick in axis.get_xticklabels()] == ["0.1", "10"]
        for loss in ("logits", "sigmoid_clipped", "naive", "focal"):
            for i, one in enumerate(one for one in RATES if one.dataset == dataset):
                _, last = rows_of(whole, one, loss)
                mean = last.loc[~last["failed"], "val_accuracy"].mean()
                np.testing.assert_allclose(lines(axis)[loss][i], [(0.1, 10)[i], mean])
        assert "twin_up" not in lines(axis)
    assert figure.values(whole)["highest"].startswith("With label noise of 20 % (``flipped``)")
    calm = study([one for one in RATES if one.dataset == "tame"])
    assert len(figure.draw(calm).axes) == 1
    alone = study([regime(), regime("flipped")])
    assert figure_10.sweeps(alone) == []  # the plan leaves the figure out


def test_figure_8_has_a_table_for_some_losses_each(study, monkeypatch):
    figure = registry.load("learning", "figure-8")
    monkeypatch.setattr(figure, "COLUMNS", 2)
    drawn = figure.draw(study([regime()]))
    columns = [label.get_text() for axis in drawn.axes for label in axis.get_xticklabels()]
    assert len(drawn.axes) == 3
    assert columns == list(LOSSES)


def test_figure_11_shows_dead_shares_above_the_exact_loss(whole):
    drawn = registry.load("learning", "figure-11").draw(whole)
    shown = ["logits", "sigmoid_clipped"]
    assert [axis.get_title() for axis in drawn.axes] == [*shown, "", ""]
    for i, loss in enumerate(shown):
        found, _ = rows_of(whole, whole.plainest, loss)
        by_epoch = found.groupby("epoch")
        for label in (0, 1):
            for side in ("correct", "wrong"):
                curve = lines(drawn.axes[i])[f"label {label}, {side} side"]
                np.testing.assert_allclose(curve[:, 1], by_epoch[f"dead_{label}_{side}"].mean())
        exact = lines(drawn.axes[2 + i])
        median = exact[f"_{loss}, median"][:, 1]
        np.testing.assert_allclose(median, by_epoch["val_exact_loss"].median())
        assert "_logits, median" in exact


def test_figure_12_has_a_point_for_each_run(whole):
    drawn = registry.load("learning", "figure-12").draw(whole)
    for loss, axis in panels(drawn).items():
        points = np.asarray(axis.lines[-1].get_xydata(), float)
        # the last question asks about trainings of the first one
        assert axis.get_title() == f"{loss}\n48 runs"
        runs = [rows_of(whole, one, loss) for one in RATES]
        cosines = np.concatenate(
            [
                rows.loc[rows["epoch"] == 0, "gradient_cosine"].fillna(figure_12.NONE)
                for rows, _ in runs
            ]
        )
        np.testing.assert_allclose(sorted(points[:, 0]), np.sort(cosines))
        ends = pd.concat([last for _, last in runs])
        finite = ends.loc[~ends["failed"], "val_accuracy"]
        low = axis.get_yticks()[1]
        np.testing.assert_allclose(np.sort(points[points[:, 1] >= low, 1]), np.sort(finite))
        assert set(points[points[:, 1] < low, 1]) <= {axis.get_yticks()[0]}
    assert drawn.axes[0].get_yticklabels()[0].get_text() == "nan"


def test_the_files_of_a_learning_figure_are_the_same_every_time(whole, tmp_path):
    for run in ("a", "b"):
        figure = registry.load("learning", "figure-11").draw(whole)
        style.save(figure, tmp_path / f"{run}.svg", tmp_path / f"{run}.png")
    for suffix in ("svg", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
