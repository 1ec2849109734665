"""The commit in a record is that of the code that ran; where it is unknown, so it says."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from sigmoid_bce.jobs import git as git_questions
from sigmoid_bce.jobs import patches, provenance
from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.jobs.provenance import version

FILE = "src/code.py"
NOBODY = 65534


def git(folder, *arguments):
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    command += ["-c", "protocol.file.allow=always", *map(str, arguments)]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    return subprocess.check_output(
        command, cwd=folder, env=clean, text=True, stderr=subprocess.DEVNULL
    ).strip()


def source(folder):
    (folder / "src").mkdir(parents=True)
    (folder / FILE).write_text("1\n")
    return folder


def repository(folder):
    source(folder)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", folder.name)
    return folder


def head(folder):
    return git(folder, "rev-parse", "HEAD")


def shown(folder):
    return tuple(version(folder / FILE, folder))


@pytest.fixture
def outer(tmp_path, monkeypatch):
    """A repository of somebody else's, for a project below it."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return repository(tmp_path / "outer")


@pytest.fixture
def project(outer):
    return repository(outer / "project")


def ignored(folder, name):
    """Write a file that git does not look at, whatever the user's or the project's list says."""
    (folder / ".git/info/exclude").write_text("local.py\n__pycache__\n")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("3\n")


