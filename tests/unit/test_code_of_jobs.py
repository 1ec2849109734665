"""Each job's log names the code that the job ran."""

import re
import subprocess
import sys

import pytest

from sigmoid_bce.jobs import patches, provenance
from sigmoid_bce.jobs.logs import CODE

JOB = """
from sigmoid_bce.jobs.logs import logged_to
with logged_to("log"):
    pass
"""


def log_of_a_job(folder):
    """Return the lines of the log of a job without work."""
    subprocess.run([sys.executable, "-c", JOB], cwd=folder, check=True)
    return (folder / "log").read_text().splitlines()


@pytest.mark.parametrize(
    ("commit", "dirty", "told"),
    [
        ("a" * 40, False, f"commit {'a' * 40}"),
        ("a" * 40, True, f"commit {'a' * 40} with patches/0123.patch"),
        ("a" * 40, None, f"commit {'a' * 40}, changes unknown"),
        (None, None, "unknown commit"),
    ],
)
def test_the_first_line_of_a_log_is_the_code(tmp_path, monkeypatch, commit, dirty, told):
    monkeypatch.setenv(CODE, "")
    monkeypatch.setattr(provenance, "code", lambda: provenance.Version(commit, dirty))
    monkeypatch.setattr(patches, "keep", lambda *_: "0123" if dirty else None)
    provenance.tell_jobs(tmp_path)
    first, last = log_of_a_job(tmp_path)
    assert first == f"code: {told}"
    assert last.startswith("took ")


def test_every_job_of_a_study_names_its_code(smoke):
    study = smoke / "results/smoke"
    logs = list((study / "logs").rglob("*.log"))
    assert {file.relative_to(study / "logs").parts[0] for file in logs} > {"train", "tables.log"}
    first = {file.read_text().partition("\n")[0] for file in logs}
    # one workflow made them, of the tree that is tested
    assert len(first) == 1
    assert re.fullmatch(r"code: (commit \w{40}( with patches/\w+\.patch|, changes unknown)?"
                        r"|unknown commit)", first.pop())  # fmt: skip


def test_a_script_by_itself_names_no_code(tmp_path, monkeypatch):
    monkeypatch.delenv(CODE, raising=False)
    assert len(log_of_a_job(tmp_path)) == 1
