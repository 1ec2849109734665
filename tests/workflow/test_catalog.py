"""What the Snakemake Workflow Catalog reads and runs, and what a release says of itself."""

from types import SimpleNamespace

import jinja2
import pytest
import yaml

from sigmoid_bce.planning.sections import recorded
from sigmoid_bce.study.parse import parse
from support.checkout import ROOT

STUDIES = sorted((ROOT / "config").rglob("*.yaml"))
SMALL = [
    {"study": "laboratory", "numerics": {}},
    {"study": "laboratory", "question": "Where?", "numerics": {}, "grid": None, "learning": None},
]


@pytest.mark.parametrize(
    "study",
    [*SMALL, *(yaml.safe_load(file.read_text()) for file in STUDIES)],
    ids=lambda study: study["study"],
)
def test_the_report_s_front_page_needs_no_defaults(study):
    """`snakemake --report` renders it with what the user wrote."""
    text = (ROOT / "workflow/report/workflow.rst").read_text()
    page = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(text)
    written, filled = (
        page.render(snakemake=SimpleNamespace(config=config))
        for config in (study, recorded(parse(study), "tracking"))
    )
    assert written == filled
