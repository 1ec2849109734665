"""The map of the code names what is there, and links lead somewhere."""

import re
import subprocess
import sys

import pytest

from support.checkout import ROOT, checkout, snakemake

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "config").glob("*.md")]
)


def test_paths_of_the_map_exist():
    text = (ROOT / "docs/architecture.md").read_text()
    named = re.findall(r"`((?:[\w.-]+/)*[\w.-]*(?:/|\.py|\.smk|\.yaml|\.md))`", text)
    paths = [path for path in named if path.split("/")[0] != "attempts"]
    assert len(paths) > 40
    missing = sorted({path for path in paths if not (ROOT / path).exists()})
    assert missing == []


def test_functions_of_the_map_exist():
    text = (ROOT / "docs/architecture.md").read_text()
    pairs = re.findall(r"`(\w+)`(?: and `(\w+)`)? in\s+`(workflow/[\w/.]+\.py)`", text)
    assert len(pairs) >= 8
    for *names, path in pairs:
        code = (ROOT / path).read_text()
        for name in filter(None, names):
            assert re.search(rf"^(def|class) {name}\b", code, re.MULTILINE), (name, path)


def test_every_folder_of_the_package_is_on_the_map():
    text = (ROOT / "docs/architecture.md").read_text()
    package = ROOT / "workflow/src/sigmoid_bce"
    for folder in package.iterdir():
        if (folder / "__init__.py").exists():
            assert f"`workflow/src/sigmoid_bce/{folder.name}/`" in text, folder.name


def test_rules_of_the_map_exist():
    rules = {
        name
        for file in (ROOT / "workflow/rules").glob("*.smk")
        for name in re.findall(r"^rule (\w+):", file.read_text(), re.MULTILINE)
    }
    text = (ROOT / "docs/architecture.md").read_text()
    assert set(re.findall(r"[Rr]ules? `(\w+)`", text)) <= rules


HEAVY = ("numpy", "pandas", "pyarrow", "scipy", "sklearn", "matplotlib", "PIL", "mlflow", "keras")


def test_planning_imports_nothing_that_computes():
    """Each start of Snakemake makes these imports, also those of jobs on a cluster."""
    files = [ROOT / "workflow/Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    lines = [line for file in files for line in file.read_text().splitlines()]
    imports = [line for line in lines if re.match(r"(from|import) sigmoid_bce", line)]
    assert len(imports) > 12
    code = "\n".join([*imports, f"import sys; print([m for m in {HEAVY} if m in sys.modules])"])
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said.strip() == "[]"


def test_the_rule_graph_is_in_step_with_the_rules(tmp_path):
    folder = checkout(tmp_path)
    snakemake(folder, "rulegraph")
    drawn = (folder / "docs/rulegraph.mmd").read_text()
    assert drawn == (ROOT / "docs/rulegraph.mmd").read_text()
    assert drawn.count("-->") > 15


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file):
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", file.read_text()):
        if "://" not in link:
            assert (file.parent / link).exists(), link
