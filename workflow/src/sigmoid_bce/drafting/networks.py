"""A network of the user's: a function in a Python file, or a saved model of Keras."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sigmoid_bce.checking import saved
from sigmoid_bce.data.listing import DataError, few
from sigmoid_bce.drafting.found import Network, written
from sigmoid_bce.jobs import plugins

CODE = '''"""The network of a saved model, with new weights for each training."""

from pathlib import Path

import keras

MODEL = Path(__file__).parent / {path!r}


def build():
    """Return the network; its last layer may be a sigmoid, which the study cuts off."""
    return keras.models.clone_model(keras.models.load_model(MODEL, compile=False))
'''


def of(path: str, file: Path) -> Network | None:
    """Return the network that a path names; None if it names none.

    Parameters
    ----------
    path : str
        `nets.py:build`, `nets.py`, or a model saved as .keras or .h5.
    file : Path
        The study file.

    Raises
    ------
    DataError
        If there is no such file, or it does not say which network it holds.
    """
    code, colon, function = path.rpartition(":")
    if not (colon and code.endswith(".py")):
        code, function = path, ""
    if code.endswith(".py"):
        return _function(Path(code), function, file)
    if Path(path).suffix.lower() in (".keras", ".h5", ".hdf5"):
        return _saved(Path(path), file)
    return None


def _function(code: Path, function: str, file: Path) -> Network:
    """Return the network that a function of a Python file makes."""
    if not code.is_file():
        raise DataError(f"there is no file {str(code)!r}")
    try:
        defined = plugins.definitions(code)
    except plugins.PluginError as error:
        raise DataError(str(error)) from None
    names = [name for name in defined if name.isidentifier() and not name.startswith("_")]
    if not function:
        functions = _functions(code, names)
        if len(functions) != 1:
            raise DataError(
                f"{code} defines {few(functions) or 'no function'}: name the function that "
                f"returns the network, {code}:{functions[0] if functions else 'build'}"
            )
        function = functions[0]
    return Network({"function": f"{code.stem}:{function}", **_folder(code.absolute(), file)})


def _folder(code: Path, file: Path) -> dict[str, str]:
    """Return the key that says where a module is; none if it is found beside the study file."""
    here, beside = Path.cwd(), file.absolute().parent
    if code.parent == beside and (here == beside or not (here / code.name).exists()):
        return {}
    return {"folder": written(code.parent, file)}


def _functions(code: Path, names: list[str]) -> list[str]:
    """Return which names are functions of a module."""
    text = code.read_text(encoding="utf-8", errors="replace")
    return [name for name in names if re.search(rf"^def {name}\b", text, re.MULTILINE)]


def _saved(path: Path, file: Path) -> Network:
    """Return the network of a saved model, with the code that loads it."""
    if not path.is_file():
        raise DataError(f"there is no file {str(path)!r}")
    try:
        model, _ = saved.configuration(path)
    except saved.Unseen as error:
        raise DataError(f"{path}: {error}") from None
    module = re.sub(r"\W", "_", f"{file.stem}_network", flags=re.ASCII)
    module = f"_{module}" if module[0].isdigit() else module
    section = {
        "function": f"{module}:build", **_folder(file.absolute().parent / f"{module}.py", file)
    }  # fmt: skip
    return Network(section, CODE.format(path=written(path, file)), _shape(path, model))


def _shape(path: Path, model: dict[str, Any]) -> tuple[int | None, ...] | None:
    """Return the shape of a model's input without the batch; None if its file does not say it."""
    config = model.get("config")
    layers = config.get("layers", []) if isinstance(config, dict) else []
    inputs = [layer["config"] for layer in layers if layer.get("class_name") == "InputLayer"]
    if len(inputs) > 1:
        raise DataError(f"{path} has {len(inputs)} inputs: expected one")
    built = [model.get("build_config") or {}, *(inputs[:1])]
    for one in reversed(built):
        for key in ("batch_shape", "batch_input_shape", "input_shape"):
            if isinstance(one.get(key), list):
                return tuple(one[key][1:])
    return None
