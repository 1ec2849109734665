"""The verdict's words: right, about the user, without contradictions; and the gate."""

import json
import re
import subprocess
import sys

import jsonschema
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import sigmoid_bce
from sigmoid_bce.commands import main
from sigmoid_bce.numerics.catalogue import PAST
from sigmoid_bce.verdicts import shares, written
from sigmoid_bce.verdicts.errors import BadOutputs
from sigmoid_bce.verdicts.harm import Harm
from support.checkout import ROOT

RECORD = shares.read()
SCHEMA = json.loads((ROOT / "workflow/src/sigmoid_bce/verdicts/verdict.schema.json").read_text())
WORST = {"framework": "torch", "loss": "BCELoss"}
SAFE = {"framework": "torch", "loss": "softplus"}
KERAS = {"framework": "Keras on JAX", "loss": "binary_crossentropy"}
# raw outputs and labels, what the user says, and the answer
KNOWN = {
    "far mistakes": ([18, -3, 4], [0, 0, 1], WORST, "Training on such samples is blind to the only mistake: BCELoss() after sigmoid (PyTorch, float32) gives it no gradient.", 1 / 3, True),  # noqa: E501
    "of training": ([18, 19, 4], [0, 0, 1], {**WORST, "split": "train"}, "Training is blind to all 2 mistakes: BCELoss() after sigmoid (PyTorch, float32) gives them no gradient.", 2 / 3, True),  # noqa: E501
    "of validation": ([18, -3, 4], [0, 0, 1], {**WORST, "split": "val"}, "The loss is wrong: BCELoss() after sigmoid (PyTorch, float32) overstates your validation loss", 1 / 3, True),  # noqa: E501
    "near mistakes": ([5, -3, 4], [0, 0, 1], WORST, "Nothing is lost: with BCELoss() after sigmoid (PyTorch, float32), loss and gradient are right at all 3 raw outputs.", 0, False),  # noqa: E501
    "no mistakes": ([-18, -3, 20], [0, 0, 1], WORST, "Nothing that matters is lost", 0, False),
    "cured": ([18, -3, 4], [0, 0, 1], SAFE, "Nothing is lost", 0, False),
    "one of many": ([18.0, *[-3.0] * 999], [0] * 1000, KERAS, "blind to the only mistake", 1 / 1000, True),  # noqa: E501
    "half precision": ([7, -3, 4], [0, 0, 1], {**WORST, "dtype": "bf16"}, "blind to the only mistake", 1 / 3, True),  # noqa: E501
    "a metric": ([45, -3, 4], [0, 0, 1], {"framework": "sklearn", "loss": "log_loss"}, "Only a metric is wrong: log_loss(y, p) (scikit-learn, float64) understates the mean loss: 12 in place of 15", 0, True),  # noqa: E501
    "logits": ([45, -3, 4], [0, 0, 1], {"framework": "Keras on TensorFlow", "loss": "from_logits=True"}, "Nothing", 0, False),  # noqa: E501
}  # fmt: skip


@pytest.mark.parametrize("case", KNOWN)
def test_known_answers(case):
    x, y, mine, words, _, _ = KNOWN[case]
    assert words in sigmoid_bce.verdict(x, y, **mine).answer.answer


@pytest.mark.parametrize("case", KNOWN)
def test_the_gate(tmp_path, case):
    x, y, mine, words, lost, wrong = KNOWN[case]
    pd.DataFrame({"raw_output": np.float64(x), "label": y}).to_csv(tmp_path / "a.csv")
    options = [part for name, value in mine.items() for part in (f"--{name}", value)]

    def run(*more):
        arguments = ["verdict", str(tmp_path / "a.csv"), "--json", *options, *more]
        return CliRunner().invoke(main, arguments)

    plain = run()
    assert plain.exit_code == 0
    found = json.loads(plain.stdout)
    jsonschema.validate(found, SCHEMA)
    assert found["failed"] == []
    assert words in found["answer"]
    # a share that is just allowed, and one that is not
    assert run("--fail-above", repr(lost)).exit_code == 0
    failed = run("--fail-above", repr(lost * 0.999))
    assert failed.exit_code == (3 if lost else 0)
    assert bool(json.loads(failed.stdout)["failed"]) == bool(lost)
    assert ("failed: " in failed.stderr) == bool(lost)
    assert run("--fail-on-loss-error").exit_code == (3 if wrong else 0)


