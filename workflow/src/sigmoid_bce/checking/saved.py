"""A saved model of Keras, by the configuration in its file: its end and its compiled loss."""

from __future__ import annotations

import ast
import json
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from sigmoid_bce.checking import library
from sigmoid_bce.checking.effects import loss_name
from sigmoid_bce.checking.flow import Flow
from sigmoid_bce.checking.rules import RULES, Finding, instead
from sigmoid_bce.checking.values import Const, Items, Made, Mapping, Probability, Value
from sigmoid_bce.jobs.logs import UserError

MODELS = ("Functional", "Model", "Sequential")
PASSES = (
    {"Activation", "Lambda", "TimeDistributed"} | library.LAYER_KEEPS | library.LAYER_SHAPES
) - {"InputLayer"}
"""Layers whose output depends on what comes before in a way that matters."""
KEYS = ("name", "activation", "dtype")
Config = dict[str, Any]


HDF5 = b"\x89HDF"
NO_MODEL = "it is neither a .keras archive nor an HDF5 file"


class Unseen(UserError, ValueError):
    """A model that cannot be looked at: one line with the reason."""


def look(path: Path, name: str) -> tuple[list[Finding], str]:
    """Return what is found in a saved model, and a line on its end and its loss.

    Parameters
    ----------
    path : Path
        A .keras or .h5 file.
    name : str
        Its name in findings.

    Returns
    -------
    findings : list of Finding
    line : str

    Raises
    ------
    Unseen
        If the file is damaged, holds weights alone, or a model of a class of the user's.
    """
    model, loss = configuration(path)
    try:
        graph = _Graph(model)
        end, ending = graph.end(), graph.ending()
        compiled = _loss(loss)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise Unseen(f"its configuration is not understood ({type(error).__name__})") from error
    graph.flow.compiled(end, compiled, ast.Module([], []))
    findings = [
        Finding(name, 0, at.rule, seen, RULES[at.rule].why, instead(at.rule, "keras"))
        for at, (seen, _) in graph.flow.found.items()
    ]
    fine = isinstance(end, Probability) and not findings
    only = ": right on TensorFlow alone, where Keras recovers the logits"
    clipped = fine and loss_name(compiled) in library.KERAS_BCE
    return findings, f"{name}: ends in {ending}; {_told(compiled)}{only * clipped}"


def configuration(path: Path) -> tuple[Config, Any]:
    """Return the configuration of a saved model, and that of its compiled loss.

    Raises
    ------
    Unseen
        As `look`.
    """
    model, loss = _keras(path) if zipfile.is_zipfile(path) else _hdf5(path)
    if model.get("class_name") not in MODELS:
        kind = str(model.get("class_name"))
        raise Unseen(f"its class {kind!r} is defined in code that is not in the file")
    return model, loss


