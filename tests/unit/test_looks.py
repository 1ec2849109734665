"""Every figure can be read: in print, in grey, by colour-blind eyes, whatever users call things."""

import itertools
from dataclasses import replace

import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

from sigmoid_bce.comparison import paired
from sigmoid_bce.figures import registry, style, texts
from sigmoid_bce.study import reading
from sigmoid_bce.study.learning import regimes
from sigmoid_bce.study.parse import parse
from support import looks, studies
from support.checkout import ROOT
from support.hostile import NAME, UNPRINTABLE

REGISTERED = registry.figures(ROOT / "workflow/report", ["curves", "sweep", "thresholds"])
LONG = "W" * 128
"""The longest name that a study may give, in the widest letter."""


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


# pairs of the paper's table
@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0),
        ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_difference_of_colours_is_that_of_the_paper(one, other, expected):
    assert looks.ciede2000(one, other) == pytest.approx(expected, abs=1e-4)


def test_the_colours_of_figures_differ_whoever_looks():
    for one, other in itertools.combinations(map(to_rgb, ("black", *style.COLOURS)), 2):
        assert looks.difference(one, other)[0] >= looks.ALONE
    # and from the paper
    assert all(looks.difference(to_rgb(one), (1, 1, 1))[0] > 15 for one in style.COLOURS)


def panel(title="a panel"):
    style.use()
    figure, (axis,) = style.row(1, 3.5, 2.5, title)
    return figure, axis


@pytest.mark.parametrize("number", [1, 5, 12, 40])
def test_as_many_curves_as_are_asked_for_are_told_apart(number):
    figure, axis = panel()
    for i, look in enumerate(style.looks(number)):
        axis.plot([0, 1, 2], [i, i + 1, i], label=f"program {i}", **look)
    assert looks.faults(figure) == []


