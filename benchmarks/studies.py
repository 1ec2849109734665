"""The studies that benchmarks run."""

from __future__ import annotations

import copy
import math

from measured import ROOT, default_study


def shrink(config: dict, scale: float) -> dict:
    """Return a study with fewer cells, epochs and images, to test the benchmark itself."""
    if scale >= 1:
        return config
    config = copy.deepcopy(config)
    if "numerics" in config:
        config["numerics"] = {"frameworks": ["history", "scipy"]}
    grid = config["grid"]
    grid["batch_size"] = grid["batch_size"][-max(1, round(len(grid["batch_size"]) * scale)) :]
    grid["seed"] = grid["seed"][: max(1, round(len(grid["seed"]) * scale))]
    config["training"]["early_epochs"] = max(1, round(config["training"]["early_epochs"] * scale))
    for model in config["models"].values():
        epochs = math.ceil(model["max_epochs"] * scale)
        model["max_epochs"] = max(epochs, config["training"]["early_epochs"] + 1)
    for data in config["datasets"].values():
        if data.get("source") == "pypi":
            part = max(scale, 0.1)
            data["split"] |= {k: round(data["split"][k] * part) for k in ("train", "validation")}
            data["split"]["validation"] = max(data["split"]["validation"], 50)
    return config


def grid_only(config: dict) -> dict:
    """Return a study without laboratory and learning, and without what only they need."""
    config = {key: part for key, part in config.items() if key not in ("numerics", "learning")}
    for section, key in (("models", "model"), ("datasets", "dataset")):
        config[section] = {name: config[section][name] for name in config["grid"][key]}
    return config


def four_cells() -> dict:
    """Return a study of two convnets and two heads of the default study."""
    config = default_study()
    config["study"] = "four"
    config["grid"]["batch_size"] = [20]
    return grid_only(config)


def short_cells() -> dict:
    """Return a study of 100 short cells: heads on features of EfficientNet-Lite0."""
    config = default_study()
    config["study"] = "short"
    config["models"]["efficientnet_lite0"]["max_epochs"] = 20
    config["grid"] |= {
        "model": ["efficientnet_lite0"],
        "batch_size": [32, 64, 128, 256],
        "seed": list(range(25)),
    }
    return grid_only(config)


def digits(cells: int) -> dict:
    """Return a study of `cells` tiny networks on scikit-learn's digits, three epochs each."""
    import yaml

    config = grid_only(yaml.safe_load((ROOT / "config/studies/smoke.yaml").read_text()))
    (name,) = config["models"]
    config["study"] = f"growth-{cells}"
    config["models"][name]["max_epochs"] = 3
    config["training"] = {"early_epochs": 1, "patience": 3}
    batch_sizes = [16, 32] if cells % 2 == 0 else [16]
    config["grid"] |= {
        "loss": ["logits"],
        "batch_size": batch_sizes,
        "seed": list(range(cells // len(batch_sizes))),
    }
    return config
