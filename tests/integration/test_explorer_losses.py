"""The explorer's losses in a browser: what is chosen, listed, linked and exact, loss by loss."""

import json

import numpy as np
import pandas as pd
import pytest

from sigmoid_bce.figures.explorer.page import parted, write
from sigmoid_bce.numerics import reference
from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.objectives import OBJECTIVES
from sigmoid_bce.numerics.sweep import measure
from support.explorer import Explorer, bits, browser, check_curves, number, same, suite

AT = np.array([-3.0, -2.75, -2.5, 20.0]).astype
DTYPES = ("float16", "bfloat16", "float32", "float64")
CHOOSE = "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
CHOOSE += "s.dispatchEvent(new Event('change'))"
OPTIONS = "return [...document.getElementById(arguments[0]).options].map(o => o.value)"


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("explorer")) as found:
        yield found


def right(objective):
    """Return a program that is right everywhere."""

    def function(x, y):
        found = (getattr(reference, q)(x, y, x.dtype, objective) for q in ("loss", "gradient"))
        return tuple(np.asarray(v, np.float64) for v in found)

    return function


def dead(objective):
    """Return a program whose gradient is 0 beyond 2, and whose loss is 0.5 there."""

    def function(x, y):
        loss, gradient = right(objective)(x, y)
        beyond = np.abs(x.astype(np.float64)) > 2
        return np.where(beyond, 0.5, loss), np.where(beyond, 0.0, gradient)

    return function


@pytest.fixture(scope="module")
def all_losses(tmp_path_factory):
    """Pages, data and sweep of a study of all losses: a right and a dead program of each."""
    folder = tmp_path_factory.mktemp("losses")
    # the order of the study is not that of the page
    names = list(reversed(OBJECTIVES))
    programs = [
        ("one", f"right {name}", "", dtype, right(name), name) for name in names for dtype in DTYPES
    ]
    programs += [("two", f"dead {name}", "", "float32", dead(name), name) for name in names]
    places = [
        (len(names) * len(DTYPES) + i, y, "wrong", column, 2.125)
        for i in range(len(names))
        for y in (0.0, 1.0)
        for column in ("loss_off", "gradient_zero_first", "gradient_zero")
    ]
    data = suite(folder / "numerics", programs, places)
    write(data, folder / "explorer.json", folder / "explorer.html")
    sweep = pd.read_parquet(folder / "numerics/sweep.parquet")
    return folder / "explorer.html", data, sweep


@pytest.fixture
def explorer(chrome, all_losses):
    found = Explorer(chrome, all_losses[0].as_uri())
    yield found
    assert not found.complaints()


def test_every_curve_and_error_is_that_of_its_loss(explorer, all_losses):
    assert check_curves(explorer.curves(), all_losses[2]) > 10_000


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_exact_values_are_those_of_the_loss_and_label(explorer, objective):
    for dtype in DTYPES:
        for label in (0, 1):
            for x in (-30.0, -2.75, -0.5, 0.0, 1.0, 2.75, 9.0):
                explorer.show(x=x, label=label, dtype=dtype, loss=objective, framework="one")
                assert number(explorer.text("at")) == x
                for quantity in ("loss", "gradient"):
                    function = getattr(reference, quantity)
                    exact = float(function([x], [label], dtype, objective)[0])
                    shown = number(explorer.text(f"{quantity}-exact"))
                    assert same(np.array([shown], np.float64).astype(np.float32), np.float32(exact))
                    assert explorer.bits(f"{quantity}-exact") == bits(exact, dtype)
                    assert number(explorer.text(f"{quantity}-error").split()[0]) <= 0.51
                    assert explorer.bits(f"{quantity}-value") == bits(exact, dtype)
    assert explorer.text("notice") == ""


def test_labels_of_a_loss_with_weights_differ(explorer):
    """At the same distance from its label, focal loss counts label 0 three times as much."""
    found = {}
    for label, x in ((0, 6.0), (1, -6.0)):
        explorer.show(x=x, label=label, dtype="float64", loss="focal", framework="one")
        found[label] = [number(explorer.text(f"{q}-exact")) for q in ("loss", "gradient")]
    assert found[0][0] == pytest.approx(3 * found[1][0], rel=1e-15)
    assert found[0][1] == pytest.approx(-3 * found[1][1], rel=1e-15)


