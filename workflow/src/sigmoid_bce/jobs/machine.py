"""The machine that a job runs on, and what of it may decide the last bits of a result."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

KERNELS = (
    "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16",
    "avx_vnni", "amx_tile", "amx_bf16", "amx_int8", "amx_fp16", "asimd", "sve", "sve2", "bf16",
)  # fmt: skip
"""The instruction sets by which numerical libraries choose their kernels, as Linux names them."""

IMPLIED = {"avx2": ("avx",), "avx512f": ("avx", "avx2", "fma"), "avx512_vnni": ("avx512bw",)}
"""What a line leaves out, since another instruction set needs it."""


class Machine(TypedDict):
    """The machine as run.json has it; None for what it lacks or does not tell."""

    processor: str
    instruction_sets: list[str]
    blas: list[str]  # name, release and the kernels that it chose
    libc: str
    gpu: str | None
    driver: str | None
    cuda: str | None
    cudnn: str | None


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


def processor() -> str:
    """Return the processor's name with family and model, which decide the kernels that run.

    The name alone is not enough: virtual machines of several generations share one.
    """
    if not (text := _cpuinfo()):
        return platform.processor() or platform.machine()
    found = dict(re.findall(r"^(model name|cpu family|model)\s*: (.*)$", text, re.MULTILINE))
    return "{model name} (family {cpu family}, model {model})".format_map(
        {"model name": platform.machine(), "cpu family": "?", "model": "?"} | found
    )


@cache
def instruction_sets() -> list[str]:
    """Return which of `KERNELS` the processor has.

    Examples
    --------
    >>> set(instruction_sets()) <= set(KERNELS)
    True
    """
    found = re.search(r"^(?:flags|Features)\s*: (.*)$", _cpuinfo(), re.MULTILINE)
    there = set(found[1].split()) if found else set()
    return [name for name in KERNELS if name in there]


def line(record: Mapping[str, Any]) -> str:
    """Return the machine of a record in one line, as a tag shows it.

    Parameters
    ----------
    record : mapping
        The content of run.json.

    Examples
    --------
    >>> machine = {"processor": "Xeon", "instruction_sets": ["avx2"], "blas": []}
    >>> line({"machine": machine, "device": "CPU", "threads": 1})
    'CPU, threads=1; Xeon; avx2'
    """
    machine = record["machine"]
    there = machine["instruction_sets"]
    newest = [name for name in there if not any(name in IMPLIED.get(one, ()) for one in there)]
    settings = [f"threads={record['threads']}"]
    if not record.get("deterministic", True):
        settings.append("not deterministic")
    settings += [f"{name}={value}" for name, value in record.get("environment", {}).items()]
    # the lock file has the releases
    kernels = sorted({re.sub(r" [\d.]+ ", " ", library) for library in machine["blas"]})
    cuda = [f"{k}={machine[k]}" for k in ("driver", "cuda", "cudnn") if machine.get(k)]
    parts = [
        ", ".join([record["device"], *settings]),
        machine["processor"],
        " ".join(newest),
        ", ".join(kernels),
        " ".join(cuda),
    ]
    return "; ".join(part for part in parts if part)
