"""Fixtures of several unit tests."""

import importlib
import sys

import pytest

from sigmoid_bce.jobs import plugins
from sigmoid_bce.numerics import frameworks


@pytest.fixture
def broken(monkeypatch, tmp_path):
    """Return a function that makes a file the only framework, named broken."""
    folder = tmp_path / frameworks.FOLDER
    folder.mkdir(parents=True)
    monkeypatch.setattr(plugins, "PACKAGE", tmp_path)
    monkeypatch.setattr(frameworks, "__path__", [str(folder)])
    cached = (plugins.files, plugins.definitions)

    def write(text):
        (folder / "broken.py").write_text(text)
        sys.modules.pop(f"{frameworks.__name__}.broken", None)
        importlib.invalidate_caches()
        for function in cached:
            function.cache_clear()
        assert frameworks.names() == ["broken"]

    yield write
    sys.modules.pop(f"{frameworks.__name__}.broken", None)
    for function in cached:
        function.cache_clear()