@pytest.mark.parametrize(
    "options", [["--fail-above", "2"], ["--framework", "caffe"], ["--split", "x"]]
)
def test_wrong_usage_is_no_finding(tmp_path, options):
    pd.DataFrame({"raw_output": [3.0], "label": [1]}).to_csv(tmp_path / "a.csv")
    done = CliRunner().invoke(main, ["verdict", str(tmp_path / "a.csv"), *options])
    assert done.exit_code == 2


SAID = st.sampled_from(
    [{}, {"framework": "keras"}]
    + [{"framework": title} for title in written.WRITTEN if title in set(RECORD["framework"])]
    + [{"framework": title, "dtype": "float32"} for title in ("JAX", "PyTorch", "Keras 2")]
    + [{"framework": title, "autocast": True} for title in ("keras on jax", "torch")]
    + [WORST, SAFE, KERAS, {"loss": "binary_crossentropy", "dtype": "float16"}]
)
RAW = st.lists(st.tuples(st.floats(-60, 60, width=32), st.integers(0, 1)), min_size=1, max_size=8)


@settings(max_examples=40)
@given(RAW, SAID, st.sampled_from(["", "train", "validation"]))
def test_words_agree_with_counts_and_with_each_other(pairs, said, split):
    x, y = np.array([pair[0] for pair in pairs], np.float32), np.array([pair[1] for pair in pairs])
    found = sigmoid_bce.verdict(x, y, name="x", **said, split=split, really_raw=True)
    rows, text = found.programs, found.to_text()
    # counts, from the record itself
    wrong = (x > 0) != (y == 1)
    mistakes = int(wrong.sum())
    worst = rows.iloc[0]
    record = RECORD[(RECORD[shares.KEYS] == worst[shares.KEYS]).all(axis=1)]
    record = record[record["side"] == "wrong"].set_index("y")
    dead = sum(
        int((wrong & (y == label) & (np.abs(x) >= record.loc[label, "gradient_zero"])).sum())
        for label in (0, 1)
    )
    assert worst["blind"] == (dead if worst["trains"] else 0)
    assert found.outputs["mistakes"].iloc[-1] == mistakes
    # words
    assert len(found.sentences) == 5
    assert "nan " not in text.replace("nan or inf", "")
    assert all(len(line) <= 100 for line in text.splitlines() if not line.startswith("    "))
    if found.harm <= Harm.RIGHT_SIDE:
        assert "Nothing" in found.answer.answer
        assert found.answer.change == "Change nothing."
        assert not found.answer.diff
        assert not found.answer.question
    else:
        assert "blind" in found.answer.answer or worst["harm"] != Harm.BLIND or len(rows) > 1
        assert found.answer.change.startswith("Change:")
    for number, of in re.findall(r"(\d+) of (\d+) mistakes", found.answer.answer):
        assert int(number) < int(of) == mistakes
    jsonschema.validate(found.to_dict(), SCHEMA)
    assert "<" in found.to_html()
    # what is advised is right at every mistake
    advised = [line[2:] for line in found.answer.diff.splitlines() if line.startswith("+")]
    title = worst["framework"]
    if advised and rows["framework"].nunique() == 1 and worst["trains"]:
        names = [
            name
            for name, entry in written.WRITTEN[title].items()
            if entry.code.splitlines()[-1] in (advised[-1], *found.answer.diff.splitlines())
        ]
        assert names


