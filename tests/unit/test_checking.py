"""The checker of code and saved models: precision, recall, kinds of files, and its command."""

import json
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from sigmoid_bce.checking import RULES, BadPath, check, report
from sigmoid_bce.checking.sources import notebook, python
from sigmoid_bce.commands.check import command

SNIPPETS = Path(__file__).parents[1] / "snippets"
CHECK = Path(__file__).parents[2] / "docs/check.md"
LOG = "import torch\nloss = -torch.log(torch.sigmoid(x))\n"
FINE = "import torch\nloss = -torch.nn.functional.logsigmoid(x)\n"


def snippets(name):
    """Yield name, code and the expected lines and rules of each snippet."""
    parts = re.split(r"^=== (.*)\n", (SNIPPETS / name).read_text(), flags=re.MULTILINE)[1:]
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        lines = [re.split(r"\s*#! ", line) for line in text.split("\n")]
        expected = {
            (number, rule)
            for number, (_, *marks) in enumerate(lines, 1)
            for rule in ", ".join(marks).split(", ")
            if rule
        }
        yield title, "\n".join(line[0] for line in lines), expected


def found(code):
    findings, notes = python("a.py", code)
    assert not notes
    return {(finding.line, finding.rule) for finding in findings}


LABELLED, FURTHER = list(snippets("labelled.txt")), list(snippets("further.txt"))


@pytest.mark.parametrize(
    ("cases", "precision", "recall"), [(LABELLED, 0.95, 0.8), (FURTHER, 0.95, 0.8)]
)
def test_precision_and_recall(cases, precision, recall):
    pairs = [(found(code), expected) for _, code, expected in cases]
    right = sum(len(a & b) for a, b in pairs)
    wrong = [(title, a - b) for (title, _, _), (a, b) in zip(cases, pairs, strict=True) if a - b]
    assert right >= precision * sum(len(a) for a, _ in pairs), wrong
    assert right >= recall * sum(len(b) for _, b in pairs)