CHANGES = {
    "nothing": (lambda folder: None, False),
    "a line": (lambda folder: (folder / FILE).write_text("2\n"), True),
    "a new file": (lambda folder: (folder / "src/new.py").touch(), True),
    "a new file that status hides": (
        lambda folder: [
            git(folder, "config", "status.showUntrackedFiles", "no"),
            (folder / "src/new.py").touch(),
        ],
        True,
    ),
    # the package would import it
    "a file that git ignores": (lambda folder: ignored(folder, "src/local.py"), True),
    "files that Python leaves": (lambda folder: ignored(folder, "src/__pycache__/a.pyc"), False),
    "a deleted file": (lambda folder: (folder / FILE).unlink(), True),
    # git does not look at these
    "a file assumed unchanged": (
        lambda folder: git(folder, "update-index", "--assume-unchanged", FILE),
        None,
    ),
    "a skipped file": (lambda folder: git(folder, "update-index", "--skip-worktree", FILE), None),
    # without its index, git cannot tell
    "a damaged index": (lambda folder: (folder / ".git/index").write_bytes(b"DIRC"), None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_checkout_has_its_commit_and_its_changes(project, change):
    do, dirty = CHANGES[change]
    commit = head(project)
    do(project)
    assert shown(project) == (commit, dirty)


UNKNOWN = {
    "no repository of its own": lambda folder: shutil.rmtree(folder / ".git"),
    "an empty .git": lambda folder: [shutil.rmtree(folder / ".git"), (folder / ".git").mkdir()],
    "a lost worktree": lambda folder: [
        shutil.rmtree(folder / ".git"),
        (folder / ".git").write_text("gitdir: /nowhere/.git/worktrees/x\n"),
    ],
    "a damaged HEAD": lambda folder: (folder / ".git/HEAD").write_text("?"),
    "a lost object": lambda folder: shutil.rmtree(folder / ".git/objects"),
    "no commit": lambda folder: [shutil.rmtree(folder / ".git"), git(folder, "init", "-q")],
    "a bare repository": lambda folder: git(folder, "config", "core.bare", "true"),
    "files elsewhere": lambda folder: git(folder, "config", "core.worktree", folder.parent),
    "files in no commit": lambda folder: [
        git(folder, "rm", "-q", "--cached", FILE),
        git(folder, "commit", "-q", "-m", "without"),
    ],
}


@pytest.mark.parametrize("state", UNKNOWN)
def test_what_git_does_not_know_is_unknown(project, state):
    UNKNOWN[state](project)
    assert shown(project) == (None, None)


def test_the_environment_of_a_hook_names_another_repository(project, outer, monkeypatch):
    for name, path in {"DIR": ".git", "WORK_TREE": ".", "INDEX_FILE": ".git/index"}.items():
        monkeypatch.setenv(f"GIT_{name}", str(outer / path))
    assert shown(project) == (head(project), False)


def test_a_worktree_and_a_submodule_are_checkouts(project, tmp_path):
    git(project, "worktree", "add", "-q", tmp_path / "tree")
    assert shown(tmp_path / "tree") == (head(project), False)
    above = repository(tmp_path / "above")
    git(above, "submodule", "add", "-q", project, "part")
    git(above, "commit", "-q", "-m", "part")
    assert shown(above / "part") == (head(project), False)
    assert head(above) != head(project)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_another_user_s_checkout_has_its_commit(project, tmp_path):
    """Its code is run, so git may trust it; by itself, git would refuse."""
    (project / FILE).write_text("2\n")
    commit = head(project)
    for path in (project, project / ".git"):
        os.chown(path, NOBODY, NOBODY)
    with pytest.raises(subprocess.CalledProcessError):
        head(project)
    assert shown(project) == (commit, True)
    assert patches.keep(project, commit, tmp_path / "s")


GITS = {"none": None, "not executable": "", "slow": "#!/bin/sh\nexec sleep 60\n"}
GITS |= {"broken": "#!/bin/sh\necho hello; exit 0\n", "failing": "#!/bin/sh\nexit 3\n"}


@pytest.mark.parametrize("kind", GITS)
def test_without_a_working_git_a_job_begins(kind, tmp_path, monkeypatch):
    if (script := GITS[kind]) is not None:
        (tmp_path / "git").write_text(script)
        (tmp_path / "git").chmod(0o755 if script else 0o644)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin" if script else str(tmp_path))
    monkeypatch.setattr(git_questions, "LIMIT", 0.2)
    begin = time.monotonic()
    found = provenance.circumstances(tmp_path)
    assert time.monotonic() - begin < 5
    assert (found["git_commit"], found["git_dirty"]) == (None, None)


def test_this_checkout_s_folder_is_its_root():
    assert (provenance.ROOT / "workflow/Snakefile").is_file()
    assert Path(provenance.__file__).resolve().is_relative_to(provenance.ROOT)


@pytest.mark.parametrize(
    ("origin", "commit"),
    [
        ('{"url": "git+file:///x", "vcs_info": {"vcs": "git", "commit_id": "abc"}}', "abc"),
        ('{"url": "file:///x", "dir_info": {"editable": true}}', None),
        ("{", None),
        (None, None),
    ],
)
def test_a_package_that_pip_took_from_git_knows_its_commit(tmp_path, monkeypatch, origin, commit):
    site = tmp_path.resolve() / "site"
    (site / "sigmoid_bce").mkdir(parents=True)
    record = site / "sigmoid_bce-0.1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: sigmoid-bce\nVersion: 0.1.0\n")
    if origin:
        (record / "direct_url.json").write_text(origin)
    monkeypatch.syspath_prepend(site)
    dirty = False if commit else None
    assert provenance.installed(site / "sigmoid_bce") == (commit, dirty)
    # another copy, as that of a checkout, is of no such commit
    assert provenance.installed(tmp_path / "sigmoid_bce") == (None, None)


def test_an_archive_names_its_commit_and_not_whether_it_was_changed(project, tmp_path):
    (project / ".gitattributes").write_text(".git_archival.txt export-subst\n")
    (project / provenance.ARCHIVED).write_text("node: $Format:%H$\n")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "archival")
    (tmp_path / "archive").mkdir()
    git(project, "archive", "-o", tmp_path / "archive.tar", "HEAD")
    shutil.unpack_archive(tmp_path / "archive.tar", tmp_path / "archive")
    assert shown(tmp_path / "archive") == (head(project), None)
    # inside another repository, it is still no part of that one
    shutil.move(tmp_path / "archive", project.parent / "archive")
    assert shown(project.parent / "archive") == (head(project), None)
    # a copy of the files alone
    shutil.rmtree(project / ".git")
    assert shown(project) == (None, None)


def applied(project, results, tmp_path):
    """Return the patch of a project, its text, and a fresh clone to which it was applied."""
    name = patches.keep(project, head(project), results, "src")
    git(tmp_path, "clone", "-q", project, "clone")
    file = patches.place(results, name)
    git(tmp_path / "clone", "apply", "--index", "--allow-empty", file)
    return name, file.read_text(errors="surrogateescape"), tmp_path / "clone"


