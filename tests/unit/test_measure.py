"""`sigmoid-bce measure`: frameworks that others bring, and what moved since an earlier table."""

import importlib
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.numerics import catalogue, measure, reference
from sigmoid_bce.numerics.against import HAPPENS, compared, sentence
from sigmoid_bce.numerics.record import PLACES
from sigmoid_bce.numerics.tables import RECORD, read_thresholds
from support.brought import ENTRY, installed, sigmoid_bce
from support.checkout import ROOT

(TEMPLATE,) = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs/measure.md").read_text(), flags=re.DOTALL
)
BROKEN = {
    "mylib_bce": ("def", "SyntaxError: invalid syntax (mylib_bce.py, line 1)"),
    "mylib_bce.none": (TEMPLATE, "mylib_bce/none.py: ModuleNotFoundError: "),
    "mylib_empty": ("TITLE = 'x'\n", "does not define PACKAGES"),
    "mylib_absent": (TEMPLATE.replace('("numpy",)', '("nopackage",)'), "nopackage not installed"),
    "mylib_raises": (
        TEMPLATE.replace("p = 1 /", "raise OSError('no licence')\n        p = 1 /"),
        "failed: OSError: no licence",
    ),
    "mylib_shape": (TEMPLATE.replace("return loss, None", "return loss[:1], None"), "of shape"),
}


def test_the_manual_s_framework_is_measured_and_compared(tmp_path):
    assert ENTRY[2] == 'mylib = "mylib_bce"'
    folder = installed(tmp_path, TEMPLATE)
    done = sigmoid_bce(folder, "measure", "mylib", "--dtype", "float32")
    assert done.returncode == 0, done.stderr
    assert "bce(sigmoid(x), y)" in done.stdout
    table = tmp_path / "results/measure-mylib/thresholds.csv"
    found = read_thresholds(table).set_index(["y", "side"])["first_inf"]
    # 1 - p is 0 from 16.6 on, and the logarithm of 0 is -inf
    assert found[0, "wrong"] == pytest.approx(16.6, abs=0.1)
    table.rename(tmp_path / "thresholds.csv")
    same = ("measure", "mylib", "--against", "thresholds.csv", "--dtype", "float32")
    done = sigmoid_bce(folder, *same)
    assert (done.returncode, done.stdout.splitlines()[-1][-13:]) == (0, "nothing moved")
    clipped = TEMPLATE.replace("np.exp(-x))", "np.exp(-x))\n        p = np.clip(p, 1e-3, 0.999)")
    (tmp_path / "mylib_bce.py").write_text(clipped)
    done = sigmoid_bce(folder, *same)
    assert done.returncode == 3, done.stderr
    assert re.search(
        r"worse: .*label 1, wrong side: the loss stops changing from 6\.9", done.stdout
    )
    assert re.search(r"better: .*label 0, wrong side: inf appears never, before 16\.", done.stdout)


@pytest.mark.parametrize("value", BROKEN)
def test_a_framework_that_is_broken_is_one_line_and_stops_no_other(tmp_path, value):
    code, message = BROKEN[value]
    folder = installed(tmp_path, code, value)
    done = sigmoid_bce(folder, "measure", "mylib", "--dtype", "float32")
    assert done.returncode == 2
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr or "raises" in value or "shape" in value
    code = (
        "import sigmoid_bce; print(sigmoid_bce.verdict([18.0, 2], [0, 1], framework='torch').harm)"
    )
    verdict = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
    )  # fmt: skip
    assert verdict.returncode == 0, verdict.stderr


def test_a_name_that_is_taken_or_unknown_is_told(tmp_path):
    done = sigmoid_bce(installed(tmp_path, TEMPLATE, name="scipy"), "measure", "scipy")
    assert done.returncode == 2
    assert "'scipy' is registered twice" in done.stderr
    done = sigmoid_bce(tmp_path.parent, "measure", "scipi")
    assert done.returncode == 2
    assert "did you mean 'scipy'?" in done.stderr