def test_the_documented_numbers_are_those_of_the_labelled_set():
    pairs = [(found(code), expected) for _, code, expected in LABELLED]
    right, all_found, all_expected = (
        sum(map(len, sets)) for sets in ([a & b for a, b in pairs], *zip(*pairs, strict=True))
    )
    shares = [f"{100 * right / total:.0f} %" for total in (all_found, all_expected)]
    row = next(line for line in CHECK.read_text().split("\n") if "labelled.txt" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[0].startswith(f"[{len(LABELLED)},")
    assert cells[1:] == [str(all_expected), *shares]


def test_the_set_is_large_and_half_of_it_is_clean():
    assert len(LABELLED) >= 100
    assert 0.4 < sum(not expected for _, _, expected in LABELLED) / len(LABELLED) < 0.6
    assert {rule for _, _, expected in LABELLED for _, rule in expected} == set(RULES)
    assert all("" in rule.instead for rule in RULES.values())


@given(
    st.sampled_from(LABELLED),
    st.sampled_from(["if True:", "with torch.autograd.profiler.profile():", "for _ in range(3):"]),
    st.lists(st.sampled_from(["", "# log(sigmoid(x))", "'1 - sigmoid'", "import re"]), max_size=3),
)
def test_what_is_around_changes_nothing(snippet, head, before):
    _, code, _ = snippet
    moved = "\n".join([*before, head, textwrap.indent(code, "    ")])
    assert found(moved) == {(line + len(before) + 1, rule) for line, rule in found(code)}


@given(st.text(alphabet="pyxlogsigmid()[]{}.,:=+-*/ \n#'\"\\\x00é", max_size=60))
def test_any_text_is_looked_at_or_said_not_to_be(text):
    python("a.py", text)
    _, notes = notebook("a.ipynb", text)
    assert len(notes) == 1


@given(st.sampled_from([code for _, code, _ in LABELLED]), st.data())
def test_half_a_file_is_looked_at_or_said_not_to_be(code, data):
    lines = code.split("\n")
    part = lines[data.draw(st.integers(0, len(lines))) :]
    _, notes = python("a.py", "\n".join(part))
    assert all("does not parse" in note for note in notes)


@pytest.mark.parametrize(
    ("code", "rules"),
    [
        ("F.binary_cross_entropy(torch.sigmoid(x), y)", {"bce-after-sigmoid"}),
        ("F.binary_cross_entropy(p, torch.sigmoid(x))", set()),
        ("p = torch.sigmoid(x) if c else x\nF.binary_cross_entropy(p, y)", set()),
        ("p = torch.sigmoid(x)\nif c:\n    p = f(p)\nF.binary_cross_entropy(p, y)", set()),
        ("p = torch.sigmoid(x)\ndel p\nnp.log(p.mean())", set()),
        ("np.log(1 / (1 + np.exp(-x)))", {"log-sigmoid"}),
        ("np.log((1 + np.exp(-x)) ** -1)", {"log-sigmoid"}),
        ("np.log(np.exp(x) / (1 + np.exp(x)))", {"log-sigmoid"}),
        ("np.log(np.exp(x) / (1 + np.exp(z)))", set()),
        ("np.log(1 / (2 + np.exp(-x)))", set()),
        ("np.log(1 - 1 / (1 + np.exp(-x)) + 1e-9)", {"log-one-minus-sigmoid"}),
        ("torch.sigmoid(torch.sigmoid(x))", {"double-sigmoid"}),
        ("torch.sigmoid(head(torch.sigmoid(x)))", set()),
        (
            "m = models.resnet18()\nm.fc = nn.Sequential(nn.Linear(9, 1), nn.Sigmoid())\n"
            "nn.BCELoss()(m(x), y)",
            {"bce-after-sigmoid"},
        ),
        ("def f(x):\n    return f(torch.sigmoid(x))\nF.binary_cross_entropy(f(x), y)", set()),
        ("logger.log(10, torch.sigmoid(x))", set()),
        (
            "import keras\nkeras.losses.BinaryCrossentropy()(y, m.predict(x))",
            {"keras-loss-on-predict"},
        ),
        ("np.log(m.predict(x))\nF.binary_cross_entropy(m.predict(x), y)", set()),
        (
            "import os, keras\nos.environ.update(KERAS_BACKEND='jax')\n"
            "m = keras.Sequential([keras.layers.Dense(1, 'sigmoid')])\nm.compile(loss='bce')",
            {"keras-other-backend"},
        ),
        (
            "from skorch import NeuralNetClassifier\nclass N(nn.Module):\n"
            "    def forward(self, x):\n        return x.sigmoid()\n"
            "NeuralNetClassifier(N, criterion=nn.BCELoss)",
            {"bce-after-sigmoid"},
        ),
    ],
)
def test_expressions(code, rules):
    header = "import numpy as np, torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
    assert {rule for _, rule in found(header + code)} == rules


# the rules rest on what Keras does: which layers leave the logits where its loss finds them
@pytest.mark.parametrize(
    ("layer", "recovered"),
    [
        ("Identity()", True),
        ("Activation('linear')", True),
        ("Flatten()", False),
        ("Reshape((1,))", False),
        ("Lambda(lambda t: t[:, 0])", False),
    ],
)
def test_keras_recovers_logits_where_the_checker_says(layer, recovered):
    import keras

    sigmoid = keras.activations.sigmoid(keras.ops.convert_to_tensor(np.full((2, 1), -30, "f4")))
    made = eval(f"layers.{layer}", {"layers": keras.layers})
    shape = (2,) if "Lambda" in layer else (2, 1)
    loss = float(keras.losses.BinaryCrossentropy()(np.ones(shape, "f4"), made(sigmoid)))
    assert (loss > 29) == recovered
    head = f"[keras.layers.Dense(1, activation='sigmoid'), keras.layers.{layer}]"
    code = f"import keras\nm = keras.Sequential({head})\nm.compile('sgd', 'binary_crossentropy')"
    assert bool(found(code)) != recovered


def test_a_notebook(tmp_path):
    cells = [
        ("markdown", "log(sigmoid(x))"),
        ("code", "%env KERAS_BACKEND=jax\n!pip install keras\nimport keras"),
        ("code", "%%bash\nrm (("),
        ("code", "this does not parse"),
        ("code", "%%time\nm = keras.Sequential([keras.layers.Dense(1, 'sigmoid')])"),
        ("code", ["m.fit?\n", "m.compile('sgd', 'binary_crossentropy')"]),
    ]
    content = {"cells": [{"cell_type": kind, "source": text} for kind, text in cells]}
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(content))
    result = report(path)
    (finding,) = result.findings
    assert (finding.cell, finding.line, finding.rule) == (6, 2, "keras-other-backend")
    assert finding.place == f"{path}:cell 6:2"
    assert "of cell 5, line 2" in finding.seen
    assert len(result.notes) == 1
    assert "cell 4" in result.notes[0]


