"""Every architecture has a section and a file; a file that lacks a part is named."""

import keras
import numpy as np
import pytest
from keras import layers
from pydantic import TypeAdapter

from sigmoid_bce.jobs import plugins
from sigmoid_bce.models import backbones, networks
from sigmoid_bce.models.architectures import convnet, vgg16
from sigmoid_bce.models.own_code import NetworkError
from sigmoid_bce.study.models import ARCHITECTURES, Backbone, Convnet, Model
from support.checkout import DEFAULT


@pytest.mark.parametrize("name", sorted(ARCHITECTURES.sections))
def test_its_file_has_the_parts_that_its_section_asks_for(name):
    frozen = issubclass(ARCHITECTURES.sections[name], Backbone)
    parts = ("SIZE", "backbone") if frozen else ("network",)
    plugins.load(networks.ARCHITECTURES, name, *parts)


def test_each_has_one_section_and_one_file():
    ARCHITECTURES.check()


def test_a_file_that_lacks_a_part_is_named(monkeypatch):
    monkeypatch.delattr(convnet, "network")
    with pytest.raises(plugins.PluginError, match=r"convnet\.py: it does not define network$"):
        networks.build(Convnet(**DEFAULT["models"]["convnet"]), (48, 48, 1))
    monkeypatch.delattr(vgg16, "SIZE")
    with pytest.raises(plugins.PluginError, match=r"vgg16\.py: it does not define SIZE$"):
        backbones.build("vgg16", "none")


SECTIONS = {
    "linear": {"architecture": "linear"},
    "dense": {"architecture": "dense", "units": 3},
    "convnet": {**DEFAULT["models"]["convnet"], "filters": [2, 2], "dense": 4},
    "head": {"architecture": "vgg16", "weights": "none", "dense": 4, "dropout": 0},
}


@pytest.mark.parametrize("name", SECTIONS)
def test_initial_weights(name):
    shape = (48, 48, 1) if name == "convnet" else (6,)

    def built(prior=None, **keys):
        section = {**SECTIONS[name], "learning_rate": 0.1, "max_epochs": 9, **keys}
        keras.utils.set_random_seed(3)
        return networks.build(TypeAdapter(Model).validate_python(section), shape, prior)

    plain = built(0.2).get_weights()
    large = built(initial_scale=10).get_weights()
    for one, other in zip(plain, large, strict=True):
        assert (other == (one * np.float32(10) if one.ndim > 1 else one)).all()
    *kernels, bias = built(0.01, initial_bias="prior").get_weights()
    assert all((a == b).all() for a, b in zip(kernels, plain, strict=False))
    assert bias == pytest.approx(np.log(0.01 / 0.99))
    assert plain[-1] == 0


@pytest.mark.parametrize("name", ["linear", "dense"])
@pytest.mark.parametrize("shape", [(6,), (4, 4, 3)])
def test_dense_networks_take_features_and_pixels_as_they_are(name, shape):
    section = {**SECTIONS[name], "learning_rate": 0.1, "max_epochs": 9}
    network = networks.build(TypeAdapter(Model).validate_python(section), shape)
    inputs = np.random.default_rng(0).integers(0, 256, (5, *shape)).astype(np.uint8)
    *hidden, kernel, bias = network.get_weights()
    flat = inputs.reshape(5, -1).astype(np.float32)
    if hidden:
        flat = np.maximum(flat @ hidden[0] + hidden[1], 0)
    out = network(inputs)
    assert out.dtype == "float32"
    np.testing.assert_allclose(out, flat @ kernel + bias, rtol=1e-4, atol=1e-3)


def test_a_network_whose_last_layer_has_no_bias():
    with pytest.raises(NetworkError, match="initial_bias: prior needs a last layer with a bias"):
        networks._last_bias(keras.Sequential([keras.Input((3,)), layers.Dense(1, use_bias=False)]))