def test_every_kind_of_change_is_one_sentence():
    then = read_thresholds(RECORD).query("framework == 'PyTorch'").reset_index(drop=True)
    status = pd.DataFrame(columns=["implementation", "objective", "mode", "dtype", "status"])
    assert compared(then, then, status).empty
    assert compared(then, then.assign(version="3.0"), status).empty
    # a shift within 2 % is noise
    assert compared(then, then.assign(loss_off=then["loss_off"] * 1.01), status).empty
    for place in HAPPENS:
        known = then[place].notna()
        gone = compared(then, then.assign(**{place: np.nan}), status)
        assert (len(gone), set(gone["change"])) == (
            known.sum(),
            {"better"} if known.any() else set(),
        )
        came = compared(then.assign(**{place: np.nan}), then, status)
        assert set(came["change"]) <= {"worse"}
        lines = [sentence(row) for row in [*gone.to_dict("records"), *came.to_dict("records")]]
        assert all(HAPPENS[place] in line and "nan," not in line for line in lines)
    fewer = then[then["mode"] != "compiled"]
    assert {sentence(r)[:5] for r in compared(then, fewer, status).to_dict("records")} == {"gone:"}
    assert {sentence(r)[:4] for r in compared(fewer, then, status).to_dict("records")} == {"new:"}
    # a precision that was not asked for is not missed
    assert compared(then, then[then["dtype"] == "float32"], status).empty
    assert set(HAPPENS) == set(PLACES) - {"loss_worst"}


# ---- on a GPU; here the programs of a GPU run on the CPU


def test_a_framework_or_a_machine_without_the_device_is_told(tmp_path):
    told = {
        "numpy": "NumPy is measured on the CPU only: leave out the device",
        "jax": "JAX has no device 'cuda' here",
        "torch": "PyTorch has no device 'cuda' here",
    }
    for name, says in told.items():
        if find_spec(name) is None:
            assert not os.environ.get("SIGMOID_BCE_CI"), name
            continue
        done = sigmoid_bce(tmp_path, "measure", name, "--device", "cuda")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines()[-1].startswith(f"error: {says}")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", ["torch", "jax"])
def test_the_programs_of_a_gpu_are_those_of_the_cpu_and_a_layer(name):
    pytest.importorskip(name)
    module, x = catalogue.module(name), np.linspace(-40, 40, 4096, dtype=np.float32)
    usual = {(one.name, one.mode): one for one in module.implementations()}
    there = {(one.name, one.mode): one for one in module.implementations(device="cpu")}
    assert usual.keys() < there.keys()
    added = there.keys() - usual.keys()
    assert sum("TF32" in mode for _, mode in added) == len(added) / 2 == 1
    exact = reference.loss(x, np.ones_like(x), "float32")
    for key, program in there.items():
        if key[1] != "compiled":
            found = program(x, 1.0)
            for one, other in zip(
                found, usual[key](x, 1.0) if key in usual else found, strict=True
            ):
                np.testing.assert_array_equal(one, other)
            if key in added:
                np.testing.assert_allclose(found[0], exact, rtol=1e-5, atol=1e-7)


def test_the_prepared_script_measures_compares_and_keeps_to_its_time(tmp_path, capsys, monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    gpu = importlib.import_module("gpu")
    given = ["--device", "cpu", "--frameworks", "jax", "--dtypes", "float16", "--to", str(tmp_path)]
    assert gpu.main([*given, "--limit", "0"]) == 2
    assert "JAX, float16: the time was up" in capsys.readouterr().out
    assert gpu.main(given) == 0
    said = capsys.readouterr().out
    assert "nothing differs from the record of CPUs" in said
    table = read_thresholds(tmp_path / "record.csv")
    assert set(table["dtype"]) == {"float16"}
    assert len(table) == len(
        read_thresholds(RECORD).query("framework == 'JAX' & dtype == 'float16'")
    )
    # what a GPU does differently is told
    there = table.assign(loss_off=np.nan, processor="a GPU")
    assert any(
        "the loss is off never" in line
        for line in gpu.differences(there, [tmp_path / "jax-float16"])
    )


def test_a_device_that_fails_without_a_word_is_told(monkeypatch):
    def device_name(device):
        raise AssertionError

    framework = SimpleNamespace(TITLE="mylib", device_name=device_name)
    with pytest.raises(UserError, match="mylib has no device 'cuda' here: AssertionError"):
        measure._device(framework, "cuda", [])
    assert measure._device(framework, "cpu", []) == measure._device(framework, "", []) == ""


@pytest.mark.parametrize(
    "words", [["record"], ["explain", "100"], ["upstream", "torch-bce-with-logits"]], ids=" ".join
)
def test_a_reader_who_leaves_is_no_error(words):
    read, write = os.pipe()
    os.close(read)
    code = "from sigmoid_bce.commands import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