@pytest.mark.parametrize(
    ("comment", "count"),
    [
        ("# sigmoid-bce: ignore", 0),
        ("# fine  # sigmoid-bce:ignore[log-sigmoid]", 0),
        ("# sigmoid-bce: ignore[double-sigmoid, log-sigmoid]", 0),
        ("# sigmoid-bce: ignore[double-sigmoid]", 1),
        ("# ignore", 1),
        (";'# sigmoid-bce: ignore'", 1),
    ],
)
def test_comments_silence(comment, count):
    findings, notes = python("a.py", LOG.rstrip() + f"  {comment}")
    assert (len(findings), notes) == (count, [])


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ("loss = -(  # {}\n    torch.log(torch.sigmoid(x))\n)", 0),
        ("loss = -(\n    torch.log(torch.sigmoid(x))\n)  # {}", 0),
        ("loss = -(\n    torch.log(torch.sigmoid(x))  # {}\n)", 0),
        ("loss = -(\n    # {}\n    torch.log(torch.sigmoid(x))\n)", 1),
        ("# {}\nloss = torch.log(torch.sigmoid(x))", 1),
        ("loss = torch.log(torch.sigmoid(x))\n# {}", 1),
        ("def f(  # {}\n    x,\n):\n    return torch.log(torch.sigmoid(x))", 1),
    ],
)
def test_a_comment_at_an_end_of_a_statement_is_about_all_of_it(lines, count):
    code = "import torch\n" + lines.format("sigmoid-bce: ignore[log-sigmoid]")
    findings, notes = python("a.py", code)
    assert (len(findings), notes) == (count, [])
    _, notes = python("a.py", "import torch\n" + lines.format("sigmoid-bce: ignore[log]"))
    assert len(notes) == 1


def test_an_unknown_rule_in_a_comment_is_said():
    _, (note,) = python("a.py", "import torch\nlog = 1  # sigmoid-bce: ignore[log-sigmoids]")
    assert note.startswith("a.py:2: ignore[log-sigmoids]: there is no such rule")


def test_a_folder(tmp_path):
    for folder in ("", "deep/er", ".venv", "env", "node_modules/x", ".git", "a/site-packages"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "train.py").write_text(LOG)
    (tmp_path / "env/pyvenv.cfg").touch()
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "latin.py").write_bytes(b"x = '\xe9'\n")
    (tmp_path / "declared.py").write_bytes(b"# coding: latin-1\n" + LOG.encode() + b"s = '\xe9'\n")
    result = report(tmp_path)
    assert [f.file.removeprefix(f"{tmp_path}/") for f in result.findings] == [
        "declared.py",
        "train.py",
        "deep/er/train.py",
    ]
    assert [note.split(": ")[1] for note in result.notes] == ["not looked at"] * 2
    assert result.files == 3
    assert check(tmp_path) == result.findings


def test_a_loss_and_its_model_in_two_files(tmp_path):
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/__init__.py").write_text("from .small import Net as Small\n")
    (tmp_path / "nets/small.py").write_text(
        "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.fc, self.act = nn.Linear(2, 1), nn.Sigmoid()\n\n"
        "    def forward(self, x):\n        return self.act(self.fc(x))\n"
    )
    (tmp_path / "losses.py").write_text(
        "import torch\n\ndef nll(p):\n    return -torch.log(p)\n\n"
        "def quiet(p):\n    return -torch.log(p)  # sigmoid-bce: ignore\n"
    )
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/train.py").write_text(
        "from torch import nn\nfrom nets import Small\nimport losses\n\nnet = Small()\n"
        "nn.BCELoss()(net(x), y)\nlosses.nll(net(x))\nlosses.quiet(net(x))\n"
    )
    findings = [(Path(f.file).name, f.line, f.rule) for f in check(tmp_path)]
    assert sorted(findings) == [
        ("losses.py", 4, "log-sigmoid"),
        ("train.py", 6, "bce-after-sigmoid"),
    ]
    (tmp_path / "nets/small.py").write_text("def Net(:")
    assert check(tmp_path) == []


