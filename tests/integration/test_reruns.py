"""A finished study is made again where the meaning of its code changes, and nowhere else."""

import ast
import re
import shutil

import pytest

from support.checkout import snakemake

CONFIG = ("--configfile", "config/studies/smoke.yaml")
PACKAGE = "src/sigmoid_bce"

REPORTED = {"front", "report", "track_cells", "track_study"}
DRAWN = {"figure_cell", *REPORTED}
COMPARED = {"compare", "tables", *DRAWN}
LEARNED = {"learn", "learning_tables", *REPORTED}
LEARNED |= {f"learning_figure_{number}" for number in (7, 8, 9, 11, 12)}
TRAINED = {"train", "raw_outputs", *COMPARED}
SWEPT = {f"laboratory_{name}" for name in ("conformance", "gradient", "staircase", "ulp")}
MEASURED = {"numerics_tables", "explorer", *SWEPT, "front", "report", "track_study"}
CURVES = {"article_models", "laboratory_figure_3"}


def planned(folder, *arguments, **environment):
    done = snakemake(folder, *CONFIG, "--dry-run", *arguments, **environment)
    if "Nothing to be done" in done.stdout:
        return set()
    lines = done.stdout.split("Job stats:")[1].split("total")[0].splitlines()
    return {line.split()[0] for line in lines if re.fullmatch(r"\w+ +\d+", line)} - {"all"}


@pytest.fixture
def edited(smoke):
    """Edit files of the finished study's workflow until the test ends."""
    before = {}

    def edit(path, change):
        file = smoke / "workflow" / path
        text = before.setdefault(file, file.read_text())
        assert change(text) != text, file
        file.write_text(change(text))

    yield edit
    for file, text in before.items():
        file.write_text(text)


def test_a_moved_project_reruns_nothing(smoke, tmp_path):
    assert planned(shutil.copytree(smoke, tmp_path / "moved", symlinks=True)) == set()


def test_dates_rerun_nothing(smoke):
    assert planned(smoke) == set()
    for ending in ("*.py", "*.npy", "*.parquet"):
        for folder in ("workflow", "results"):
            for file in (smoke / folder).rglob(ending):
                file.touch()
    assert planned(smoke) == set()


def reworded(text):
    """Return a module with other comments, docstrings, annotations and messages."""
    text = re.sub(r'^( *)"""(?=[A-Z])', r'\1"""Reworded: ', text, flags=re.M)
    text = re.sub(r"\braise (\w+)\((?!\))", r'raise \1("Reworded: " + ', text)
    text = re.sub(r"^( +)return ", r'\1print("returning")\n\1return ', text, flags=re.M)
    text = re.sub(r"-> (?!None)([^:\n]+):$", r"-> tuple[\1]:", text, flags=re.M)
    ast.parse(text)
    return text + "\n# edited\n"


def test_words_rerun_nothing(smoke, edited):
    """Comments, docstrings, annotations, messages and lines for the log, in all of the code."""
    files = [*(smoke / "workflow/src").rglob("*.py"), *(smoke / "workflow/scripts").glob("*.py")]
    assert len(files) > 80
    for file in files:
        edited(file.relative_to(smoke / "workflow"), reworded)
    assert planned(smoke) == set()


def swap(old, new):
    def change(text):
        assert old in text, old
        return text.replace(old, new)

    return change


# what is edited, how, and all that is made again for it
MEANING = {
    "a formula": (
        "numerics/formulas.py",
        swap("EPSILON = 1e-7", "EPSILON = 1e-6"),
        TRAINED | LEARNED | MEASURED | CURVES | {"laboratory_figure_2", "sweep"},
    ),
    "training": ("training/steps.py", swap("CHUNK = 64", "CHUNK = 32"), TRAINED),
    "a loss": (
        "training/losses/logits.py",
        swap("from_logits=True", "from_logits=False"),
        TRAINED | LEARNED,
    ),
    "a description of epochs": (
        "comparison/diagnostics.py",
        swap("BINS = 15", "BINS = 10"),
        LEARNED,
    ),
    "paired statistics": (
        "comparison/paired.py",
        swap("LEVEL = 0.05", "LEVEL = 0.01"),
        LEARNED - {"learn"},
    ),
    "another loss": (
        "training/losses/sigmoid_keras.py",
        swap("keras.ops.binary", "2 * keras.ops.binary"),
        set(),
    ),
    "raw outputs": (
        "training/raw_outputs.py",
        swap("BATCH = 256", "BATCH = 128"),
        TRAINED - {"train"},
    ),
    "a framework": (
        "numerics/frameworks/scipy.py",
        swap("expit(", "expit(1 * "),
        MEASURED | {"sweep"},
    ),
    "how files are locked": ("jobs/locks.py", swap("LOCK_EX", "LOCK_SH"), set()),
    "how jobs start": ("jobs/forkserver.py", swap("START = 10.0", "START = 20.0"), set()),
    "the confidence of an interval": (
        "tracking/notes.py",
        swap("CONFIDENCE = 0.95", "CONFIDENCE = 0.9"),
        {"track_cells", "track_study"},
    ),
}


@pytest.mark.parametrize(("path", "change", "rules"), MEANING.values(), ids=MEANING)
def test_meaning_reruns_what_depends_on_it(smoke, edited, path, change, rules):
    edited(f"{PACKAGE}/{path}", change)
    assert planned(smoke) == rules


# a package of which another release is installed, and all that is made again for it
RELEASES = {
    "tensorflow": TRAINED | LEARNED | {"article_models", "laboratory_figure_3"},
    "mpmath": COMPARED | MEASURED | CURVES | {"sweep"},
    "pillow": {"prepare", "datasets", "resize", *TRAINED, *LEARNED},
    "statsmodels": LEARNED - {"learn"},
    "pandas": set(),
    "mlflow": set(),
    "matplotlib": set(),
}


@pytest.mark.parametrize(("package", "rules"), RELEASES.items(), ids=RELEASES)
def test_another_release_reruns_what_it_computes(smoke, tmp_path, package, rules):
    folder = tmp_path / f"{package}-99.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 99.0\n")
    assert planned(smoke, PYTHONPATH=str(tmp_path)) == rules
    if rules:
        done = snakemake(smoke, *CONFIG, "--dry-run", PYTHONPATH=str(tmp_path))
        assert re.search(rf"Params have changed .*'{package}': '99.0'", done.stdout)