GREENS = ("#37a787", "#3aa885")
PLANTED = {
    "cut": lambda axis: axis.text(1, 0.5, "beyond the edge", transform=axis.transAxes),
    "overlap": lambda axis: [axis.text(0.5 + i / 99, 0.5, f"a name {i}") for i in (0, 1)],
    "small": lambda axis: axis.set_xlabel("footnote", fontsize=5),
    "wide": lambda axis: axis.figure.set_figwidth(style.PAGE + 1),
    "alike": lambda axis: [
        axis.plot([0, 1], [i, i], color=GREENS[i], label=f"{i}") for i in (0, 1)
    ],
    "overlap of ticks": lambda axis: axis.set_xticks([0, 0.1], ["a long name", "and one more"]),
    "alike, red and green": lambda axis: [
        axis.scatter([0, 1], [i, i], color=("#c05050", "#7c8040")[i], label=f"{i}") for i in (0, 1)
    ],
    "alike in a legend": lambda axis: axis.figure.legend(
        handles=[plt.Rectangle((0, 0), 1, 1, fc=GREENS[i], label=f"{i}") for i in (0, 1)]
    ),
    "overlap of a slanted text": lambda axis: [
        axis.text(0.3, 0.3, "a slanted text", rotation=40, rotation_mode="anchor"),
        axis.text(0.35, 0.4, "hit"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_fault_is_found(kind):
    figure, axis = panel()
    assert looks.faults(figure) == []
    PLANTED[kind](axis)
    found = looks.faults(figure)
    assert {line.split(":")[0] for line in found} == {kind.split()[0].strip(",")}


def test_what_is_right_is_no_fault():
    figure, axis = panel()
    for i, dashes in enumerate(style.DASHES):  # one colour, other dashes
        axis.plot([0, 1], [i, i], color=style.RED, ls=dashes, label=f"program {i}")
    axis.plot([0, 1], [9, 9], color=style.RED, label="named on the curve")
    axis.annotate("named on the curve", (0.1, 9), (0, 3), textcoords="offset points")
    axis.set_xticks([0.5, 0.7, 0.9], ["sigmoid_clipped"] * 3, rotation=35, ha="right")
    hidden = axis.text(0, 0, "not drawn at all")
    hidden.set_visible(False)
    axis.text(0, 0, "drawn")
    axis.set_position([0.3, 0.4, 0.6, 0.4])
    assert looks.faults(figure) == []


@pytest.mark.parametrize(
    "text",
    [NAME, UNPRINTABLE, LONG, "a b", "", "猫" * 90],
    ids=["code", "unprintable", "long", "short", "none", "wide"],
)
@pytest.mark.parametrize("inches", [0.5, 3])
def test_wrapped_texts_fit(text, inches):
    figure, axis = panel("")  # it also sets the style
    text = style.plain(text) * 3
    for most in (1, 99):
        lines = texts.wrap(text, inches, 8, most)
        assert len(lines) <= most
        if most == 99:
            assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        shown = axis.text(0, 0.5, "\n".join(lines), fontsize=8)
        assert shown.get_window_extent().width / figure.dpi <= inches + 0.02


def _length(regime):
    return len(f"{regime.dataset} {max(regime.models.values(), key=len)}")


def default_learning(folder):
    """Return the tables of the shipped study of learning, from made-up trainings."""
    study = parse(reading.load(ROOT / "config/studies/learning.yaml"))
    # of each question, the regime that has the longest name; of the rates of figure 10, each
    some = sorted(regimes(study.learning), key=_length)
    longest = {(one.question, one.question == "rates" and str(one.models)): one for one in some}
    some = [replace(one, seeds=one.seeds[:2]) for one in longest.values()]
    models = {name: model.model_dump(mode="json") for name, model in study.models.items()}
    noise = {name: dataset.label_noise for name, dataset in study.datasets.items()}
    return studies.learning_tables(folder, some, models, noise)


def hostile_learning(folder):
    """Return the tables of a study whose names are as long as they may be."""
    asks = {"asks": NAME, "seeds": range(3)}
    models = {f"{LONG[:-4]}{name}": model for name, model in studies.MODELS.items()}
    some = [
        replace(one, dataset=LONG, question=LONG, models=dict.fromkeys(one.models, model), **asks)
        for one, model in zip(studies.RATES[:2], models, strict=True)
    ]
    return studies.learning_tables(folder, some, models, {LONG: 0.1})


def cells(name, classes, spread, **options):
    return lambda folder: studies.cell_tables(name, classes, spread, **options)


CELL = "digits, convnet, loss logits, batch size 4, seed 0"
STUDIES = {
    "laboratory": {
        "default": studies.laboratory_tables,
        "few": lambda folder: studies.laboratory_tables(folder, 5),
    },
    "cell": {
        "default": cells(CELL, ("cat", "dog"), {"early": 2, "full": 12}),
        "hostile": cells(
            CELL.replace("digits", LONG).replace("convnet", LONG),
            (NAME, UNPRINTABLE),
            {"early": 2, "full": 12},
        ),
        "all right": cells(CELL, ("cat", LONG), {"early": 9, "full": 90}),
        "all wrong": cells(CELL, ("cat", "dog"), {"early": -1, "full": -60}, count=260, sizes=(4,)),
    },
    "learning": {
        "default": default_learning,
        "hostile": hostile_learning,
        "one": lambda folder: studies.learning_tables(folder, [studies.regime(seeds=range(1))]),
    },
}
"""What figures are drawn from, by the folder of their modules."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Return a function from a kind and a study to its tables, which are made once."""
    made = {}

    def of(kind, study):
        if (kind, study) not in made:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(paired, "RESAMPLES", 99)
                made[kind, study] = STUDIES[kind][study](tmp_path_factory.mktemp("study"))
        return made[kind, study]

    return of


CASES = [
    (kind, study, name)
    for kind, some in STUDIES.items()
    for study in some
    for name in REGISTERED[kind]
    if (study, name) != ("one", "figure-10")  # the plan leaves it out
]


@pytest.mark.parametrize(("kind", "study", "name"), CASES)
def test_every_figure_can_be_read(tables, kind, study, name):
    figure = registry.load(kind, name).draw(tables(kind, study))
    assert looks.faults(figure) == []
