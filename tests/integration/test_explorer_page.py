"""The explorer in a browser: what it shows is what was measured; it asks no network."""

import json
import random

import numpy as np
import pandas as pd
import pytest

from sigmoid_bce.figures.explorer.page import parted, write
from sigmoid_bce.numerics import reference
from sigmoid_bce.numerics.tables import RECORD, read_thresholds
from support.checkout import ROOT
from support.explorer import (
    Explorer,
    browser,
    check_curves,
    check_state,
    kinds,
    suite,
    wrong,
)
from support.hostile import NAME


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("explorer")) as found:
        yield found


@pytest.fixture
def committed(chrome):
    explorer = Explorer(chrome, (ROOT / "docs/explorer.html").as_uri())
    yield explorer
    assert not explorer.complaints()


def odd(x, y):
    """Losses and gradients of every kind: wider than the precision, nan, inf, -0, subnormal."""
    loss = np.logaddexp(0, x.astype(np.float64)) - x * y
    loss = np.where(x > 40, np.inf, np.where(x > 30, np.nan, np.minimum(loss, 16.125)))
    gradient = np.where(x > 20, -0.0, np.where(x > 10, 1e-42, np.where(x < -50, np.nan, -0.25)))
    return loss, gradient


def right(x, y):
    return reference.loss(x, y, x.dtype), reference.gradient(x, y, x.dtype)


def values(function):
    """Return a function of arrays with a label an array."""
    return lambda x, y: tuple(np.asarray(v, np.float64) for v in function(x, np.full_like(x, y)))


@pytest.fixture
def small(chrome, tmp_path):
    """Return a function from programs to their page and their sweep."""

    def made(programs, places=()):
        data = suite(tmp_path / "numerics", programs, places)
        write(data, tmp_path / "explorer.json", tmp_path / "explorer.html")
        explorer = Explorer(chrome, (tmp_path / "explorer.html").as_uri())
        sweep = pd.read_parquet(tmp_path / "numerics/sweep.parquet")
        return explorer, sweep, data

    return made


def test_odd_values_and_hostile_names(small):
    programs = [
        (f"{NAME} {i}", f"{NAME} {dtype}", mode, dtype, values(function))
        for i, (mode, dtype, function) in enumerate(
            [
                ("a", "float16", odd),
                ("b", "bfloat16", odd),
                ("c", "float32", odd),
                ("", "float64", odd),
                ("", "float32", right),
            ]
        )
    ]
    explorer, sweep, _ = small(programs, [(2, 0.0, "wrong", "loss_off", 16.25)])
    assert check_curves(explorer.curves(), sweep) > 1000
    for part in ("explore", "table", "teach"):
        explorer.run("update({view: arguments[0]})", part)
        assert explorer.run("return window.hostile") is None
        for width in (1400, 390):
            explorer.size(width)
            inside = "return document.documentElement.scrollWidth <= innerWidth"
            assert explorer.run(inside), (part, width)
    assert not explorer.complaints()


def test_one_program_without_thresholds(small):
    explorer, sweep, data = small([("one", "right", "", "float32", values(right))])
    assert explorer.text("wrong-summary").endswith("none of 1 program is off, flat or dead here.")
    assert explorer.wrong() == []
    assert check_curves(explorer.curves(), sweep)
    assert [q["state"] for q in data["questions"][:4]] == [None] * 4
    assert not explorer.complaints()


def test_no_program_at_all(small):
    explorer, _, _ = small([])
    assert "No program was measured" in explorer.run("return document.body.innerText")
    for part in ("table", "teach"):
        explorer.run("update({view: arguments[0]})", part)
    assert not explorer.complaints()


def test_states_of_the_committed_page_are_the_record(committed):
    """Where the record's thresholds put a program, the page does; exact values are exact."""
    record = read_thresholds(RECORD, objective=None)
    data = json.loads(parted((ROOT / "docs/explorer.html").read_text("utf-8"))[1])
    random.seed(1)
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        programs = [p for p in data["programs"] if p["dtype"] == dtype]
        for program in random.sample(programs, 4):
            label, x = random.randint(0, 1), random.uniform(-40, 40)
            number = data["programs"].index(program)
            script = "const p = DATA.programs[arguments[0]], c = curveOf(p, arguments[1]),"
            script += "i = nearest(c.x, arguments[2]); return [c.x[i], ...c.value.map(v =>"
            script += " String(v[i]))]"
            at, loss, gradient = committed.run(script, number, label, x)
            at = float(at)
            one = np.array([at]), np.array([float(label)])
            row = {"loss": float(loss.replace("Infinity", "inf"))}
            row["gradient"] = float(gradient.replace("Infinity", "inf"))
            # -0 has no sign in a text of JavaScript
            row |= {q: -0.0 for q in row if row[q] == 0 and _minus(committed, number, label, x, q)}
            for q in ("loss", "gradient"):
                exact = getattr(reference, q)(*one, dtype, program["objective"])
                row[f"{q}_exact"] = float(exact[0])
            check_state(committed, record, program, label, at, row)


