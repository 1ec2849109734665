"""The machine that a job runs on."""

from __future__ import annotations

import platform
import re
from pathlib import Path


def processor() -> str:
    """Return the processor's name with family and model, which decide the kernels that run.

    The name alone is not enough: virtual machines of several generations share one.
    """
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    found = dict(re.findall(r"^(model name|cpu family|model)\s*: (.*)$", text, re.MULTILINE))
    return "{model name} (family {cpu family}, model {model})".format_map(
        {"model name": platform.machine(), "cpu family": "?", "model": "?"} | found
    )
