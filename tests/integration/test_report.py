"""Snakemake's report of the smoke study in a browser without network, at a desk and on a phone."""

import re
import time

import pytest

from support.browser import busy, chromium, errors, requests, resize
from support.checkout import ROOT
from support.servers import LIMIT

CHAPTERS = ["1 Answer", "2 Numbers", "3 Trained networks", "4 Learning", "5 Your own", "6 Tables"]

ROWS = """
return [...document.querySelectorAll("nav table tbody tr")].map((row) =>
  [...row.cells].slice(0, -1).map((cell) => cell.innerText.trim()))
"""
MENU = "return [...document.querySelectorAll('nav ul a')].map((item) => item.innerText.trim())"
CLICK = """
[...document.querySelectorAll("nav ul a")].find((item) => item.innerText.trim() === arguments[0])
  .click()
"""
LINK = """
[...document.querySelectorAll(".front a")].find((link) => link.innerText === arguments[0]).click()
"""
OPEN = "document.querySelectorAll('nav table tbody tr')[arguments[0]].querySelector('a').click()"
CLOSED = "app.setView({navbarMode: 'menu', content: 'metadata'})"
# how far the content, a figure or the page reaches beyond the window
BEYOND = """
const pane = document.querySelector("#app > div > div:last-child");
const image = pane.querySelector("img");
return Math.max(
  document.documentElement.scrollWidth - innerWidth,
  pane.getBoundingClientRect().right - innerWidth,
  image ? image.getBoundingClientRect().right - innerWidth : 0,
  image ? pane.getBoundingClientRect().left - image.getBoundingClientRect().left : 0)
"""
LISTING = "const page = document.documentElement; return page.scrollWidth - page.clientWidth"


def natural(row):
    """Return a key that sorts numbers as numbers."""
    cells = (cell.lower().replace("\u2007", "") for cell in row)
    parts = (part for cell in cells for part in re.split(r"(\d+)", cell))
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


@pytest.fixture(scope="module")
def report(smoke, tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser")) as chrome:
        yield Report(chrome, smoke / "results/smoke/report.html")


class Report:
    def __init__(self, chrome, file):
        self.chrome, self.file, self.run = chrome, file, chrome.execute_script

    def open(self, width):
        resize(self.chrome, width)
        self.chrome.get("about:blank")
        self.chrome.get(self.file.as_uri())
        self.wait("return document.querySelector('#app').innerText.length > 500")
        return busy(self.chrome)

    def wait(self, script):
        end = time.monotonic() + LIMIT
        while not self.run(script):
            assert time.monotonic() < end, script
            time.sleep(0.02)

    def shot(self, name):
        folder = ROOT / "results" / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        self.chrome.save_screenshot(str(folder / f"{name}.png"))

    def listings(self):
        """Yield each list of results, open."""
        for chapter in self.run(MENU)[3:]:
            self.run(CLICK, chapter)
            self.wait("return !document.querySelector('nav ul')?.innerText.includes('Statistics')")
            subcategories = self.run(MENU) if not self.run(ROWS) else [None]
            for name in subcategories:
                if name:
                    self.run(CLICK, name)
                    self.wait("return document.querySelector('nav table')")
                yield chapter, name
                if name:
                    self.run(f"{CLOSED}; setTimeout(() => app.showCategory(arguments[0]))", chapter)
                    self.wait("return !document.querySelector('nav table')")
            self.run(CLOSED)
            self.wait("return document.querySelector('nav ul')?.innerText.includes('Statistics')")


@pytest.mark.parametrize("width", [1400, 390])
def test_every_result_is_named_and_fits(report, width):
    assert report.open(width) < 3
    assert report.file.stat().st_size < 20e6
    report.shot(f"report-{width}")
    assert report.run(MENU)[3:] == CHAPTERS
    assert report.run(BEYOND) <= 0
    seen = 0
    for chapter, name in report.listings():
        rows = report.run(ROWS)
        assert rows, (chapter, name)
        # no row without a name, no number that is sorted as a text
        assert all(all(row) for row in rows)
        assert rows == sorted(rows, key=natural)
        # on a phone, one figure of each kind
        opened = rows if width > 500 or chapter == CHAPTERS[-1] else rows[:1]
        for i, row in enumerate(opened):
            report.run(OPEN, i)
            report.wait("return document.querySelector('#app > div > div img, iframe')")
            time.sleep(0.05)
            assert report.run(BEYOND) <= 0, row
            seen += 1
            if report.run("return document.querySelector('iframe')"):
                report.chrome.switch_to.frame(0)
                report.wait("return document.body?.innerText.length > 20")
                assert report.run(LISTING) <= 0, row
                report.chrome.switch_to.default_content()
            else:
                report.wait("return document.querySelector('#app > div > div img').naturalWidth")
    # two losses share a row, with a switch
    assert width < 500 or seen == report.run("return Object.keys(results).length") - 4
    assert errors(report.chrome) == []
    assert requests(report.chrome) == []


def test_the_first_page_leads_to_the_chapters(report):
    report.open(1400)
    text = report.run("return document.querySelector('.front').innerText")
    for part in ("clip acted on no sample of the 2 fully trained networks", "Where to go"):
        assert part in text
    assert report.run("return document.querySelector('.front img').naturalWidth") > 500
    for chapter in CHAPTERS[::-1]:
        report.run(LINK, chapter)
        report.wait(f"return document.querySelector('nav nav').innerText.includes('{chapter}')")
        listed = report.run("return Object.values(categories[arguments[0]])", chapter)
        # the list of the chapter before is closed
        assert len(report.run(ROWS)) == (len(listed[0]) if len(listed) == 1 else 0)
    assert errors(report.chrome) == []


def test_a_table_is_searched_and_sorted(report):
    report.open(1400)
    page = "results[Object.keys(results).find((path) => path.endsWith('findings.html'))]"
    report.run(f"app.setView({{content: 'html', contentPath: {page}.data_uri}})")
    report.wait("return document.querySelector('iframe')")
    report.chrome.switch_to.frame(0)
    report.wait("return document.querySelector('.tools')")
    rows = "[...document.querySelectorAll('tbody tr')].filter((row) => !row.hidden)"
    every = report.run(f"return {rows}.length")
    report.run(
        "const search = document.querySelector('[type=search]'); search.value = 'WRONG scipy';"
        "search.dispatchEvent(new Event('input'))"
    )
    found = report.run(f"return {rows}.map((row) => row.textContent.toLowerCase())")
    assert 0 < len(found) < every
    assert all("wrong" in row and "scipy" in row for row in found)
    report.run("document.querySelector('[type=search]').value = ''")
    report.run("document.querySelector('[type=search]').dispatchEvent(new Event('input'))")
    for order in (1, -1):
        report.run("document.querySelector('th').click()")
        first = report.run(f"return {rows}.map((row) => row.cells[0].textContent)")
        numbers = [float(text) for text in first]
        assert numbers == sorted(numbers)[::order]
    report.chrome.switch_to.default_content()
    assert errors(report.chrome) == []