@settings(max_examples=12, phases=[Phase.generate])  # each example reads and judges files
@given(RAW, st.data())
def test_splits_of_a_file_are_judged_as_if_alone(tmp_path_factory, pairs, data):
    names = [data.draw(st.sampled_from(["train", "val", "Test"])) for _ in pairs]
    table = pd.DataFrame(pairs, columns=["raw_output", "label"]).astype({"raw_output": "float64"})
    path = tmp_path_factory.mktemp("splits") / "a.csv"
    table.assign(split=names).to_csv(path, index=False)
    from sigmoid_bce.verdicts.judge import judge
    from sigmoid_bce.verdicts.read import from_file

    whole = judge(from_file(path), really_raw=True)[0].outputs
    assert whole["samples"].iloc[-1] == len(pairs)
    assert not whole["left_out"].any()
    for name in dict.fromkeys(names):
        part = table[[one == name for one in names]]
        alone = sigmoid_bce.verdict(part["raw_output"], part["label"], really_raw=True).outputs
        chosen = judge(from_file(path, split=name), really_raw=True)[0]
        same = ["samples", "mistakes", "raw_output_min", "raw_output_max"]
        assert chosen.outputs[same].iloc[0].tolist() == alone[same].iloc[0].tolist()
        assert chosen.mine.trained == (name == "train")
        assert not chosen.warnings or "one class" in chosen.warnings[0]
        if len(set(names)) > 1:
            row = whole[whole["label"] == name.lower()]
            assert row[same].iloc[0].tolist() == alone[same].iloc[0].tolist()


def test_another_column_called_split_changes_nothing(tmp_path):
    table = pd.DataFrame({"raw_output": [18.0, -3, 4, 1], "label": [0, 0, 1, 1]})
    from sigmoid_bce.verdicts.judge import judge
    from sigmoid_bce.verdicts.read import from_file

    for names in (["a", "b", "a", "train"], [1, 2, 3, 4], ["train", None, "val", "val"]):
        table.assign(split=names).to_parquet(tmp_path / "a.parquet")
        found = judge(from_file(tmp_path / "a.parquet"))[0]
        assert found.outputs["label"].tolist() == ["all"]
        assert found.outputs["samples"].tolist() == [4]
    with pytest.raises(ValueError, match="no sample has the split"):
        from_file(tmp_path / "a.parquet", split="test")


def test_an_array_of_splits_is_texts(tmp_path):
    x, y, names = np.float32([18, -3, 4]), [0, 0, 1], ["train", "train", "val"]
    from sigmoid_bce.verdicts.judge import judge
    from sigmoid_bce.verdicts.read import from_file

    np.savez(tmp_path / "a.npz", raw_output=x, label=y, Split=names)
    assert judge(from_file(tmp_path / "a.npz", split="val"))[0].outputs["samples"].tolist() == [1]
    np.savez(tmp_path / "c.npz", raw_output=x, label=y, split=names[1:])
    with pytest.raises(ValueError, match="one for each row"):
        judge(from_file(tmp_path / "c.npz", split="val"))
    np.savez(tmp_path / "b.npz", raw_output=x, label=y, split=np.array(names, object))
    with pytest.raises(ValueError, match="expected texts"):
        from_file(tmp_path / "b.npz", split="val")


def test_the_page_and_the_json_say_what_was_judged(tmp_path):
    pd.DataFrame({"raw_output": [18.0, -3, 4], "label": [0, 0, 1]}).to_csv(tmp_path / "a.csv")
    options = [*("--to", str(tmp_path / "out")), *("--framework", "torch"), *("--loss", "BCELoss")]
    done = CliRunner().invoke(main, ["verdict", str(tmp_path / "a.csv"), *options])
    assert done.exit_code == 0
    page = (tmp_path / "out/verdict.html").read_text()
    assert "<h1>BCELoss() after sigmoid of PyTorch, judged on a.csv</h1>" in page
    assert page.count("<details>") == RECORD["framework"].nunique() - len(PAST)
    assert len(page) < 2_000_000
    saved = json.loads((tmp_path / "out/verdict.json").read_text())
    jsonschema.validate(saved, SCHEMA)
    assert saved["harm"] == "blind"


