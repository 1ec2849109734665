"""The explorer in a browser, and small conformance suites to make one of."""

import json
import shutil
import time
import urllib.parse
from contextlib import contextmanager

import ml_dtypes
import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from sigmoid_bce.figures.explorer.content import content
from sigmoid_bce.numerics.catalogue import DTYPES, Implementation
from sigmoid_bce.numerics.names import BCE
from sigmoid_bce.numerics.sweep import measure, table
from sigmoid_bce.numerics.tables import KEY, SCHEMA, STATUS, THRESHOLDS
from sigmoid_bce.numerics.thresholds import COLUMNS
from support.servers import LIMIT, need

ILLS = [
    "loss_off",
    "loss_flat",
    "gradient_off",
    "gradient_zero_first",
    "first_nan",
    "first_inf",
]


def suite(folder, programs, places=()):
    """Write sweep.parquet and implementations.csv of a few programs; return explorer data.

    `programs` has framework, name, mode, dtype and function of each, and its objective if that is
    not binary cross-entropy; `places`, thresholds by program's number, label, side and column.
    """
    folder.mkdir(exist_ok=True)
    rows, status = [], []
    with parquet.ParquetWriter(folder / "sweep.parquet", SCHEMA) as out:
        for number, (framework, name, mode, dtype, function, *other) in enumerate(programs):
            objective = other[0] if other else BCE
            key = dict(zip(KEY, [name, framework, "1.0", objective, mode, dtype], strict=True))
            status.append({**key, "status": "measured"})
            for y in (0.0, 1.0):
                x = np.unique(np.arange(-120, 120, 1 / 8).astype(DTYPES[dtype]))
                program = Implementation(name, function, objective=objective)
                found = table(measure(program, x, y))
                found = found.assign(**key, y=y)[SCHEMA.names]
                out.write_table(pa.Table.from_pandas(found, SCHEMA, preserve_index=False))
                for side in ("correct", "wrong"):
                    traits = {"from_sigmoid": True, "has_gradient": True, "processor": "one"}
                    traits |= {"gradient_by_hand": False, "y": y, "side": side}
                    row = dict.fromkeys(COLUMNS, np.nan)
                    row |= {p[3]: p[4] for p in places if p[:3] == (number, y, side)}
                    rows.append({**key, **traits, **row})
    pd.DataFrame(status, columns=STATUS).to_csv(folder / "implementations.csv", index=False)
    thresholds = pd.DataFrame(rows, columns=THRESHOLDS)
    files = folder / "sweep.parquet", folder / "implementations.csv"
    return content(files[0], thresholds, files[1], "a study", "2026-01-02")


class Explorer:
    """A page of the explorer that a browser shows."""

    def __init__(self, chrome, address):
        self.chrome, self.address = chrome, address
        self.run = chrome.execute_script
        chrome.get("about:blank")
        for name in ("browser", "performance"):
            chrome.get_log(name)
        self.open()

    def open(self, state=""):
        """Load the page with a state, and wait until its data are there."""
        self.chrome.get("about:blank")
        self.chrome.get(self.address + state)
        end = time.monotonic() + LIMIT
        while not self.run("return typeof DATA === 'object'"):
            assert time.monotonic() < end, self.text("notice")
            time.sleep(0.01)

    def show(self, **state):
        self.chrome.get(f"{self.address}#{urllib.parse.urlencode(state)}")
        wanted = urllib.parse.urlencode(state)
        self.run("readHash(arguments[0]); show()", f"#{wanted}")

    def text(self, name):
        return self.run("return document.getElementById(arguments[0])?.textContent", name)

    def bits(self, name):
        """Return the bits shown of a program's value, or of the exact one."""
        quantity, kind = name.split("-")
        script = "return [...document.querySelectorAll('#' + arguments[0] + ' dd')]"
        script += ".map(d => [...d.querySelectorAll('.bits')].map(b => b.textContent).join(''))"
        return self.run(script, quantity)[kind == "exact"]

    def wrong(self):
        """Return the programs that are listed as wrong: name, and kinds of ills."""
        script = """return [...document.querySelectorAll('#wrong li')].map(li =>
            [li.querySelector('a'), ...li.querySelectorAll('.tag')].map(e => e.textContent))"""
        return self.run(script)

    def size(self, width):
        command = "Emulation.setDeviceMetricsOverride"
        settings = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.chrome.execute_cdp_cmd(command, settings)

    def complaints(self):
        """Return console messages, and requests but that for the page itself."""
        said = [entry["message"] for entry in self.chrome.get_log("browser")]
        for entry in self.chrome.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                if not url.startswith((self.address, "data:", "about:")):
                    said.append(url)
        return said

    def curves(self):
        """Return every curve as the page reads it: a table with the columns of a sweep."""
        script = """const hex = v => bitsOf(v, "float64").toString(16);
        return DATA.programs.flatMap(p => [0, 1].map(label => {
          const c = curveOf(p, label);
          return [p, label, ...[c.x, ...c.value, ...c.exact].map(v => v.map(hex)),
            ...[0, 1].map(q => c.x.map((x, i) => ulps(c, q, i, p.dtype)))];
        }))"""
        names = ["x", "loss", "gradient", "loss_exact", "gradient_exact"]
        for program, label, *columns, loss_ulp, gradient_ulp in self.run(script):
            bits = [np.array([int(v, 16) for v in column], "u8") for column in columns]
            found = pd.DataFrame({n: b.view("f8") for n, b in zip(names, bits, strict=True)})
            found["loss_ulp"], found["gradient_ulp"] = loss_ulp, gradient_ulp
            yield program, label, found