def test_a_patch_holds_what_the_commit_lacks(project, tmp_path):
    before = git(project, "status", "--porcelain"), head(project)
    (project / FILE).write_text("2\n")
    (project / "src/new \u00e9.py").write_text("3\n")
    (project / "src/bytes.bin").write_bytes(bytes(range(256)))
    (project / "src/link").symlink_to("code.py")
    git(project, "update-index", "--assume-unchanged", FILE)
    listed = git(project, "ls-files", "-v"), (project / ".git/index").read_bytes()
    _, text, clone = applied(project, tmp_path / "s", tmp_path)
    assert text.startswith(f"# changes since commit {head(project)}\n")
    assert (clone / FILE).read_text() == "2\n"
    assert (clone / "src/new \u00e9.py").read_text() == "3\n"
    assert (clone / "src/bytes.bin").read_bytes() == bytes(range(256))
    assert (clone / "src/link").readlink() == Path("code.py")
    # the checkout is as it was
    assert (git(project, "ls-files", "-v"), (project / ".git/index").read_bytes()) == listed
    assert before == ("", head(project))


def test_a_patch_leaves_out_secrets_and_data_and_says_so(project, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter-2-hunter")
    (project / ".env").write_text("TOKEN=1\n")
    (project / "my-secrets.yaml").write_text("a: 1\n")
    (project / "data.bin").write_bytes(bytes(patches.LARGEST_NEW + 1))
    (project / FILE).write_text("password = 'hunter-2-hunter'\n")
    _, text, clone = applied(project, tmp_path / "s", tmp_path)
    assert sorted(path.name for path in clone.iterdir()) == [".git", "src"]
    assert "# left out: .env (it may hold a secret)\n" in text
    assert "# left out: my-secrets.yaml (it may hold a secret)\n" in text
    assert "# left out: data.bin (1,000,001 bytes)\n" in text
    assert "hunter" not in text
    assert (clone / FILE).read_text() == "password = '***'\n"


def submodule(project):
    git(project, "submodule", "add", "-q", project, "part")
    git(project, "commit", "-q", "-m", "part")
    (project / "part" / FILE).write_text("2\n")


SETTINGS = ("diff.noprefix", "diff.mnemonicPrefix", "color.ui", "diff.relative")
KINDS = {
    "staged": lambda p: [(p / FILE).write_text("2\n"), git(p, "add", ".")],
    "staged, new": lambda p: [(p / "new.py").touch(), git(p, "add", ".")],
    "intended": lambda p: [(p / "new.py").write_text("2\n"), git(p, "add", "-N", ".")],
    "renamed": lambda p: git(p, "mv", FILE, "src/other.py"),
    "deleted": lambda p: (p / FILE).unlink(),
    "a mode": lambda p: (p / FILE).chmod(0o755),
    "a link in its place": lambda p: [(p / FILE).unlink(), (p / FILE).symlink_to("x")],
    "a folder in its place": lambda p: [
        (p / FILE).unlink(),
        (p / FILE).mkdir(),
        (p / FILE / "a").write_text("1"),
    ],
    "line ends": lambda p: (p / FILE).write_bytes(b"1\r\n"),
    "bytes": lambda p: (p / FILE).write_bytes(b"\xe9\0"),
    "a name of two lines": lambda p: (p / "src/a\nb.py").write_text("1"),
    "settings of the user's": lambda p: [
        (p / FILE).write_text("2\n"),
        *(git(p, "config", name, "always" if "color" in name else "true") for name in SETTINGS),
    ],
    "no difference for git": lambda p: [
        (p / ".git/info/attributes").write_text("*.py -diff\n"),
        (p / FILE).write_text("2\n"),
    ],
    "ignored code": lambda p: ignored(p, "src/local.py"),
}


def content(folder):
    files = [f for f in sorted(folder.rglob("*")) if ".git" not in f.parts and not f.is_dir()]
    return [
        (f.relative_to(folder), f.lstat().st_mode, f.is_symlink() or f.read_bytes()) for f in files
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_change_comes_back(project, tmp_path, kind):
    KINDS[kind](project)
    assert shown(project) in {(head(project), True), (None, None)}  # the file may be renamed
    _, text, clone = applied(project, tmp_path / "s", tmp_path)
    assert "left out" not in text
    assert content(clone) == content(project)


HIDING = ("diff.ignoreSubmodules", "submodule.part.ignore")
LEFT_OUT = {
    "another repository": (
        lambda p: repository(p / "sub"),
        "# left out: sub/ (a repository of its own)",
    ),
    "a change in a submodule": (
        submodule,
        "# no patch, although git status says:  M part",
    ),
    "a change in a submodule that settings hide": (
        lambda p: [submodule(p), *(git(p, "config", name, "all") for name in HIDING)],
        "# no patch, although git status says:  M part",
    ),
    "a change that is undone": (
        lambda p: [(p / FILE).write_text("2\n"), git(p, "add", "."), (p / FILE).write_text("1\n")],
        f"# no patch, although git status says: MM {FILE}",
    ),
    "a changed secret": (
        lambda p: [
            (p / "secrets.yaml").write_text("a: 1\n"),
            git(p, "add", "."),
            git(p, "commit", "-q", "-m", "secrets"),
            (p / "secrets.yaml").write_text("password: hunter-2\n"),
        ],
        "# left out: secrets.yaml (it may hold a secret)",
    ),
}


def test_another_commit_of_a_submodule_that_settings_hide(project, tmp_path):
    submodule(project)
    git(project / "part", "commit", "-q", "-a", "-m", "2")
    for name in HIDING:
        git(project, "config", name, "all")
    assert shown(project) == (head(project), True)
    _, text, _ = applied(project, tmp_path / "s", tmp_path)
    assert "diff --git a/part b/part" in text


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_a_change_that_no_patch_holds_is_named(project, tmp_path, kind):
    do, line = LEFT_OUT[kind]
    do(project)
    assert shown(project) == (head(project), True)
    name = patches.keep(project, head(project), tmp_path / "s")
    assert patches.place(tmp_path / "s", name).read_text().splitlines()[1:] == [line]


def test_thousands_of_new_files_are_kept(project, tmp_path):
    names = [f"src/{'long' * 40}-{number}.py" for number in range(2000)]
    for name in names:
        (project / name).touch()
    _, text, clone = applied(project, tmp_path / "s", tmp_path)
    assert "left out" not in text
    assert all((clone / name).is_file() for name in names)


def test_what_git_could_not_tell_is_named(project, tmp_path, monkeypatch):
    (project / FILE).write_text("2\n")
    before = patches.ask
    failing = lambda folder, *words, **more: (  # noqa: E731
        None if words[0] == "diff-index" else before(folder, *words, **more)
    )
    monkeypatch.setattr(patches, "ask", failing)
    name = patches.keep(project, head(project), tmp_path / "s")
    text = patches.place(tmp_path / "s", name).read_text()
    assert "# left out: some or all changes: git failed, or gave no answer in time\n" in text


def test_equal_changes_are_kept_once_and_no_change_not_at_all(project, tmp_path):
    results = tmp_path / "s"
    assert patches.keep(project, head(project), results) is None
    assert not results.exists()
    (project / FILE).write_text("2\n")
    one, other = (patches.keep(project, head(project), results) for _ in range(2))
    (project / FILE).write_text("3\n")
    third = patches.keep(project, head(project), results)
    assert one == other != third
    assert len(list((results / patches.FOLDER).iterdir())) == 2


KEPT = "or leave out tracking: {uncommitted: refuse}, so that changes are kept as a patch$"
UNKNOWN_CODE = (
    "or leave out tracking: {uncommitted: refuse}, and go on without knowing which code ran$"
)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda p: (p / FILE).write_text("2\n"),
            r"differs from commit \w{12}: src/code.py. Commit the changes, or move files that are "
            rf"no code out of the checkout, {KEPT}",
        ),
        (lambda p: ignored(p, "src/local.py"), r"differs from commit \w{12}: src/local.py. Commit"),
        (lambda p: (p / "src/new.py").touch(), r"differs from commit \w{12}: src/new.py. Commit"),
        (
            lambda p: git(p, "update-index", "--skip-worktree", FILE),
            rf"was told to overlook files .*{KEPT}",
        ),
        (
            lambda p: shutil.rmtree(p / ".git"),
            rf"is unknown: it is in no repository .*{UNKNOWN_CODE}",
        ),
        (
            lambda p: [
                shutil.rmtree(p / ".git"),
                (p / provenance.ARCHIVED).write_text(f"node: {'1' * 40}\n"),
            ],
            rf"is unknown: it is an archive\. .*{UNKNOWN_CODE}",
        ),
    ],
)
def test_changes_are_refused_in_a_line(project, monkeypatch, change, line):
    monkeypatch.setattr(provenance, "code", lambda folder: version(folder / FILE, folder))
    monkeypatch.setattr(provenance, "CODE", "src")
    provenance.refuse_changes(project)
    change(project)
    with pytest.raises(UserError, match=line) as caught:
        provenance.refuse_changes(project)
    assert "\n" not in str(caught.value)
