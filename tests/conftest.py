import os
import shutil
import signal
from contextlib import ExitStack, suppress

import hypothesis
import pytest
import yaml

from support import hostile, leftovers
from support.checkout import checkout, snakemake

# the same examples in every run, and no folder of them
hypothesis.settings.register_profile("tests", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("tests")

# terminated, the tests take down what they started, as after Ctrl-C
signal.signal(signal.SIGTERM, signal.default_int_handler)

# before anything imports TensorFlow
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# so that whatever they start is found at the end
leftovers.mark()

FOLDER = "a b 100%20 #1 {seed}' é"


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left():
    """Check at the very end that every process which the tests started has ended."""
    yield
    leftovers.check_none_is_left()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each worker whole files, and the folders whose tests share a study or a SLURM whole."""
    from xdist.scheduler import LoadScopeScheduling

    class Whole(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0]
            shared = [name for name in ("tests/cluster/", "tests/faults/") if file.startswith(name)]
            return shared[0] if shared else file

    return Whole(config, log)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """A folder in which the smoke study has run; it and its user's texts have hostile names."""
    folder = tmp_path_factory.mktemp("smoke") / FOLDER
    folder.mkdir()
    checkout(folder)
    file = folder / "config/studies/smoke.yaml"
    file.write_text(yaml.safe_dump(hostile.spoil(yaml.safe_load(file.read_text()))))
    snakemake(folder, "--configfile", "config/studies/smoke.yaml")
    return folder


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A folder in which the study of the faults has run, and its state."""
    from support.broken import CONFIG, configured, state

    folder = configured(tmp_path_factory.mktemp("undisturbed") / "study")
    snakemake(folder, "tables", *CONFIG)
    return folder, state(folder)


@pytest.fixture
def fresh(tmp_path):
    """A folder for the study of the faults in which nothing has run yet."""
    from support.broken import configured, running

    folder = configured(tmp_path / "study")
    yield folder
    for record in running(folder):  # what Snakemake's death left behind
        with suppress(ProcessLookupError):  # it has ended just now
            os.kill(record["pid"], signal.SIGKILL)


@pytest.fixture
def finished(undisturbed, tmp_path):
    """A copy of the undisturbed folder, to be damaged."""
    return shutil.copytree(undisturbed[0], tmp_path / "study", symlinks=True)


@pytest.fixture(scope="session")
def slurms():
    """Return the running SLURM with or without accounts; a machine can run only one of them."""
    from support.slurm import missing, slurm

    with ExitStack() as running:
        current = {}

        def start(accounts):
            if (why := missing(accounts)) and not os.environ.get("SIGMOID_BCE_CI"):
                pytest.skip(why)
            if accounts not in current:
                running.close()
                current.clear()
                current[accounts] = running.enter_context(slurm(accounts=accounts))
            return current[accounts]

        yield start


@pytest.fixture(scope="module")
def cluster(slurms):
    """A SLURM of one node: partitions `cpu` and `gpu`, two GPUs."""
    return slurms(False)


@pytest.fixture(scope="module")
def accounted(slurms):
    """A SLURM of two nodes that keeps accounts: partitions `cpu` and `gpu`, four GPUs."""
    return slurms(True)