def _minus(explorer, number, label, x, quantity):
    script = "const c = curveOf(DATA.programs[arguments[0]], arguments[1]); return Object.is("
    script += "c.value[arguments[3]][nearest(c.x, arguments[2])], -0)"
    return explorer.run(script, number, label, x, int(quantity == "gradient"))


def test_the_lists_are_those_of_the_record(committed):
    record = read_thresholds(RECORD)
    for x in (-90, -16.2, 0.5, 14.7, 16.7, 104):
        for label in (0, 1):
            dtype = ("float32", "float16")[label]
            committed.show(x=x, label=label, dtype=dtype)
            expected = wrong(record, dtype, label, x)
            names = set(expected["framework"] + ": " + expected["implementation"])
            assert {name for name, *_ in committed.wrong()} == names


def test_the_table_filters_sorts_and_links(committed):
    record = read_thresholds(RECORD)
    run, rows = committed.run, "return document.querySelectorAll('#rows tbody tr').length"
    run("update({view: 'table'})")
    choose = "const s = document.getElementById('filter-' + arguments[0]); s.value = arguments[1];"
    choose += "s.dispatchEvent(new Event('change'))"
    for name, value in (("framework", "PyTorch"), ("dtype", "float64"), ("side", "wrong")):
        run(choose, name, value)
    chosen = record.query("framework == 'PyTorch' and dtype == 'float64' and side == 'wrong'")
    assert run(rows) == len(chosen)
    run("document.querySelector('[data-by=loss_off]').click()")
    cells = "return [...document.querySelectorAll('#rows td[data-name=\"loss off\"]')]"
    first = run(f"{cells}[0].textContent")
    assert first == f"{chosen['loss_off'].min():.6g}"
    assert (
        run("return document.querySelector('th[aria-sort=ascending]').textContent") == "loss off ▲"
    )
    run("document.querySelector('#rows tbody a').click()")
    assert run("return state.view + state.program.framework + state.program.dtype") == (
        "explorePyTorchfloat64"
    )
    run("update({view: 'table'})")
    run(choose, "says", "dead when wrong")
    dead = chosen[chosen["gradient_zero_first"].notna()]
    assert run(rows) == len(dead)
    run("document.getElementById('search').value = 'no such program'; showTable()")
    assert "No program agrees" in run("return document.querySelector('#rows tbody').textContent")


def test_links_keys_and_names(committed):
    run = committed.run
    # a link holds the state, and one that asks for what is not there says so
    before = run("update({x: -3.25, label: 1, scale: 'log'}); return location.hash")
    committed.open(before)
    assert run("return [state.x, state.label, state.scale]") == [-3.25, 1, "log"]
    committed.show(x="abc", label=7, framework="<b>no</b>")
    assert "x=abc, label=7" in committed.text("notice")
    assert run("return state.x") == -3.25
    committed.open("#x=2&view=no&scale=odd&range=7")
    assert "view=no" in committed.text("notice")
    assert "scale=odd, range=7" in committed.text("notice")
    committed.show(x=300, label=0, dtype="float32")
    assert "Nothing was measured beyond 120; this is about the raw output 120." in committed.text(
        "sentence"
    )
    # every question has a state that shows a program of its answer
    run("update({view: 'teach'})")
    links = run("return [...document.querySelectorAll('#questions a')].map(a => a.hash)")
    assert len(links) == 5
    for link in links:
        committed.chrome.get(committed.address + link)
        assert run("return state.view") == "explore"
        assert committed.text("notice") == ""
    # keys move the slider in fine steps
    from selenium.webdriver.common.keys import Keys

    run("update({x: 16.7})")
    committed.chrome.find_element("id", "slider").send_keys(Keys.ARROW_RIGHT)
    assert run("return state.x") == pytest.approx(16.71)
    committed.chrome.find_element("id", "number").send_keys(Keys.CONTROL, "a", Keys.NULL, "-2.5")
    assert run("return state.x") == -2.5
    for text, x in {"12,5": 12.5, "\u22123": -3, "1e1": 10}.items():
        field = committed.chrome.find_element("id", "number")
        field.send_keys(Keys.CONTROL, "a", Keys.NULL, text, Keys.TAB)
        assert run("return state.x") == x
    # a text that is refused leaves no trace of its beginning
    for text in ("nan", "--3", "inf", "", "1e400", "1.2,3", "1,000"):
        field = committed.chrome.find_element("id", "number")
        field.send_keys(Keys.CONTROL, "a", Keys.NULL, text or Keys.DELETE, Keys.TAB)
        assert f'"{text}" is none' in committed.text("notice")
        assert run("return state.x") == 10
    nameless = """return [...document.querySelectorAll('input, select, button, svg')]
        .filter(e => !(e.labels && e.labels.length) && !e.textContent.trim() && !e.ariaLabel)
        .map(e => e.outerHTML)"""
    assert run(nameless) == []


def test_nothing_is_wider_than_the_page(committed):
    for width in (1400, 390):
        committed.size(width)
        for view in ("explore", "table", "teach"):
            committed.run("update({view: arguments[0]})", view)
            assert committed.run("return document.documentElement.scrollWidth") <= width


def test_kinds_are_told():
    row = {"loss": -0.0, "gradient": 1e-42}
    assert {"minus zero", "subnormal"} <= kinds(row, "float32")
