"""Refuse modules over 400 lines and functions over cyclomatic complexity 15."""

import sys
from pathlib import Path

from radon.complexity import cc_visit

ROOT = Path(__file__).parents[2]
PLACES = ("workflow/src", "workflow/scripts", "benchmarks")
LINES, COMPLEXITY = 400, 15
EXCEPTIONS: dict[tuple[str, str], str] = {}
"""The reason for each function that may be more complex, by file and name."""


def findings():
    """Yield a line for each module or function that is over the limit."""
    exceptions = dict(EXCEPTIONS)
    for file in sorted(file for place in PLACES for file in (ROOT / place).rglob("*.py")):
        text, name = file.read_text(), str(file.relative_to(ROOT))
        if (lines := text.count("\n")) > LINES:
            yield f"{name}: {lines} lines: expected at most {LINES}"
        for block in cc_visit(text):
            for part in (block, *getattr(block, "methods", ())):
                if part.letter == "C" or part.complexity <= COMPLEXITY:
                    continue
                if not exceptions.pop((name, part.name), None):
                    yield (
                        f"{name}:{part.lineno}: {part.name} has complexity {part.complexity}: "
                        f"expected at most {COMPLEXITY}"
                    )
    for name, function in exceptions:
        yield f"{name}: {function} needs no exception any more"


if __name__ == "__main__":
    found = sorted(set(findings()))
    print("\n".join(found))
    sys.exit(bool(found))
