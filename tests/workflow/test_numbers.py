"""Every number in a document is quoted from docs/numbers, or is no measurement; so in captions."""

import re

import pytest

import render
from support.checkout import ROOT

PAGES = sorted(
    str(file.relative_to(ROOT))
    for file in [
        ROOT / "README.md",
        ROOT / "config/README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
    # reports to other projects name their own runs; the others are generated as a whole
    if "docs/upstream" not in str(file) and "docs/reference" not in str(file)
)
NUMBER = re.compile(r"(?<![\w.])[-+−]?\d[\d,]*(?:\.\d+)*(?:e[+-]?\d+)?(?:\s?%)?(?!\w)")
NEVER_MEASURED = (
    r"[Pp]ython:? 3\.1[123](, 3\.1[123])*( or 3\.1[123])?|(Keras|CUDA|Windows) \d+|Keras [\d.]+",
    r"(Snakemake|plugin|SLURM|release) \d[\d.]*|release [\d.]+ of the plugin",
    r"(19|20)\d\d(-\d\d-\d\d)?",
    r"[Ff]igures? \d+(( to |, | and )\d+)*|[Ss]ection \d|[Ss]tep \d|labels? [01](\.| |,|$)",
    r"CC BY-NC-SA 4\.0|127\.0\.0\.1(:\d+)?",
    r"1e-7|0\.5",  # the clip, the threshold of a probability
    r"95 %|1 %|2 %",  # of intervals; of what counts as off; of what counts as moved
    r"^\s*(#+ )?\d+\. ",
)
"""Names and definitions, wherever they are."""
SETTINGS = {
    "CONTRIBUTING.md": "7 18 400 15 25 1,000 3 30,000 20 4 200 60 5 45 10 3,000 30 15",
    "README.md": "2,624 4 20 128 100 16",
    "config/README.md": "1.1 64 2,000 10,000 128 569 30 8 3 256 10 268,435,456 0.01 255 100 20,000 "
    "1,000,000 200 16 1,000 999 1,499 0.2 257 46 32 75 224 299 240 260 15 4 4,096 7 0.025 80 0.02 "
    "60 5",
    "docs/README.md": "16.118",
    "docs/architecture.md": "12.0",
    "docs/benchmarks.md": "32 100 12 20 8 16",
    "docs/check.md": "50 4 118 78 100% 37 30 3",
    "docs/cluster.md": "50 20 200 15 30 127.0.0.2",
    "docs/explanation/numerics.md": "24 6e-8 1e-6 1e-45",
    "docs/explanation/the-clip.md": "-100",
    "docs/faq.md": "16.118 15.942 7.97 0.69 100 50 -100 -1 255 8.06 0.99",
    "docs/gallery.md": "40",
    "docs/glossary.md": "-100",
    "docs/how-to/archives.md": "825",
    "docs/how-to/ci-gate.md": "3",
    "docs/how-to/own-framework.md": "1e-4",
    "docs/how-to/own-table.md": "8",
    "docs/how-to/serving.md": "256",
    "docs/how-to/where-a-number-came-from.md": "256 3",
    "docs/learning.md": "100 569 1,797 8 32 4,000 1,000 64 1e-4 7.97",
    "docs/limits.md": "512 65,000 40 4,096 16 1024 20,480 2,000 825 147 4 1e-5",
    "docs/measure.md": "3",
    "docs/monitor.md": "16.6 -87 -104 0.1 20 1,280 80",
    "docs/tracking.md": "403 5 6 15",
    "docs/tutorials/own-images.md": "357 255 40",
    "docs/verdict.md": "3 -1 255 0.0 4 5 6 65,536 524,288",
}
"""Numbers that a page states and no run measures: settings, formats, sizes, exit codes, and the
questions of users in their own words. A new number is quoted from docs/numbers, or listed here."""


def prose(text):
    """Return a document without what is rendered, run or linked."""
    text = render.MARK.sub(" ", text)
    text = re.sub(r"<!--.*?-->", " ", text, flags=re.DOTALL)
    text = re.sub(r"^```.*?^```", " ", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`]*`", " ", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return "\n".join(line for line in text.splitlines() if not line.startswith("    "))


def numbers(text):
    """Return the numbers of a text that no name or definition explains."""
    for pattern in NEVER_MEASURED:
        text = re.sub(pattern, " ", text, flags=re.MULTILINE)
    found = (number.rstrip(",").replace(" %", "%") for number in NUMBER.findall(text))
    return {number for number in found if number not in ("0", "1", "2")}


@pytest.mark.parametrize("page", PAGES)
def test_every_number_in_a_document_is_quoted_or_stated(page):
    stated = set(SETTINGS.get(page, "").split())
    found = numbers(prose((ROOT / page).read_text()))
    assert found - stated == set(), (
        "quote them from docs/numbers, by a mark of docs/tools/render.py"
    )
    assert stated - found == set(), "no longer there"


def test_a_number_that_is_typed_is_found():
    text = "It took 12.5 seconds, or <!-- = programs -->234<!-- / --> of 300.\n\n    make 7\n`8`"
    assert numbers(prose(text)) == {"12.5", "300"}


CAPTIONS = sorted((ROOT / "workflow/report").rglob("*.rst"))
DEFINED = {
    "conformance.rst": "10",
    "figure-3.rst": "-40 14 18",
    "gradient.rst": "-1",
    "figure-7.rst": "5%",
    "figure-11.rst": "5%",
    "stuck.rst": "0.02",
    "workflow.rst": "8",
}
"""Numbers of captions that say how something was drawn or is defined."""


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda file: file.name)
def test_every_number_in_a_caption_is_a_rule_s_or_the_article_s(caption):
    text = re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}|\|\w+\|", " ", caption.read_text(), flags=re.DOTALL)
    text = " ".join(re.sub(r"^\.\. .*$", " ", text, flags=re.MULTILINE).split())
    sentences = re.split(r"(?<=[.:;?!]) ", text)
    article = False
    typed = set()
    for sentence in sentences:
        # a sentence that begins with "It" or "After" goes on about the article
        article = "article" in sentence or (article and bool(re.match(r"(It|After) ", sentence)))
        typed |= set() if article else numbers(sentence.replace("1 / (1 + exp", ""))
    assert typed == set(DEFINED.get(caption.name, "").split())