@contextmanager
def browser(folder):
    """Yield a browser without a network."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    need(binary and driver, "Chromium (with chromedriver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-sync"):
        options.add_argument(f"--{flag}")
    options.add_argument("--disable-background-networking")
    options.add_argument(f"--user-data-dir={folder / 'profile'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options, Service(driver))
    try:
        chrome.set_page_load_timeout(LIMIT)
        yield chrome
    finally:
        chrome.quit()


def number(text):
    """Return the number that a text of the page shows."""
    return float(text.replace("−", "-").replace("∞", "inf"))


def bits(value, dtype):
    """Return the bits of a number in a precision."""
    to = DTYPES[dtype]
    size = 8 * to.itemsize
    return format(int(np.array([value]).astype(to).view(f"u{to.itemsize}")[0]), f"0{size}b")


def wrong(thresholds, dtype, label, x, objective=BCE):
    """Return the programs that are wrong at a raw output, from thresholds."""
    side = "wrong" if (x > 0) == (label == 0) else "correct"
    rows = thresholds[(thresholds["dtype"] == dtype) & (thresholds["y"] == label)]
    rows = rows[rows["objective"] == objective]
    rows = rows[(rows["side"] == side) & (rows[ILLS] <= abs(x)).any(axis=1)]
    return rows


def same(one, other):
    """Return whether floats are the same, -0 and nan included."""
    one, other = (np.asarray(v, float) for v in (one, other))
    equal = (one == other) & (np.signbit(one) == np.signbit(other))
    return bool((equal | (np.isnan(one) & np.isnan(other))).all())


def check_curves(curves, sweep):
    """Check that curves of a page hold the sweep's values, to the last bit; return their points."""
    sweep = sweep.drop_duplicates([*KEY, "y", "x"])
    count, parts = 0, dict(iter(sweep.groupby([*KEY, "y"], observed=True)))
    for program, label, curve in curves:
        rows = parts[(*(program[k] for k in KEY), label)].set_index("x").loc[curve["x"]]
        exact = ("loss_exact", "gradient_exact") if program["dtype"] != "longdouble" else ()
        for name in ("loss", "gradient", *exact):
            assert same(rows[name], curve[name]), (program, label, name)
        for name in ("loss_ulp", "gradient_ulp"):
            finite = np.isfinite(rows[name].to_numpy())
            if program["dtype"] != "longdouble":
                shown = curve[name].to_numpy(float)[finite]
                np.testing.assert_allclose(shown, rows[name][finite], rtol=1e-9, atol=0.0051)
        count += len(curve)
    return count


def check_state(explorer, thresholds, program, label, x, row):
    """Set a state, and check all that is shown of it."""
    names = {"framework": "framework", "program": "implementation", "mode": "mode"}
    names |= {"dtype": "dtype", "loss": "objective"}
    explorer.show(x=repr(x), label=label, **{k: program[v] for k, v in names.items()})
    dtype = program["dtype"]
    at = number(explorer.text("at"))
    assert np.array([at]).astype(DTYPES[dtype]) == np.array([x]).astype(DTYPES[dtype]), (at, x)
    for name in ("loss", "gradient"):
        if np.isnan(row[name]):
            assert explorer.text(f"{name}-value") in (None, "nan")
            continue
        shown = number(explorer.text(f"{name}-value"))
        shown_bits = explorer.bits(f"{name}-value")
        wide = {16: dtype, 32: "float32", 64: "float64"}[len(shown_bits)]
        assert same(np.array([shown]).astype(DTYPES[wide]), [row[name]]), (program, x, name)
        assert shown_bits == bits(row[name], wide)
        exact = number(explorer.text(f"{name}-exact"))
        assert same(np.array([exact]).astype(DTYPES[dtype]), [row[f"{name}_exact"]])
        assert explorer.bits(f"{name}-exact") == bits(row[f"{name}_exact"], dtype)
    expected = wrong(thresholds, dtype, label, x, program["objective"])
    listed = {name for name, *_ in explorer.wrong()}
    assert listed == set(expected["framework"] + ": " + expected["implementation"])
    summary = explorer.text("wrong-summary")
    assert f" {len(expected) or 'none'} of " in summary
    dead = expected[expected["gradient_zero_first"] <= abs(x)]
    tagged = {name for name, *tags in explorer.wrong() if "dead" in tags}
    assert tagged == set(dead["framework"] + ": " + dead["implementation"])


SMALLEST = {dtype: float(ml_dtypes.finfo(to).smallest_normal) for dtype, to in DTYPES.items()}


def kinds(row, dtype):
    """Return the kinds of a row's values that a page may show badly."""
    found = set()
    for name in ("loss", "gradient"):
        v = row[name]
        found |= {
            kind
            for kind, holds in {
                "nan": np.isnan(v),
                "inf": np.isinf(v),
                "minus zero": v == 0 and np.signbit(v),
                "zero": v == 0 and not np.signbit(v),
                "subnormal": 0 < abs(v) < SMALLEST[dtype],
                "large": np.isfinite(v) and abs(v) > 20,
                "normal": np.isfinite(v),
            }.items()
            if holds
        }
    return found
