"""Handlers that report an error and go on: for each, a test shows that nothing was wrong to report.

What such a handler guards may fail at every call, and nobody notices more than a line.
"""

import ast
import re

import pytest

from support.checkout import ROOT

SOURCE = ROOT / "workflow/src/sigmoid_bce"
LIVE = "integration/test_live.py::test_the_live_view_shows_what_is_logged_later"
ATTEMPT = "unit/test_attempts.py::test_every_epoch_is_in_the_file_at_once_bit_for_bit"
RESUMED = "unit/test_checkpoint.py::test_interrupted_thrice_it_ends_in_the_same_bytes"
TESTS = {
    "jobs/attempts.py Attempt.__enter__": LIVE,
    "jobs/attempts.py Attempt.__exit__": ATTEMPT,
    "jobs/attempts.py Attempt._tell": LIVE,
    "jobs/attempts.py Attempt._write": "unit/test_attempts.py::test_the_end_is_told_truthfully",
    "jobs/attempts.py Attempt.note": ATTEMPT,
    "jobs/attempts.py _records": "unit/test_attempts.py::test_the_end_is_told_truthfully",
    "jobs/forkserver.py _run": "unit/test_forkserver.py::"
    "test_a_fork_has_imports_environment_folder_and_status",
    "jobs/gpus.py _listed": "unit/test_gpus.py::test_the_pool_is_the_machine_s",
    "jobs/patching.py patch.decorate.guarded": "unit/test_snakemake_patches.py::"
    "test_the_limit_is_lifted_where_nobody_set_one",
    "models/features.py extract": "unit/test_backbones.py::"
    "test_it_resumes_after_the_last_complete_chunk",
    "slurm/patches.py refusal": "unit/test_cluster.py::test_requests_that_the_plugin_cannot_submit",
    "slurm/patches.py submission": "unit/test_snakemake_patches.py::"
    "test_without_the_plugin_s_modules_slurm_is_not_asked",
    "slurm/queue.py main": "cluster/test_faults.py::test_death_of_snakemake",
    "tracking/__main__.py main": "integration/test_tracking.py::"
    "test_reconcile_closes_dead_runs_and_leaves_running_ones_alone",
    "tracking/live.py LiveView.run": LIVE,
    "tracking/reconcile.py after_error": "faults/test_kills.py::"
    "test_a_failed_cell_is_shown_with_its_reason_and_the_others_finished",
    "tracking/reconcile.py at_start": "integration/test_tracking.py::"
    "test_a_start_closes_dead_runs_without_a_word_and_asks_mlflow_only_then",
    "training/checkpoint.py Checkpoints.__init__": RESUMED,
    "training/checkpoint.py Checkpoints._write": RESUMED,
    "training/checkpoint.py Checkpoints.resume": RESUMED,
}


def swallowing(node, name=""):
    """Yield the functions with a handler that prints and does not raise."""
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, ast.FunctionDef | ast.ClassDef)
        inner = f"{name}.{child.name}".lstrip(".") if named else name
        if isinstance(child, ast.ExceptHandler):
            below = list(ast.walk(child))
            calls = {ast.unparse(call.func) for call in below if isinstance(call, ast.Call)}
            if calls & {"print", "announce"} and not any(isinstance(n, ast.Raise) for n in below):
                yield inner
        yield from swallowing(child, inner)


def test_each_has_its_test():
    found = {
        f"{file.relative_to(SOURCE)} {name}"
        for file in SOURCE.rglob("*.py")
        for name in swallowing(ast.parse(file.read_text()))
    }
    assert found == TESTS.keys(), "name in TESTS a test that the guarded code works"


@pytest.mark.parametrize("test", sorted(set(TESTS.values())))
def test_the_test_exists(test):
    file, name = test.split("::")
    assert re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text(), re.M)
