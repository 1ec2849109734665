"""Frozen networks: their own preprocessing, weights from files, features after a kill."""

import keras
import numpy as np
import pytest

from sigmoid_bce.data.resize import resize
from sigmoid_bce.jobs import plugins
from sigmoid_bce.models import backbones, features

# Keras's, where it saves weights
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 90, 90, 3)).astype(np.uint8)
SIZES = {"vgg16": 32, "inception_v3": 75}
APPLICATIONS = {
    "vgg16": (keras.applications.VGG16, keras.applications.vgg16),
    "inception_v3": (keras.applications.InceptionV3, keras.applications.inception_v3),
}


def build(architecture, weights, **more):
    return backbones.build(architecture, weights, **{"size": SIZES.get(architecture), **more})


def network(architecture):
    make, _ = APPLICATIONS[architecture]
    size = SIZES[architecture]
    return make(weights=None, include_top=False, input_shape=(size, size, 3))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Random networks, saved in the formats of Keras 3 and Keras 2."""
    folder = tmp_path_factory.mktemp("weights")
    out = {}
    for name in APPLICATIONS:
        keras.utils.set_random_seed(1)
        made = network(name)
        for end in (".weights.h5", ".h5"):
            out[name, end] = folder / f"{name}{end}"
        made.save_weights(out[name, ".weights.h5"])
        made.save(out[name, ".h5"])
        out[name] = made
    return out


@pytest.mark.parametrize("architecture", list(APPLICATIONS))
@pytest.mark.parametrize(("kind", "end"), [("pooled", ".weights.h5"), ("flattened", ".h5")])
def test_features_are_those_of_keras(architecture, kind, end, files, tmp_path):
    backbone = build(architecture, files[architecture, end], features=kind)
    features.extract(IMAGES, backbone, tmp_path / "f.npy", {})
    got = np.load(tmp_path / "f.npy")
    _, module = APPLICATIONS[architecture]
    pixels = resize(IMAGES, SIZES[architecture]).astype(np.float32)
    whole = files[architecture].predict(module.preprocess_input(pixels), verbose=0)
    expected = whole.mean((1, 2)) if kind == "pooled" else whole.reshape(len(whole), -1)
    assert expected.std() > 0
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def test_weights_of_another_architecture(files):
    for architecture, other in (("vgg16", "inception_v3"), ("inception_v3", "vgg16")):
        for end in (".weights.h5", ".h5"):
            with pytest.raises(ValueError, match=f"another architecture than {architecture}"):
                build(architecture, files[other, end])


def test_weights_of_a_relative(tmp_path):
    relative = keras.applications.VGG19(weights=None, include_top=False, input_shape=(32, 32, 3))
    relative.save_weights(tmp_path / "vgg19.weights.h5")
    with pytest.raises(ValueError, match="32 arrays, expected 26"):
        build("vgg16", tmp_path / "vgg19.weights.h5")


def test_weights_of_other_shapes(tmp_path):
    wide = keras.Sequential([keras.Input((32, 32, 3))])
    for _ in range(13):
        wide.add(keras.layers.Conv2D(2, 3))
    wide.save_weights(tmp_path / "wide.weights.h5")
    with pytest.raises(ValueError, match="another architecture than vgg16"):
        build("vgg16", tmp_path / "wide.weights.h5")


def test_no_weights_file(tmp_path):
    (tmp_path / "w.h5").write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"w\.h5: not a complete Keras weights file"):
        build("vgg16", tmp_path / "w.h5")


def test_random_weights_are_said_to_be(capsys):
    build("vgg16", "none")
    assert "vgg16: RANDOM weights" in capsys.readouterr().out


def test_keras_download_that_fails(monkeypatch, tmp_path):
    def fail(*_, **__):
        raise Exception("URL fetch failure")

    monkeypatch.setattr("keras.src.applications.vgg16.file_utils.get_file", fail)
    with pytest.raises(ConnectionError, match=r"imagenet: Keras could not.*URL fetch.*file: "):
        build("vgg16", "imagenet")


def test_own_input_sizes():
    sizes = {"vgg16": 224, "inception_v3": 299, "efficientnet_lite0": 224}
    sizes |= {"efficientnet_lite1": 240, "efficientnet_lite2": 260}
    folder = "models/architectures"
    assert {name: plugins.load(folder, name, "SIZE", "backbone").SIZE for name in sizes} == sizes


def test_grey_images_are_colourless_colour_images(files, tmp_path):
    grey = IMAGES[..., :1]
    for channels, images in ((1, grey), (3, np.repeat(grey, 3, -1))):
        backbone = build("vgg16", files["vgg16", ".h5"], channels=channels)
        features.extract(images, backbone, tmp_path / f"{channels}.npy", {})
    assert (tmp_path / "1.npy").read_bytes() == (tmp_path / "3.npy").read_bytes()


class Kill(Exception):
    """The work was stopped by the test."""


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(features, "BATCH", 4)
    monkeypatch.setattr(features, "CHUNK", 8)
    return build("vgg16", "none")


def break_at(monkeypatch, image):
    """Let the resizing of an image fail; return a list that counts resized images."""
    seen = []

    def failing(images, size):
        seen.append(len(images))
        if sum(seen) > image:
            raise Kill
        return resize(images, size)

    monkeypatch.setattr(features, "resize", failing)
    return seen


def test_it_resumes_after_the_last_complete_chunk(small, tmp_path, monkeypatch, capsys):
    whole, broken = tmp_path / "whole.npy", tmp_path / "broken.npy"
    features.extract(IMAGES, small, whole, {"weights": 1})
    break_at(monkeypatch, 26)
    with pytest.raises(Kill):
        features.extract(IMAGES, small, broken, {"weights": 1})
    assert not broken.exists()
    seen = break_at(monkeypatch, 1000)
    features.extract(IMAGES, small, broken, {"weights": 1})
    assert sum(seen) in (16, 24)  # images of the incomplete chunk are resized again
    assert "of 40 images, from" in capsys.readouterr().out
    assert broken.read_bytes() == whole.read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"whole.npy", "broken.npy"}


def test_a_part_of_other_weights_is_not_resumed(small, tmp_path, monkeypatch):
    break_at(monkeypatch, 30)
    with pytest.raises(Kill):
        features.extract(IMAGES, small, tmp_path / "f.npy", {"weights": 1})
    seen = break_at(monkeypatch, 1000)
    features.extract(IMAGES, small, tmp_path / "f.npy", {"weights": 2})
    assert sum(seen) == len(IMAGES)
