"""The documentation site: built with warnings as errors, read in a browser without a network."""

import json
import re
import shutil
import time

import pytest

import site_builder
from support.checkout import ROOT
from support.servers import LIMIT, need

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
WIDTHS = {1400: 1000, 390: 844}
"""A screen's and a phone's, with their heights."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, whose build refuses broken links and anchors."""
    start = time.perf_counter()
    folder = site_builder.main(tmp_path_factory.mktemp("docs"))
    assert time.perf_counter() - start < 60
    return folder


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    """A browser whose network is off."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    need(browser and driver, "Chromium (with chromedriver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser') / 'profile'}"]:
        options.add_argument(flag)
    chrome = webdriver.Chrome(options, Service(driver))
    try:
        chrome.set_page_load_timeout(LIMIT)
        chrome.execute_cdp_cmd("Network.enable", {})
        off = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        chrome.execute_cdp_cmd("Network.emulateNetworkConditions", off)
        chrome.get("about:blank")
        complaints(chrome)  # those of the browser's own first page
        yield chrome
    finally:
        chrome.quit()


def size(chrome, width):
    screen = {"width": width, "height": WIDTHS[width], "deviceScaleFactor": 1}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen | {"mobile": width < 500})


def complaints(chrome):
    """Return what the console says, the requests that failed and those to a server."""
    found = [line["message"] for line in chrome.get_log("browser") if line["level"] == "SEVERE"]
    for entry in chrome.get_log("performance"):
        event = json.loads(entry["message"])["message"]
        if event["method"] == "Network.loadingFailed" and not event["params"].get("canceled"):
            found.append(f"failed: {event['params']['errorText']}")
        if event["method"] == "Network.requestWillBeSent":
            address = event["params"]["request"]["url"]
            if not address.startswith(("file:", "data:", "blob:", "about:")):
                found.append(f"asked for {address}")
    return found


def test_every_page_fits_and_needs_no_network(site, chrome):
    # a server shows the page 404 at any address, so its own addresses begin at the server's root
    pages = sorted(set(site.rglob("*.html")) - {site / "404.html"})
    assert len(pages) > 30
    wrong = {}
    for page in pages:
        chrome.get(page.as_uri())
        found = complaints(chrome)
        for width in WIDTHS:
            size(chrome, width)
            needed = chrome.execute_script("return document.documentElement.scrollWidth")
            if needed > width:
                found.append(f"is {needed} wide on {width}")
        broken = chrome.execute_script(
            "return [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
        )
        if found or broken:
            wrong[str(page.relative_to(site))] = [*found, *broken]
    assert wrong == {}


def test_every_document_is_in_the_navigation():
    navigation = set(re.findall(r'" = "(.+\.md)"', (ROOT / "docs/zensical.toml").read_text()))
    assert navigation == {str(name) for name in site_builder.pages()}


def test_no_mark_and_no_diagram_is_left(site):
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert "<!-- =" not in text, page
        assert 'class="mermaid"' not in text, page
    assert "<code>prepare</code>" in (site / "docs/architecture.html").read_text()


def test_the_reference_has_docstrings_and_keys(site):
    python = (site / "docs/reference/api.html").read_text()
    assert python.count("doc-function") >= 4
    assert "SaturationMonitor" in python
    assert "early_epochs" in (site / "docs/reference/configuration.html").read_text()


SHADOWS = """
const texts = (node) => [...node.querySelectorAll("*")].flatMap(
    (one) => one.shadowRoot ? [one.shadowRoot.textContent, ...texts(one.shadowRoot)] : []);
return texts(document).join(" ");
"""
"""The texts of elements that style themselves, as the search is one."""
FOCUSED = """
let one = document.activeElement;
while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
return one?.tagName;
"""
"""The kind of element that gets what is typed."""


def test_the_search_finds_a_word_from_the_disk(site, chrome):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    size(chrome, 1400)
    chrome.get((site / "docs/faq.html").as_uri())
    chrome.find_element(By.CSS_SELECTOR, ".md-search__button").click()
    # it opens
    WebDriverWait(chrome, LIMIT).until(lambda c: c.execute_script(FOCUSED) == "INPUT")
    ActionChains(chrome).send_keys("preemption").perform()
    WebDriverWait(chrome, LIMIT).until(
        lambda c: "Preemption and requeue" in c.execute_script(SHADOWS)
    )
    assert complaints(chrome) == []
