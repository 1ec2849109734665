"""Keep each ring that has passed, so that `make soak` goes on where it was stopped."""

import hashlib
import json
import subprocess
from datetime import UTC, datetime

import pytest

from support.checkout import ROOT

KEPT = ROOT / "results/soak"


def pytest_addoption(parser):
    parser.addoption("--again", action="store_true", help="run the rings that have passed, too")


def state():
    """Return what the rings test: the commit, and what was changed since."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    changes = subprocess.check_output([*git, "diff", "HEAD"])
    return commit + (f"+{hashlib.sha256(changes).hexdigest()[:8]}" if changes else "")


def file_of(name):
    return KEPT / f"{name.replace('[', '-').strip(']')}.json"


def kept(item):
    """Return the record of a ring that has passed in the same state, if there is one."""
    file = file_of(item.name)
    record = json.loads(file.read_text()) if file.exists() else {}
    return record if record.get("state") == state() else None


def pytest_collection_modifyitems(config, items):
    here = [item for item in items if item.path.is_relative_to(ROOT / "tests/soak")]
    for item in here:
        item.add_marker("soak")
    if config.getoption("--again") or config.option.markexpr != "soak":
        return
    config.rings_kept = {item.name: record for item in here if (record := kept(item))}
    config.hook.pytest_deselected(items=[i for i in here if i.name in config.rings_kept])
    items[:] = [item for item in items if item.name not in config.rings_kept]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and report.passed and item.get_closest_marker("soak"):
        KEPT.mkdir(parents=True, exist_ok=True)
        said = dict(item.user_properties).get("said", "")
        when = datetime.now(UTC).isoformat(" ", "minutes")
        record = {"state": state(), "ended": when, "minutes": report.duration / 60, "said": said}
        file_of(item.name).write_text(json.dumps(record, indent=1) + "\n")
    return report


def pytest_terminal_summary(terminalreporter, config):
    rings = [
        (report.nodeid.split("::")[-1], outcome, report.duration / 60, dict(report.user_properties))
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        if report.when == "call" and "tests/soak" in report.nodeid
    ]
    for name, outcome, minutes, said in rings:
        terminalreporter.line(f"{name}: {outcome}, {minutes:.1f} min; {said.get('said', '')}")
    for name, record in getattr(config, "rings_kept", {}).items():
        terminalreporter.line(f"{name}: passed on {record['ended']}; {record['said']}")