def test_a_loss_is_chosen_and_its_programs_follow(explorer):
    run = explorer.run
    assert run(OPTIONS, "objective") == list(OBJECTIVES)
    assert run("return state.program.objective") == "bce"
    for name, objective in OBJECTIVES.items():
        run("update({x: 8, label: 0})")
        run(CHOOSE, "objective", name)
        assert run("return document.getElementById('objective').selectedOptions[0].text") == (
            objective.title
        )
        run(CHOOSE, "dtype", "float32")
        for framework in ("one", "two"):
            run(CHOOSE, "framework", framework)
            kind = {"one": "right", "two": "dead"}[framework]
            assert run(OPTIONS, "program") == [f"{kind} {name}"]
        assert explorer.wrong() == [[f"two: dead {name}", "dead", "off"]]
        title = objective.title[0].upper() + objective.title[1:]
        summary = explorer.text("wrong-summary")
        assert summary.startswith(f"{title}: raw output 8, label 0 (the wrong side), float32:")
        assert "1 of 2 programs" in summary
        sentence = explorer.text("sentence")
        assert sentence.startswith(f"{title}: the sample is on the wrong side.")
        assert "nothing is learned from this sample" in sentence
        assert objective.says in explorer.text("formula")


def test_a_program_of_few_losses_is_left_for_another(chrome, tmp_path):
    programs = [
        ("one", "a", "", "float32", right("bce"), "bce"),
        ("two", "b", "", "float64", right("focal"), "focal"),
    ]
    write(suite(tmp_path / "n", programs), tmp_path / "e.json", tmp_path / "e.html")
    explorer = Explorer(chrome, (tmp_path / "e.html").as_uri())
    explorer.run(CHOOSE, "objective", "focal")
    assert "one was not measured with this loss." in explorer.text("notice")
    for name, only in (("dtype", "float64"), ("framework", "two"), ("program", "b")):
        assert explorer.run(OPTIONS, name) == [only]
    # what one loss has, another may lack
    explorer.show(loss="focal", dtype="float32")
    assert "dtype=float32" in explorer.text("notice")
    assert explorer.run("return state.program.implementation") == "b"
    assert not explorer.complaints()


def test_links_keep_the_loss(explorer):
    run = explorer.run
    for name in ("focal", "bce"):
        run(CHOOSE, "objective", name)
        link = run("return location.hash")
        assert f"loss={name}" in link
        explorer.open(link)
        assert run("return state.program.objective") == name
        assert explorer.text("notice") == ""
    run(CHOOSE, "objective", "focal")
    # a link of the time when there was one loss
    explorer.open("#x=3&label=1&dtype=float32&framework=two&program=dead+bce&mode=&scale=log")
    assert run("return state.program.label") == "two: dead bce"
    assert explorer.text("notice") == ""
    run(CHOOSE, "objective", "focal")
    explorer.show(x=3)
    assert run("return state.program.objective") == "bce"
    for bad in ("hinge", "", "<b>no</b>"):
        explorer.show(x=3, loss=bad)
        assert f"The link asks for loss={bad}, which" in explorer.text("notice")
        assert run("return state.program.objective") == "bce"
    # a program of another loss than the link's
    explorer.show(loss="focal", program="dead bce")
    assert "program=dead bce" in explorer.text("notice")
    assert run("return state.program.objective") == "focal"
    # links from the lists stay with their loss
    explorer.show(x=8, label=0, loss="weighted", dtype="float32")
    run("document.querySelector('#wrong a').click()")
    assert run("return state.program.label") == "two: dead weighted"


def test_the_table_has_the_loss_and_a_filter(explorer, all_losses):
    run, rows = explorer.run, "return document.querySelectorAll('#rows tbody tr').length"
    run("update({view: 'table'})")
    cells = "return [...new Set([...document.querySelectorAll('#rows td[data-name=loss]')]"
    cells += ".map(d => d.textContent))]"
    assert run(cells) == [OBJECTIVES["bce"].title]
    for name in OBJECTIVES:
        run(CHOOSE, "filter-objective", name)
        assert run(cells) == [OBJECTIVES[name].title]
        # two programs in float32, two labels, the wrong side
        assert run(rows) == 4
        run("document.querySelector('#rows tbody a').click()")
        assert run("return state.program.label") == f"two: dead {name}"
        run("update({view: 'table'})")
    for name in ("objective", "dtype", "side"):
        run(CHOOSE, f"filter-{name}", "")
    run("document.getElementById('more').click()")
    assert run(rows) == len(all_losses[1]["rows"]) == 4 * 7 * 5
    run("document.getElementById('search').value = 'siglip'; showTable()")
    assert run(cells) == [OBJECTIVES["siglip"].title]
    # at a width of a phone, too
    for width in (1400, 390):
        explorer.size(width)
        for view in ("explore", "table", "teach"):
            run("update({view: arguments[0]})", view)
            assert run("return document.documentElement.scrollWidth <= innerWidth"), (view, width)


