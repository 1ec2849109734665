"""The user's own networks: what is taken, what is cut off, and what is refused."""

import numpy as np
import pytest

from sigmoid_bce.planning import digest
from sigmoid_bce.study.models import Custom

SHAPE = (12, 12, 3)
HEAD = """
import keras
from keras import layers
def body(shape):
    x = inputs = keras.Input(shape)
    x = layers.Rescaling(1 / 255)(x)
    x = layers.Conv2D(4, 3, activation="relu")(x)
    return inputs, layers.GlobalAveragePooling2D()(x)
"""


def write(folder, text, name="mine"):
    (folder / f"{name}.py").write_text(HEAD + text)
    return Custom(
        architecture="custom",
        function=f"{name}:build",
        folder=str(folder),
        image_size=SHAPE[0],
        learning_rate=0.01,
        max_epochs=10,
    )


def build(folder, text):
    from sigmoid_bce.models import networks

    return networks.build(write(folder, text), SHAPE)


LINEAR = """
def build(shape):
    inputs, x = body(shape)
    return keras.Model(inputs, layers.Dense(1)(x))
"""
NO_SHAPE = """
def build():
    return keras.Sequential([layers.Flatten(), layers.Dense(1)])
"""
SUBCLASS = """
class Mine(keras.Model):
    def __init__(self):
        super().__init__()
        self.flat, self.last = layers.Flatten(), layers.Dense(1)
    def call(self, x):
        return self.last(self.flat(x / 255))
def build(shape):
    return Mine()
"""


@pytest.mark.parametrize("text", [LINEAR, NO_SHAPE, SUBCLASS])
def test_linear_networks(text, tmp_path, capsys):
    network = build(tmp_path, text)
    assert network.output_shape == (None, 1)
    assert network.cut_sigmoid == ""
    images = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)
    assert np.asarray(network(images)).dtype == np.float32
    assert "cut off" not in capsys.readouterr().out


SIGMOIDS = {
    "dense": """
def build(shape):
    inputs, x = body(shape)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid", name="last")(x))
""",
    "layer": """
def build(shape):
    inputs, x = body(shape)
    x = layers.Dense(1)(x)
    return keras.Model(inputs, layers.Activation("sigmoid", name="last")(x))
""",
    "operation": """
def build(shape):
    inputs, x = body(shape)
    return keras.Model(inputs, keras.ops.sigmoid(layers.Dense(1, name="last")(x)))
""",
    "sequential": """
def build(shape):
    return keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dropout(0.1),
        layers.Dense(1, "sigmoid", name="last")])
""",
    "nested": """
def build(shape):
    inputs, x = body(shape)
    head = keras.Sequential([layers.Dense(3), layers.Dense(1, "sigmoid", name="last")])
    return keras.Model(inputs, layers.Reshape((1,))(head(x)))
""",
    "compiled": """
def build(shape):
    inputs, x = body(shape)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid", name="last")(x))
    model.compile("adam", "binary_crossentropy")
    return model
""",
}


@pytest.mark.parametrize("kind", SIGMOIDS)
def test_a_sigmoid_is_cut_off(kind, tmp_path, capsys):
    from sigmoid_bce.models.architectures import custom

    network = build(tmp_path, SIGMOIDS[kind])
    model = write(tmp_path, SIGMOIDS[kind])
    whole = custom.function(model.function, model.file, model.folder)(SHAPE)
    for a, b in zip(whole.weights, network.weights, strict=True):
        a.assign(b)
    images = np.random.default_rng(0).integers(0, 256, (20, *SHAPE), np.uint8)
    probabilities = np.asarray(whole(images.astype(np.float32)), np.float64)
    raw = np.asarray(network(images), np.float64)
    np.testing.assert_allclose(1 / (1 + np.exp(-raw)), probabilities, rtol=1e-5, atol=1e-30)
    assert np.abs(raw - probabilities).max() > 0.01
    assert network.cut_sigmoid
    out = capsys.readouterr().out
    assert "mine.py: build: the sigmoid of" in out
    if kind != "operation":
        assert network.cut_sigmoid == "last"


def dense(units, activation):
    return f"""
def build(shape):
    inputs, x = body(shape)
    return keras.Model(inputs, layers.Dense({units}, activation={activation!r})(x))
"""


REFUSED = [
    (
        dense(2, "softmax"),
        r"output has the shape \(None, 2\), expected \(None, 1\), one raw output",
    ),
    (
        """
def build(shape):
    inputs, x = body(shape)
    return keras.Model(inputs, [layers.Dense(1)(x), layers.Dense(1)(x)])
""",
        "it has 2 outputs, expected one raw output for a binary label",
    ),
    (
        """
def build(shape):
    a, b = keras.Input(shape), keras.Input(shape)
    return keras.Model([a, b], layers.Dense(1)(layers.Flatten()(layers.Add()([a, b]))))
""",
        "it has 2 inputs, expected one",
    ),
    (
        """
def build(shape):
    inputs, x = body((28, 28, 1))
    return keras.Model(inputs, layers.Dense(1)(x))
""",
        r"takes inputs of shape \(28, 28, 1\), but the data have the shape \(12, 12, 3\)",
    ),
    (
        SUBCLASS.replace(
            "self.last(self.flat(x / 255))", "keras.ops.sigmoid(self.last(self.flat(x)))"
        ),
        r"outputs are in \[0, 1\], as after a sigmoid, .*; Keras does not know its layers",
    ),
    ("\ndef build(shape):\n    return 3\n", "it returns int, expected a keras.Model"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_refused(text, message, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        build(tmp_path, text)
    assert "mine.py: build" in str(caught.value)


def test_the_same_seed_gives_the_same_network(tmp_path):
    import keras

    weights = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        weights.append(build(tmp_path, SUBCLASS).get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def digest_of(file):
    """Return the digest that a new process computes."""
    digest.parts.cache_clear()
    digest.module_digest.cache_clear()
    return digest.module_digest(file)


def test_neighbours_are_imported_and_part_of_the_digest(tmp_path):
    (tmp_path / "pieces").mkdir()
    (tmp_path / "pieces/__init__.py").write_text("")
    (tmp_path / "pieces/widths.py").write_text("WIDTH = 5\n")
    file = write(tmp_path, "from pieces.widths import WIDTH\n" + LINEAR).file
    before = digest_of(file)
    (tmp_path / "unrelated.py").write_text("x = 1\n")
    file.write_text(file.read_text() + "# edited\n")
    assert digest_of(file) == before
    assert build(tmp_path, "from pieces.widths import WIDTH\n" + LINEAR).output_shape == (None, 1)
    (tmp_path / "pieces/widths.py").write_text("WIDTH = 6\n")
    after = digest_of(file)
    assert after != before
    file.write_text(file.read_text().replace("1 / 255", "1 / 127"))
    assert digest_of(file) not in (before, after)


def test_a_raw_output_in_half_precision_becomes_float32(tmp_path, capsys):
    import keras

    x = np.zeros((2, *SHAPE), np.uint8)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert build(tmp_path, LINEAR)(x).dtype == "float32"
        assert "its raw output is bfloat16 and is cast to float32" in capsys.readouterr().out
        last = LINEAR.replace("Dense(1)", "Dense(1, dtype='float32')")
        assert build(tmp_path, last)(x).dtype == "float32"
        assert "cast" not in capsys.readouterr().out
    finally:
        keras.config.set_dtype_policy("float32")
