"""Nothing of the user's home or environment changes what is computed."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from sigmoid_bce.numerics import surroundings
from support.checkout import ROOT

USUAL = {**surroundings.SETTINGS, "backend": "tensorflow"}
STUB = {
    "__init__.py": "from keras import backend, config",
    "backend.py": "from keras.src.backend.config import *",
    "config.py": "from keras.src.backend.config import *",
    "src/__init__.py": "",
    "src/api_export.py": "def keras_export(names): return lambda function: function",
    "src/backend/__init__.py": "",
    "src/backend/common/__init__.py": "",
    "src/backend/common/global_state.py": "def set_global_attribute(*_): pass",
}
SAY = """
import json, os, sys
from pathlib import Path
from sigmoid_bce.numerics import surroundings
keras = surroundings.keras_on("tensorflow")
config = sys.modules["keras.src.backend.config"]
limits = config._MAX_EPOCHS, config._MAX_STEPS_PER_EPOCH, config.is_nnx_enabled()
print(json.dumps([surroundings.keras_settings(keras), limits, config.keras_home()]))
"""


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """A folder with a package `keras` of its real configuration alone, which imports at once."""
    folder = tmp_path_factory.mktemp("stub")
    real = Path(find_spec("keras").origin).parent / "src/backend/config.py"
    for name, text in {**STUB, "src/backend/config.py": real.read_text()}.items():
        file = folder / "keras" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def run(code, home, *paths, **environment):
    path = os.pathsep.join([*map(str, paths), str(ROOT / "workflow/src")])
    given = {**os.environ, "HOME": str(home), "PYTHONPATH": path, **environment}
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


HOSTILE = [
    {"epsilon": 1e-3},
    {"epsilon": 1},
    {"floatx": "float16"},
    {"floatx": "bfloat16"},
    {"image_data_format": "channels_first"},
    {"backend": "torch"},
    {"nnx_enabled": True},
    "not JSON",
    ["a list"],
    {"floatx": "float64", "epsilon": 0.1, "image_data_format": "x", "backend": "y"},
]


@pytest.mark.parametrize(
    ("by", "content"), [("HOME", HOSTILE[0]), *(("KERAS_HOME", content) for content in HOSTILE)]
)
def test_keras_json_does_not_count(by, content, tmp_path, stub):
    home = tmp_path / ".keras" if by == "HOME" else tmp_path / "elsewhere"
    home.mkdir()
    text = json.dumps(content)
    (home / "keras.json").write_text(text)
    given = {"KERAS_HOME": str(home)} if by == "KERAS_HOME" else {}
    settings, limits, downloads = run(SAY, tmp_path, stub, **given)
    assert settings == USUAL
    assert limits == [None, None, False]
    assert downloads == str(home)
    assert (home / "keras.json").read_text() == text


@pytest.mark.parametrize(
    "variable",
    [
        {"KERAS_BACKEND": "torch"},
        {"KERAS_MAX_EPOCHS": "1"},
        {"KERAS_MAX_STEPS_PER_EPOCH": "1"},
        {"KERAS_NNX_ENABLED": "true"},
    ],
    ids=str,
)
def test_the_environment_does_not_count(variable, tmp_path, stub):
    settings, limits, downloads = run(SAY, tmp_path, stub, **variable)
    assert (settings, limits) == (USUAL, [None, None, False])
    assert downloads == f"{tmp_path}/.keras"
    assert list(Path(downloads).iterdir()) == []  # no keras.json


TRAIN = """
import json, os
from sigmoid_bce.training import devices
os.environ["TF_DETERMINISTIC_OPS"] = os.environ["KERAS_MAX_EPOCHS"] = "1"  # as a fork finds it
devices.set_up(1)
import keras, tensorflow
loss = float(keras.losses.BinaryCrossentropy()([[1.0]], [[0.0]]))
print(json.dumps([devices.used(1), list(os.environ), loss, tensorflow.keras.Model is keras.Model]))
"""


def test_a_training_records_what_is_set(tmp_path):
    hostile = {"epsilon": 1e-3, "floatx": "float64", "backend": "torch"}
    (tmp_path / "keras.json").write_text(
        json.dumps({**hostile, "image_data_format": "channels_first"})
    )
    used, left, loss, keras_3 = run(
        TRAIN,
        tmp_path,
        KERAS_HOME=str(tmp_path),
        KERAS_BACKEND="jax",
        TF_USE_LEGACY_KERAS="1",
        TF_XLA_FLAGS="--tf_xla_auto_jit=2",
        TF_ENABLE_ONEDNN_OPTS="1",
        CUDA_VISIBLE_DEVICES="",
    )
    assert used["keras"] == USUAL
    assert used["environment"] == {"TF_ENABLE_ONEDNN_OPTS": "1"}
    assert set(left) & set(surroundings.IGNORED) == {"KERAS_BACKEND"}
    assert loss == pytest.approx(16.118, abs=1e-3)  # -log(1e-7), the plateau of figure 3
    assert keras_3


def test_a_process_on_another_backend_is_told(monkeypatch):
    keras = surroundings.keras_on("tensorflow")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="Keras runs on jax in this process"):
        surroundings.keras_on("tensorflow")


def test_what_a_user_s_code_sets_is_set_back(capsys):
    keras = surroundings.keras_on("tensorflow")
    with surroundings.restored(keras, "nets.py"):
        pass
    assert capsys.readouterr().out == ""
    with surroundings.restored(keras, "nets.py"):
        keras.backend.set_epsilon(1e-3)
        keras.config.set_image_data_format("channels_first")
        keras.config.set_dtype_policy("mixed_bfloat16")
    said = capsys.readouterr().out
    assert "nets.py: it sets Keras's epsilon 0.001, image_data_format channels_first, dtype" in said
    assert surroundings.keras_settings(keras) == USUAL
    assert keras.config.dtype_policy().name == "float32"