def test_words_and_scales_are_right_where_a_loss_ends_elsewhere(explorer):
    run = explorer.run
    # the gradient of smoothing ends at 1/16, which is not too small to matter
    explorer.show(x=-60, label=0, loss="smoothing", dtype="float32", framework="two")
    assert "exactly 0 instead of −0.0625: nothing is learned" in explorer.text("sentence")
    explorer.show(x=-60, label=0, loss="bce", dtype="float32", framework="two")
    assert "too small to matter" in explorer.text("sentence")
    explorer.show(x=0, loss="softmax-10", dtype="float32", framework="one")
    assert "undecided: all classes have the same." in explorer.text("sentence")
    assert "Label 1: the first class is right" in explorer.text("formula")
    explorer.show(x=0, loss="bce", dtype="float32", framework="one")
    assert "undecided: sigmoid 0.5." in explorer.text("sentence")
    # no exact curve leaves its chart
    for name in OBJECTIVES:
        for label in (0, 1):
            for scale in ("linear", "log"):
                explorer.show(x=1, label=label, loss=name, scale=scale, framework="one", range=4)
                assert "drawn at its edge" not in explorer.text("chart-note"), (name, label)
    assert run("return rows.every(r => r.program.objective)")


def test_zero_is_right_where_terms_cancel(chrome, tmp_path):
    """The page's rule is that of the measurement: `Measured.off` and `Measured.dead`."""

    def zeros(x, y):
        loss, gradient = right("smoothing")(x, y)
        near = np.abs(np.abs(x.astype(np.float64)) - 2.708) < 0.5
        return loss, np.where(near, 0.0, gradient)

    programs = [("one", "zeros", "", d, zeros, "smoothing") for d in ("float16", "float32")]
    write(suite(tmp_path / "n", programs), tmp_path / "e.json", tmp_path / "e.html")
    explorer = Explorer(chrome, (tmp_path / "e.html").as_uri())
    seen = set()
    for dtype in ("float16", "float32"):
        found = measure(Implementation("zeros", zeros, objective="smoothing"), AT(dtype), 0.0)
        for i, x in enumerate(found.x.astype(float)):
            explorer.show(x=x, label=0, dtype=dtype, loss="smoothing")
            words = explorer.text("sentence")
            assert ("exactly 0 instead of" in words) == found.dead()[i], (dtype, x)
            off = found.off("gradient")[i]
            assert ("The gradient is right" in words or "within 1 %" in words) != off, (dtype, x)
            seen.add((dtype, "rounding of its terms" in words, bool(off)))
    assert {("float16", True, False), ("float16", False, True), ("float32", False, True)} <= seen


def test_one_loss_offers_no_choice(chrome, tmp_path):
    for objective in ("bce", "focal"):
        programs = [("one", "right", "", "float32", right(objective), objective)]
        folder = tmp_path / objective
        folder.mkdir()
        write(suite(folder / "n", programs), folder / "e.json", folder / "e.html")
        explorer = Explorer(chrome, (folder / "e.html").as_uri())
        assert not explorer.chrome.find_element("id", "objective").is_displayed()
        explorer.run("update({view: 'table'})")
        assert not explorer.chrome.find_element("id", "filter-objective").is_displayed()
        assert not explorer.run("return document.querySelectorAll('[data-name=loss]').length")
        title = OBJECTIVES[objective].title
        assert explorer.text("losses") == title[0].upper() + title[1:]
        assert not explorer.complaints()


def test_data_that_cannot_be_read_are_told(chrome, all_losses, tmp_path):
    page = all_losses[0].read_text("utf-8")
    without, data = parted(page)
    assert json.loads(data) == json.loads((all_losses[0].parent / "explorer.json").read_text())
    (tmp_path / "broken.html").write_text(without, "utf-8")
    notice = "return document.getElementById('notice').textContent"
    chrome.get((tmp_path / "broken.html").as_uri())
    assert _until(chrome, notice).startswith("The data of this page cannot be read")
    made = chrome.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.DecompressionStream"}
    )
    try:
        chrome.get(all_losses[0].as_uri())
        assert "this browser has no DecompressionStream" in _until(chrome, notice)
        assert chrome.find_element("id", "notice").is_displayed()
    finally:
        chrome.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", made)


def _until(chrome, script):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(chrome, 20).until(lambda chrome: chrome.execute_script(script))
