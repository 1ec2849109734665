"""MLflow's pages of the finished smoke study in a browser. Screenshots: results/screenshots/."""

import shutil
import time
import urllib.parse
from pathlib import Path

import pytest

from sigmoid_bce.tracking import views
from support.checkout import ROOT
from support.export import all_pages, key
from support.hostile import NAME
from support.servers import LIMIT, mlflow_server, need

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1700,1100",
]


PANEL = {
    "mlflow.assistant.panelOpen_v1": "false",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
}


@pytest.fixture(scope="module")
def page(smoke, tmp_path_factory):
    """A browser that shows the experiment, and the ids of its runs."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    need(browser and driver, "Chromium (with chromedriver)")
    from mlflow import MlflowClient
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    folder = tmp_path_factory.mktemp("browser")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in [*FLAGS, f"--user-data-dir={folder / 'profile'}"]:
        options.add_argument(flag)
    with mlflow_server(folder, f"sqlite:///{smoke / 'mlflow.db'}") as server:
        client = MlflowClient(server.uri)
        experiment = client.get_experiment_by_name("smoke").experiment_id
        runs = all_pages(lambda t: client.search_runs([experiment], page_token=t))
        # a study of one batch size does not offer it
        tag = "mlflow.sharedViewState.gap"
        assert tag not in client.get_experiment(experiment).tags
        client.set_experiment_tag(experiment, tag, views.envelope("gap"))
        chrome = webdriver.Chrome(options, Service(driver))
        try:
            chrome.set_page_load_timeout(LIMIT)
            # before any script of the page: close the panel that covers a third of it
            closed = "".join(f"localStorage.setItem({n!r}, {v!r});" for n, v in PANEL.items())
            source = f"try {{ {closed} }} catch {{}}"  # about:blank has no storage
            chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
            base = f"{server.uri}/#/experiments/{experiment}"
            yield Page(chrome, base, {key(run): run.info.run_id for run in runs})
        finally:
            chrome.quit()


class Page:
    def __init__(self, chrome, base, ids):
        self.chrome, self.base, self.ids = chrome, base, ids

    def open(self, path, name, *texts, script="return true"):
        """Open a part of the page, wait for texts and a condition, keep a screenshot."""
        self.chrome.get("about:blank")
        self.chrome.get(self.base + path)
        end = time.monotonic() + LIMIT
        while True:
            body = self.chrome.execute_script("return document.body.innerText")
            if all(text in body for text in texts) and self.chrome.execute_script(script):
                break
            if time.monotonic() > end:
                self.shot(f"failed-{name}")
                raise AssertionError(f"{name}: no {texts} in {body[:2000]}")
            time.sleep(0.3)
        time.sleep(0.7)  # animations
        self.shot(name)
        return body

    def wait(self, script):
        end = time.monotonic() + LIMIT
        while not self.chrome.execute_script(script):
            assert time.monotonic() < end, script
            time.sleep(0.1)

    def shot(self, name):
        folder = ROOT / "results" / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        self.chrome.save_screenshot(str(folder / f"{name}.png"))


RUNS = "/runs?workflowType=machine_learning"
NAMES = ("tiny logits batch 16 seed 0", "tiny sigmoid_clipped batch 16 seed 0")


def test_runs_are_listed(page):
    page.open(RUNS, "runs", "study smoke", *(f"{n[:-7]}, all seeds" for n in NAMES))


def test_a_saved_view_is_applied(page):
    body = page.open(f"{RUNS}&viewStateShareKey=all-cells", "view-all-cells", *NAMES)
    # its filter hides the groups and the study
    assert "study smoke" not in body
    assert "batch 16, all seeds" not in body
    page.open(
        f"{RUNS}&viewStateShareKey=seeds", "view-seeds", "batch 16, all seeds", "2 matching runs"
    )


PLOTS = "return document.querySelectorAll('.js-plotly-plot .scatterlayer path').length > %d"


WHOLE = """
const cut = e => e.scrollWidth > e.clientWidth + 1
const found = [...document.querySelectorAll('.ag-center-cols-viewport .ag-cell')].filter(
  e => e.offsetWidth && [e, ...e.querySelectorAll('*')].some(cut))
return found.map(e => e.innerText)
"""


@pytest.mark.parametrize(
    ("view", "columns"),
    [
        ("all-cells", ["accuracy", "full/clipped_percent", "full/error_1e-7"]),
        ("seeds", ["n", "accuracy", "clipped", "error_1e-7"]),
        ("learning", ["val_accuracy", "val_exact_loss", "stuck_share"]),
    ],
)
def test_columns_are_read_whole(page, view, columns):
    body = page.open(f"{RUNS}&viewStateShareKey={view}", f"view-{view}", *columns)
    assert "…" not in "".join(line for line in body.splitlines() if " %" in line)
    assert page.chrome.execute_script(WHOLE) == []


def test_metric_charts_are_drawn(page):
    path = f"{RUNS}&viewStateShareKey=all-cells&compareRunsMode=CHART"
    page.open(path, "chart-all-cells", "val_loss", script=PLOTS % 3)
    path = f"{RUNS}&viewStateShareKey=gap&compareRunsMode=CHART"
    page.open(path, "chart-gap", "batch_size", script=PLOTS % 1)


def test_a_figure_is_displayed(page):
    run = next(run for cell, run in page.ids.items() if "loss~logits" in cell and "seed" in cell)
    figure = urllib.parse.quote("figures/figure-5.png")
    loaded = (
        "return [...document.images].some(i => i.complete && i.naturalWidth > 500)"
        " || [...document.querySelectorAll('*')].some(e =>"
        " getComputedStyle(e).backgroundImage.startsWith('url(\"blob:'))"
    )
    page.open(f"/runs/{run}/artifacts/{figure}", "figure", "figure-5.png", script=loaded)


def test_models_and_note_are_shown(page):
    page.open("/models?workflowType=machine_learning", "models", "convnet", "Ready")
    run = next(run for cell, run in page.ids.items() if "loss~logits" in cell and "seed" in cell)
    path = f"/runs/{run}?workflowType=machine_learning"
    page.open(
        path, "run", "digits", "dataset", "convnet", "of the validation images right", "Files:"
    )


def test_texts_of_users_are_no_code(page, smoke):
    """The report and the run's note show a hostile question, and run no part of it."""
    reports = [(smoke / "results/smoke/report.html").as_uri(), page.base + RUNS]
    for address, part in zip(reports, ("#app", "body"), strict=True):
        page.chrome.get("about:blank")
        page.chrome.get(address)
        page.wait(f"return document.querySelector('{part}').innerText.length > 100")
        assert page.chrome.execute_script("return window.hostile") is None
    page.chrome.get(reports[0])
    page.wait("return document.querySelector('#app').innerText.length > 100")
    assert " ".join(NAME.split()[:4]) in page.chrome.execute_script(
        "return document.body.innerText"
    )
    made = "return document.querySelectorAll('#app script, img:not([src^=data])').length"
    assert page.chrome.execute_script(made) == 0
    # every result of the report, with its params
    for path in page.chrome.execute_script("return Object.keys(results)"):
        page.chrome.execute_script("app.showResultInfo(arguments[0])", path)
        page.wait("return document.querySelector('#app').textContent.includes('Job parameters')")
        assert page.chrome.execute_script("return window.hostile") is None


def test_screenshots_are_kept():
    shots = list(Path(ROOT, "results", "screenshots").glob("*.png"))
    assert {"runs", "view-all-cells", "chart-all-cells", "figure"} <= {f.stem for f in shots}
    assert all(f.stat().st_size > 20_000 for f in shots if not f.stem.startswith("failed"))
