"""Every architecture has a section and a file; a file that lacks a part is named."""

import pytest

from sigmoid_bce.jobs import plugins
from sigmoid_bce.models import backbones, networks
from sigmoid_bce.models.architectures import convnet, vgg16
from sigmoid_bce.study.models import ARCHITECTURES, Backbone, Convnet
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
