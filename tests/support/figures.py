"""What tests ask of figures and their captions."""

import re

from support.checkout import ROOT

REPORT = ROOT / "workflow/report"


def quoted(caption):
    """Return the names of the values that a caption quotes."""
    return set(re.findall(r"\|(\w+)\|", (REPORT / f"{caption}.rst").read_text()))