def test_the_repr_is_five_lines_and_a_notebook_shows_html():
    found = sigmoid_bce.verdict([18.0, -3, 4], [0, 0, 1], name="<a>", **WORST)
    assert len(repr(found).splitlines()) == 5
    assert "&lt;a&gt;" in found._repr_html_()
    assert "+ criterion = torch.nn.BCEWithLogitsLoss()" in found.to_html()


def test_a_whole_line_of_the_user_s_is_changed_in_place():
    mine = {"framework": "torch", "loss": "F.binary_cross_entropy(torch.sigmoid(out[0]), t)"}
    found = sigmoid_bce.verdict([18.0, -3, 4], [0, 0, 1], **mine)
    assert found.answer.diff.splitlines() == [
        "- F.binary_cross_entropy(torch.sigmoid(out[0]), t)",
        "+ F.binary_cross_entropy_with_logits(out[0], t)",
    ]


def test_nan_and_inf_are_counted_once():
    half = {"framework": "torch", "loss": "BCELoss", "dtype": "float16"}
    x = np.array([-12.3, -18, 3], np.float32)  # inf, nan, right
    assert sigmoid_bce.verdict(x, [1, 1, 1], **half).programs["broken"].max() == 2


def test_half_precision_of_the_arrays_is_that_of_the_loss():
    x = np.array([-12.3, 7, 3], np.float16)
    assert set(sigmoid_bce.verdict(x, [1, 0, 1], **WORST).programs["dtype"]) == {"float16"}
    assert set(sigmoid_bce.verdict(x, [1, 0, 1], framework="xgb").programs["dtype"]) == {"float32"}


def test_a_reader_that_stops_reading_changes_no_exit_code(tmp_path):
    pd.DataFrame({"raw_output": [18.0, -3], "label": [0, 1]}).to_csv(tmp_path / "a.csv")
    program = f"{sys.executable} -c 'from sigmoid_bce.commands import main; main()'"
    options = "--framework torch --loss BCELoss --fail-above 0 --json"
    command = f"{program} verdict {tmp_path}/a.csv {options} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr.startswith("failed: ")) == (3, True), done.stderr


def test_a_gate_that_cannot_fail_says_so(tmp_path):
    pd.DataFrame({"raw_output": [18.0, -3], "label": [0, 1]}).to_csv(tmp_path / "a.csv")
    arguments = ["verdict", str(tmp_path / "a.csv"), "--json", "--framework", "xgboost"]
    done = CliRunner().invoke(main, [*arguments, "--fail-above", "0"])
    assert (done.exit_code, "cannot fail" in done.stderr) == (0, True)


def test_a_column_of_splits_that_are_no_texts_is_refused(tmp_path):
    table = pd.DataFrame({"raw_output": [18.0, -3], "label": [0, 1], "split": [["a"], ["b"]]})
    table.to_parquet(tmp_path / "a.parquet")
    from sigmoid_bce.verdicts.read import from_file

    with pytest.raises(ValueError, match="expected texts"):
        from_file(tmp_path / "a.parquet", split="val")


def test_backends_that_differ_are_named():
    found = sigmoid_bce.verdict([18.0, 3], [0, 1], framework="keras", loss="binary_crossentropy")
    assert found.answer.answer.startswith("It depends on the backend.")
    assert "With Keras on TensorFlow, no mistake is affected." in found.answer.answer
    assert "Which backend" in found.answer.question


def test_why_is_about_the_label_that_loses_most():
    x, y = [25.0] * 20 + [-300.0], [0] * 20 + [1]
    assert "|x| = 16.6 on" in sigmoid_bce.verdict(x, y, **WORST).answer.why


def test_python_takes_a_file_as_the_command_does(tmp_path):
    file = tmp_path / "a b.csv"
    file.write_text("label,raw_output,split\n1,-18,train\n0,-3,train\n1,5,validation\n")
    for source in (file, str(file)):
        found = sigmoid_bce.verdict(source, framework="PyTorch", loss="BCELoss()", split="train")
        assert found.to_dict()["samples"] == 2
        assert "a b.csv" in repr(found)
    with pytest.raises(BadOutputs, match="there is no such file"):
        sigmoid_bce.verdict(tmp_path / "none.csv")
