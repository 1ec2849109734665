"""A figure is a module and a caption of one name; half a figure stops the plan in one line."""

import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from docutils.core import publish_parts
from jinja2 import Template

from sigmoid_bce.figures import registry, style
from sigmoid_bce.jobs import plugins
from sigmoid_bce.jobs.plugins import PluginError
from support.checkout import checkout, snakemake
from support.figures import REPORT, quoted

TABLES = ("curves", "sweep", "thresholds")
CELL = ("figure-4", "figure-5", "figure-6", "batch-mean")
LEARNING = [f"figure-{number}" for number in range(7, 13)]
LABORATORY = {
    "figure-1": (),
    "figure-2": (),
    "figure-3": ("curves",),
    "gradient": ("sweep",),
    "conformance": ("thresholds",),
    "ulp": ("sweep",),
    "staircase": ("sweep",),
}
MODULE = """
TITLE = "Losses"
READS = ("sweep",)


def draw(tables):
    from matplotlib import pyplot as plt
    return plt.figure()


def values(tables):
    return {}
"""


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """Return the folders of modules and of captions, of a copy of all figures."""
    figures, captions = tmp_path / "package/figures", tmp_path / "report"
    for kind in registry.PARTS:
        shutil.copytree(plugins.PACKAGE / "figures" / kind, figures / kind)
    shutil.copytree(REPORT, captions)
    monkeypatch.setattr(plugins, "PACKAGE", tmp_path / "package")
    plugins.files.cache_clear()
    yield figures, captions
    plugins.files.cache_clear()


def test_the_figures_of_the_contract_are_registered():
    found = registry.figures(REPORT, TABLES)
    assert set(found["cell"]) == set(CELL)
    assert set(found["learning"]) == set(LEARNING)
    assert {name: one.reads for name, one in found["laboratory"].items()} == LABORATORY
    for kind, figures in found.items():
        for name, figure in figures.items():
            assert figure.title == registry.load(kind, name).TITLE


