"""The user's own module: found, run, and its errors told in one line with file and line."""

from __future__ import annotations

import importlib.util
import os
import random
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sigmoid_bce.jobs.logs import UserError
from sigmoid_bce.jobs.notice import Interrupted

EXPECTED = (
    "expected the raw output, the value before any sigmoid, clip or mean of probabilities, as of "
    "layers.Dense(1) without activation; if it is one, write really_raw: true"
)

LONGEST = 500  # characters of an error's own message

_loaded: set[str] = set()


class NetworkError(UserError, ValueError):
    """A user's network that cannot be trained: one line with its file and function."""


@contextmanager
def of_user(name: str, folder: str | Path) -> Iterator[None]:
    """Tell any error of the user's code, an end of the process included, in one line.

    Parameters
    ----------
    name : str
        File and function, for the message.
    folder : str or Path
        The folder of the user's modules.

    Raises
    ------
    NetworkError
        In place of any exception but Ctrl-C and SIGTERM.

    Examples
    --------
    >>> with of_user("nets.py: build", "/studies"):
    ...     sys.exit("no GPU here")
    Traceback (most recent call last):
    sigmoid_bce.models.own_code.NetworkError: nets.py: build: it ended the process: no GPU here
    """
    try:
        yield
    except (NetworkError, Interrupted, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise NetworkError(f"{name}: {_told(error, Path(folder).resolve())}") from error


def _told(error: BaseException, folder: Path) -> str:
    """Return an error with the last line of the user's code that led to it."""
    message = ""
    with suppress(Exception):  # its text is code of the user's too
        message = " ".join(str(error).split())[:LONGEST]
    frames = traceback.extract_tb(error.__traceback__)
    places = [(frame.filename, frame.lineno) for frame in frames]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
        message = error.msg
    own = [(Path(file), line) for file, line in places if Path(file).is_relative_to(folder)]
    place = f"{os.path.relpath(own[-1][0], folder)}, line {own[-1][1]}: " if own else ""
    if isinstance(error, SystemExit):
        return f"{place}it ended the process: {'no message' if error.code is None else message}"
    return f"{place}{type(error).__name__}: {message}{_hint(error, folder)}"


def _hint(error: BaseException, folder: Path) -> str:
    """Return what to do if an import found another module than the one beside the user's."""
    found = getattr(error, "obj", None) if isinstance(error, AttributeError) else error
    name = str(getattr(found, "__name__", getattr(found, "name", ""))).split(".")[0]
    beside = [path for path in (folder / f"{name}.py", folder / name) if path.exists()]
    if not name or not beside or not _used(name, folder):
        return ""
    return f"; {beside[0].name} beside it is hidden by a module of this name in use: rename it"


def _used(name: str, folder: Path) -> bool:
    """Return whether a module's name belongs to Python, or to a package in use."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    own = name in _loaded or (file and Path(file).resolve().is_relative_to(folder))
    return module is not None and not own


def function(name: str, file: Path, folder: str | Path) -> Callable[..., Any]:
    """Return a user's function. Its module may import modules of the same folder.

    A seed that the module sets while it is imported does not count.

    Parameters
    ----------
    name : str
        module:function.
    file : Path
        The module.
    folder : str or Path
        The folder that its imports are looked for in.

    Raises
    ------
    NetworkError
        If the module cannot be imported, or has no such function.
    """
    module_name, function_name = name.split(":")
    where = f"{file}: {function_name}"
    file = file.resolve()
    if _used(module_name, Path(folder).resolve()):
        raise NetworkError(
            f"{file}: a module of Python, or of a package in use, is called {module_name!r} too: "
            "rename the file"
        )
    _loaded.add(module_name)
    sys.path.insert(0, str(Path(folder).resolve()))
    package = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(
        module_name, file, submodule_search_locations=package
    )
    if spec is None or spec.loader is None:
        raise NetworkError(f"{file}: not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    state = random.getstate()  # from which Keras takes the seeds of initial weights
    with of_user(where, folder):
        spec.loader.exec_module(module)
        found = getattr(module, function_name)
    random.setstate(state)
    if not callable(found):
        raise NetworkError(f"{where}: it is of type {type(found).__name__}, expected a function")
    return found
