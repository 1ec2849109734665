"""The workflow as a module: the sources of its files, and the Snakefile of its report."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from snakemake import api  # noqa: F401, before the modules that it imports in a circle
from snakemake.deployment.conda import CondaEnvFileSpec
from snakemake.path_modifier import PathModifier
from snakemake.sourcecache import GithubFile, GitlabFile, LocalGitFile, LocalSourceFile

from sigmoid_bce.jobs import snakemake_patches
from sigmoid_bce.planning import hosting

TEXT = st.text("ab {}'\"\\%@#:$\u202eé", min_size=1)
MARKERS = {"gitfile": LocalGitFile, "github": GithubFile, "gitlab": GitlabFile}


@pytest.mark.parametrize("kind", ["tag", "commit", "branch"])
@pytest.mark.parametrize("marker", MARKERS)
@settings(max_examples=20)
@given(name=TEXT, ref=TEXT)
@example(name="a 'b' {c} \\", ref="feature/x@1")
def test_a_source_is_named_as_the_host_names_it(marker, kind, name, ref):
    kind = "ref" if (marker, kind) == ("gitfile", "branch") else kind
    place = f"/{name}" if marker == "gitfile" else f"owner/{name}"
    source = MARKERS[marker](place, path="workflow/Snakefile", **{kind: ref})
    again = eval(hosting.expression(source), MARKERS)
    assert vars(again) == vars(source)


@given(path=TEXT)
def test_a_checkout_is_named_by_its_path(path):
    assert eval(hosting.expression(Path("/", path))) == str(Path("/", path))


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({}, "results/s"),
        ({"prefix": "a b"}, "a b/results/s"),
        ({"replace_prefix": {"results/": "out/"}}, "out/s"),
        ({"replace_prefix": {"results/s/": "x/y/"}}, "x/y"),
    ],
)
def test_a_folder_lies_where_snakemake_puts_its_files(options, place):
    storage = SimpleNamespace(default_storage_provider=None)
    flow = SimpleNamespace(storage_settings=storage)
    options = {"prefix": None, "replace_prefix": None, **options}
    flow.modifier = SimpleNamespace(path_modifier=PathModifier(workflow=flow, **options))
    assert hosting.placed(flow, "results/s") == place
    assert flow.modifier.path_modifier.modify("results/s/a.csv") == f"{place}/a.csv"
    # the Snakefile of the report puts them there as well
    text = hosting.snakefile(Path("Snakefile"), {"results/s": place})
    replaced = eval(text.split("replace_prefix: ")[1].splitlines()[0])
    again = PathModifier(workflow=flow, prefix=None, replace_prefix=replaced)
    assert again.modify("results/s/a.csv") == f"{place}/a.csv"


def test_a_host_s_environments_keep_their_wildcards(monkeypatch):
    monkeypatch.setattr(CondaEnvFileSpec, "apply_wildcards", CondaEnvFileSpec.apply_wildcards)
    snakemake_patches.take_braces_in_paths(None, "/a {b}/envs")
    for path, expected in [("/a {b}/envs/c.yaml",) * 2, ("/host/{b}.yaml", "/host/1.yaml")]:
        spec = CondaEnvFileSpec(LocalSourceFile(path)).apply_wildcards({"b": "1"})
        assert str(spec.file) == expected


def test_scripts_in_git_are_found(monkeypatch):
    monkeypatch.setattr(LocalGitFile, "join", LocalGitFile.join)
    rules = LocalGitFile("/a b", "workflow/rules", ref="main")
    with pytest.raises(TypeError):  # when it raises nothing, the patch can go
        rules.join(LocalSourceFile("../scripts/train.py"))
    snakemake_patches.find_scripts_in_git(None)
    for path in ("../scripts/train.py", LocalSourceFile("../scripts/train.py")):
        assert rules.join(path).path == "workflow/scripts/train.py"


def test_jobs_in_other_environments_import_the_package_alone(tmp_path, monkeypatch):
    package = tmp_path / "site/sigmoid_bce"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("found = 1")
    (package.parent / "numpy.py").write_text("")
    place = SimpleNamespace(name=tmp_path)
    monkeypatch.setattr(hosting, "_folder", lambda: place)
    folder = hosting.linked(package)
    code = "import sigmoid_bce; assert sigmoid_bce.found"
    environment = {"PYTHONPATH": str(folder)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert [path.name for path in folder.iterdir()] == ["sigmoid_bce"]
