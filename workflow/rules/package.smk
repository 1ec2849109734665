# The package that the rules run: the copy beside them, or the installed one of this release; no rules.
import sys
from pathlib import Path
from shlex import quote as quoted
from urllib.parse import quote as encoded

from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import HostingProviderFile, LocalGitFile, LocalSourceFile

# as in pyproject.toml, which a test compares
RELEASE = "0.1.0"
HERE = workflow.current_basedir
# false in a git repository, from which Snakemake reads file by file
BESIDE = isinstance(HERE, LocalSourceFile)


def installation():
    """Return the command that installs the package of this very workflow."""
    project = f"sigmoid-bce[workflow]=={RELEASE}"
    if BESIDE:
        project = f"{WORKFLOW.parent}[workflow]"
    elif isinstance(HERE, LocalGitFile):
        # without a host, older releases of pip take it for no address
        folder = encoded(str(Path(HERE.repo_path).absolute()))
        project = f"sigmoid-bce[workflow] @ git+file://localhost{folder}@{HERE.ref}"
    elif isinstance(HERE, HostingProviderFile):
        address = f"{HERE.host}/{HERE.repo}@{HERE.ref}"
        project = f"sigmoid-bce[workflow] @ git+https://{address}"
    return f"Run: pip install {quoted(project)}"


if BESIDE:
    WORKFLOW = Path(HERE.get_path_or_uri(secret_free=True)).resolve().parent
    # a checkout uses its own copy of the package, even if another one is installed
    sys.path.insert(0, str(WORKFLOW / "src"))
try:
    import sigmoid_bce as package
except ModuleNotFoundError:
    raise WorkflowError(
        f"this workflow needs its package sigmoid-bce {RELEASE}, which is not installed. "
        f"{installation()}"
    ) from None
if getattr(package, "__version__", None) != RELEASE:
    found = getattr(package, "__version__", "too old to say its release")
    raise WorkflowError(
        f"this workflow is of sigmoid-bce {RELEASE}, the package {package.__path__[0]} is "
        f"{found}. {installation()}"
    )

from sigmoid_bce.planning import hosting, pins

# jobs in conda environments bring what they need, but for the package
ISOLATED = "conda" in map(str, workflow.deployment_settings.deployment_method)
if BESIDE:
    SOURCE = WORKFLOW / "src"
else:
    # captions and profiles are part of the package as well
    WORKFLOW = Path(package.__path__[0]) / "workflow"
    SOURCE = hosting.linked(WORKFLOW.parent) if ISOLATED else None
try:
    pins.check("snakemake")
    if not (BESIDE or ISOLATED):
        pins.check_extra("workflow", installation())
except pins.ReleaseError as error:
    raise WorkflowError(str(error)) from None