def _keras(path: Path) -> tuple[Config, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (KeyError, ValueError, OSError, zipfile.BadZipFile, NotImplementedError) as error:
        raise Unseen("it is no model that Keras 3 saved: its config.json cannot be read") from error
    if not isinstance(config, dict):
        raise Unseen("it is no model that Keras 3 saved: its config.json is no object")
    return config, (config.get("compile_config") or {}).get("loss")


def _hdf5(path: Path) -> tuple[Config, Any]:
    with path.open("rb") as file:
        if file.read(len(HDF5)) != HDF5:
            raise Unseen(NO_MODEL)
    try:
        import h5py
    except ImportError:
        raise Unseen("h5py is missing: pip install h5py, or sigmoid-bce[workflow]") from None
    try:
        with h5py.File(path, "r") as file:
            texts = [file.attrs.get(key) for key in ("model_config", "training_config")]
    except OSError as error:
        raise Unseen(NO_MODEL) from error
    if texts[0] is None:
        raise Unseen("it holds weights alone, without the model's configuration")
    try:
        model, training = (json.loads(text) if text is not None else {} for text in texts)
    except ValueError as error:
        raise Unseen("its configuration cannot be read") from error
    return model, (training or {}).get("loss")


def _plain(value: Any) -> Value:
    """Return an entry of a configuration: a name, or an object that has one, such as a function."""
    if isinstance(value, dict):
        config = value.get("config")
        if isinstance(config, dict):
            return Const(config.get("name", value.get("class_name")))
        return Const(config)
    return Const(value) if isinstance(value, str | int | float | None) else None


def _loss(value: Any) -> Value:
    if value is None or isinstance(value, str):
        return Const(value) if value else None
    if isinstance(value, list):
        return Items(tuple(map(_loss, value)))
    if "class_name" not in value:
        return Mapping(tuple((Const(k), _loss(v)) for k, v in value.items()))
    if isinstance(value.get("config"), dict):
        named = tuple((k, Const(v)) for k, v in value["config"].items() if not _nested(v))
        return Made(f"keras.losses.{value['class_name']}", (), named)
    return Const(value.get("config"))


def _nested(value: Any) -> bool:
    return isinstance(value, dict | list)


def _told(loss: Value) -> str:
    if loss is None:
        return "without a compiled loss"
    parts = loss.items if isinstance(loss, Items) else (loss,)
    if isinstance(loss, Mapping):
        parts = tuple(part for _, part in loss.items)
    names = [loss_name(p) or (str(p.value) if isinstance(p, Const) else "a loss") for p in parts]
    return f"compiled with {', '.join(names)}" + "".join(
        " (from_logits=True)"
        for part in parts[:1]
        if isinstance(part, Made) and part.get("from_logits") == Const(True)
    )


class _Graph:
    """The layers of a model, and what their outputs are."""

    def __init__(self, model: Config, flow: Flow | None = None) -> None:
        self.flow = flow or Flow()
        config = model["config"]
        layers = config["layers"] if isinstance(config, dict) else config
        self.layers = {layer["config"]["name"]: layer for layer in layers}
        names = list(self.layers)
        self.before: dict[str, list[str]] = {}
        if model["class_name"] == "Sequential":
            self.outputs: Any = names[-1:]
            self.before = {b: [a] for a, b in pairwise(names)}
        else:
            self.outputs = config["output_layers"]
            self.before = {n: list(self._named(v["inbound_nodes"])) for n, v in self.layers.items()}

    def _named(self, part: Any) -> Iterator[str]:
        """Yield the layers that a part of the configuration refers to: lists [name, 0, 0]."""
        if isinstance(part, dict):
            part = list(part.values())
        if isinstance(part, list):
            if _is_reference(part) and part[0] in self.layers:
                yield part[0]
            else:
                for inner in part:
                    yield from self._named(inner)

    def _ends(self) -> list[str]:
        return (
            [n for n in self.outputs if n in self.layers]
            if _names(self.outputs)
            else list(self._named(self.outputs))
        )

    def end(self) -> Value:
        """Return the outputs of the model."""
        ends = [self._output(name) for name in self._ends()]
        if isinstance(self.outputs, dict):
            keys = map(Const, self.outputs)
            return Mapping(tuple(zip(keys, ends, strict=True)))
        return ends[0] if len(ends) == 1 else Items(tuple(ends))

    def _output(self, name: str) -> Value:
        layer = self.layers[name]
        kind, config = layer["class_name"], layer["config"]
        if kind in MODELS:
            return _Graph(layer, self.flow).end()
        made = _made(layer)
        x: Value = None
        if kind in PASSES:
            before = tuple(self._output(n) for n in self.before.get(name, []))
            x = before[0] if len(before) == 1 else Items(before)
        if kind == "TimeDistributed":
            made = Made(made.path, (_made(config["layer"]),), made.named)
        return self.flow.call(made, (x,), {}, ast.Module([], []))

    def ending(self) -> str:
        """Return the last layers in words."""
        return ", ".join(self._words(name) for name in self._ends())

    def _words(self, name: str) -> str:
        layer = self.layers[name]
        if layer["class_name"] in MODELS:
            return _Graph(layer, self.flow).ending()
        value = self._output(name)
        activation = _plain(layer["config"].get("activation"))
        kind = activation.value if isinstance(activation, Const) else None
        words = f"{layer['class_name']} {name!r}" + (f" ({kind})" if kind else "")
        if isinstance(value, Probability) and value.lost:
            words += f" after a {value.kind}"
        return words


def _names(outputs: Any) -> bool:
    return isinstance(outputs, list) and len(outputs) == 1 and isinstance(outputs[0], str)


def _is_reference(part: list[Any]) -> bool:
    return (
        len(part) >= 3 and isinstance(part[0], str) and all(isinstance(i, int) for i in part[1:3])
    )


def _made(layer: Config) -> Made:
    named = ((k, _plain(v)) for k, v in layer["config"].items() if k in KEYS)
    kept = tuple((k, v) for k, v in named if v != Const(None))
    return Made(f"keras.layers.{layer['class_name']}", (), kept)