def saved(folder):
    """Save models in both formats, and return the rules that each breaks, by name."""
    import keras
    from keras import layers, losses

    def functional(*ends):
        inputs = keras.Input((4,))
        outputs = [end(inputs) for end in ends]
        return keras.Model(inputs, outputs if len(ends) > 1 else outputs[0])

    def sigmoid(**more):
        return layers.Dense(1, activation="sigmoid", **more)

    bce, logits = "binary_crossentropy", losses.BinaryCrossentropy(from_logits=True)
    softmax = layers.Dense(3, activation="softmax", name="b")
    inner = keras.Sequential([keras.Input((4,)), sigmoid()])
    reshaped = functional(lambda x: layers.Reshape((1, 1))(sigmoid()(x)))
    cases = {
        "fine": (functional(sigmoid()), bce, ""),
        "logits": (functional(layers.Dense(1)), logits, ""),
        "reshaped": (reshaped, losses.BinaryCrossentropy(), "keras-lost-logits"),
        "nested": (functional(inner), logits, "double-sigmoid"),
        "half": (functional(sigmoid(dtype="mixed_float16")), bce, "keras-mixed-precision"),
        "two": (functional(sigmoid(name="a"), softmax), {"a": bce, "b": bce}, "softmax-bce"),
    }
    for name, (model, loss, _) in cases.items():
        model.compile("sgd", loss)
        for kind in ("keras", "h5"):
            model.save(folder / f"{name}.{kind}")
    return {name: rule for name, (_, _, rule) in cases.items()}


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's own
def test_saved_models(tmp_path):
    expected = saved(tmp_path)
    result = report(tmp_path)
    assert len(result.models) == 2 * len(expected)
    for name, rule in expected.items():
        for kind in ("keras", "h5"):
            rules = [f.rule for f in result.findings if f.file.endswith(f"/{name}.{kind}")]
            assert rules == [rule] * bool(rule)
    lines = {line.split("/")[-1].split(":")[0]: line for line in result.models}
    assert "(sigmoid); compiled with binary_crossentropy: right on Tens" in lines["fine.keras"]
    assert "(linear); compiled with BinaryCrossentropy (from_logits=True)" in lines["logits.h5"]


def test_damaged_models_are_said(tmp_path):
    import zipfile

    (tmp_path / "text.h5").write_text("no")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("a.txt", "no")
    for name, config in {"list": [], "own": {"class_name": "Mine"}, "odd": {}}.items():
        with zipfile.ZipFile(tmp_path / f"{name}.keras", "w") as archive:
            archive.writestr("config.json", json.dumps(config))
    with zipfile.ZipFile(tmp_path / "cut.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential"}))
    result = report(tmp_path)
    assert len(result.notes) == 6
    assert not result.files


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (LOG, 3, "a.py:2: log-sigmoid: a logarithm of the sigmoid of line 2"),
        (FINE, 0, "nothing found: 1 file"),
        ("def f(:", 2, "not looked at: it does not parse"),
    ],
)
def test_the_command(text, code, words, tmp_path):
    path = tmp_path / "a.py"
    path.write_text(text)
    result = CliRunner().invoke(command, [str(path)])
    assert result.exit_code == code
    assert words in result.output
    as_json = json.loads(CliRunner().invoke(command, [str(path), "--json"]).output)
    assert [finding["line"] for finding in as_json["findings"]] == [2] * (code == 3)


@pytest.mark.parametrize("name", ["", "nothere", "a.txt"])
def test_bad_paths_are_a_line(name, tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(BadPath, match=r"expected|no such file"):
        check(tmp_path / name)
    result = CliRunner().invoke(command, [str(tmp_path / name)])
    assert result.exit_code == 2
    assert len(result.output.strip().splitlines()) == 1