def test_planning_imports_no_library_that_draws():
    code = f"""
import sys
from pathlib import Path
from sigmoid_bce.figures import registry
registry.figures(Path({str(REPORT)!r}), {TABLES})
print(sorted({{"matplotlib", "numpy", "pandas", "seaborn", "jinja2"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("kind", registry.PARTS)
def test_a_module_and_a_caption_are_a_figure(copy, kind):
    figures, captions = copy
    (figures / kind / "mean_loss.py").write_text(MODULE)
    (captions / "mean-loss.rst").write_text("A caption.")
    found = registry.figures(captions, TABLES)[kind]["mean-loss"]
    assert found.title == "Losses"
    assert found.file == figures / kind / "mean_loss.py"


# files to add, and the error
HALVES = {
    "no caption": (
        {"{figures}/cell/mean_loss.py": MODULE},
        "{figures}/cell/mean_loss.py has no caption: write {captions}/mean-loss.rst, or delete "
        "mean_loss.py",
    ),
    "no module": (
        {"{captions}/mean-loss.rst": "A caption."},
        "{captions}/mean-loss.rst has no figure: write "
        "{figures}/{{cell,laboratory,learning}}/mean_loss.py, or delete mean-loss.rst; captions of "
        "tables belong in {captions}/tables",
    ),
    "no draw": (
        {
            "{figures}/cell/mean_loss.py": MODULE.replace("def draw", "def drawn"),
            "{captions}/mean-loss.rst": "A caption.",
        },
        "{figures}/cell/mean_loss.py (caption: {captions}/mean-loss.rst) does not define draw",
    ),
    "no tables named": (
        {
            "{figures}/laboratory/mean_loss.py": MODULE.replace("READS", "READ"),
            "{captions}/mean-loss.rst": "A caption.",
        },
        "{figures}/laboratory/mean_loss.py (caption: {captions}/mean-loss.rst) does not define "
        "READS",
    ),
    "a table that is not there": (
        {
            "{figures}/laboratory/mean_loss.py": MODULE.replace('"sweep"', '"sweeps"'),
            "{captions}/mean-loss.rst": "A caption.",
        },
        "{figures}/laboratory/mean_loss.py: READS names 'sweeps'; choose from curves, sweep, "
        "thresholds",
    ),
    "a computed title": (
        {
            "{figures}/cell/mean_loss.py": MODULE.replace('"Losses"', '"Los".upper()'),
            "{captions}/mean-loss.rst": "A caption.",
        },
        "{figures}/cell/mean_loss.py: TITLE must be a str literal, found 'Los'.upper()",
    ),
    "tables as one string": (
        {
            "{figures}/laboratory/mean_loss.py": MODULE.replace('("sweep",)', '"sweep"'),
            "{captions}/mean-loss.rst": "A caption.",
        },
        "{figures}/laboratory/mean_loss.py: READS must be a tuple literal, found 'sweep'",
    ),
    "no Python": (
        {
            "{figures}/cell/mean_loss.py": "def draw(:\n",
            "{captions}/mean-loss.rst": "A caption.",
        },
        "{figures}/cell/mean_loss.py, line 1: invalid syntax",
    ),
    "one name, two spellings": (
        {"{figures}/cell/figure-4.py": MODULE},
        "'figure-4' is registered twice: {figures}/cell/figure-4.py and {figures}/cell/figure_4.py",
    ),
    "one name, two kinds": (
        {"{figures}/laboratory/batch_mean.py": MODULE},
        "'batch-mean' is registered twice: {figures}/cell/batch_mean.py and "
        "{figures}/laboratory/batch_mean.py",
    ),
    "a module and a package": (
        {"{figures}/cell/figure_4/__init__.py": MODULE},
        "figures/cell: 'figure_4' is registered twice: {figures}/cell/figure_4/__init__.py and "
        "{figures}/cell/figure_4.py",
    ),
}


@pytest.mark.parametrize(("files", "message"), HALVES.values(), ids=HALVES)
def test_half_a_figure_is_one_line_that_names_both_files(copy, files, message):
    figures, captions = copy
    places = {"figures": figures, "captions": captions}
    for path, text in files.items():
        file = type(figures)(path.format(**places))
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    with pytest.raises(PluginError) as caught:
        registry.figures(captions, TABLES)
    assert str(caught.value) == message.format(**places)
    assert "\n" not in str(caught.value)


def test_added_figures_are_planned_and_half_a_figure_stops_the_plan(tmp_path):
    folder = checkout(tmp_path)
    package, report = folder / "workflow/src/sigmoid_bce/figures", folder / "workflow/report"
    plan = ("--dry-run", "--configfile", "config/studies/smoke.yaml")
    for kind in registry.PARTS:
        (package / kind / f"of_{kind}.py").write_text(MODULE)
        (report / f"of-{kind}.rst").write_text("A caption.")
    done = snakemake(folder, *plan)
    assert "/seed~0/of-cell.svg" in done.stdout
    assert "results/smoke/figures/of-laboratory.svg" in done.stdout
    (report / "of-cell.rst").unlink()
    done = snakemake(folder, *plan, check=False)
    assert done.returncode != 0
    message = "of_cell.py has no caption: write "
    (line,) = [line for line in done.stdout.splitlines() if message in line]
    assert "workflow/report/of-cell.rst" in line
    assert "Traceback" not in done.stdout


CAPTIONS = sorted(
    str(file.relative_to(REPORT).with_suffix(""))
    for file in REPORT.rglob("*.rst")
    if file.stem != registry.FRONT_PAGE
)


@pytest.mark.parametrize("caption", CAPTIONS)
def test_captions_render_without_a_warning(tmp_path, caption):
    values = tmp_path / "values.rst"
    style.write_values(dict.fromkeys(quoted(caption), 3), values)
    text = Template((REPORT / f"{caption}.rst").read_text())
    text = text.render(snakemake=SimpleNamespace(output={"values": values}))
    body = publish_parts(text, writer="html", settings_overrides={"halt_level": 2})["body"]
    assert "|" not in re.sub(r"<[^>]*>|\|gradient\|", "", body)
