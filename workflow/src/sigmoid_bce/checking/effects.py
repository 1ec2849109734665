"""What is found where a probability meets a logarithm, a loss or another sigmoid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeGuard

from sigmoid_bce.checking import library
from sigmoid_bce.checking.values import Const, Form, Library, Made, Probability, Value

Tell = Callable[[str, str, str], None]
"""Takes a rule, what is seen, and the framework whose words help."""


@dataclass
class Surroundings:
    """What holds for everything that is built from here on.

    Attributes
    ----------
    policy : str
        Keras's policy of dtypes, such as "mixed_float16"; "" is not set.
    backend : str
        Keras's backend; "" is not set.
    """

    policy: str = ""
    backend: str = ""


def _of(value: Probability) -> str:
    at = f" of line {value.line}" if value.line > 0 else " of another file" * (value.line < 0)
    return f"the {value.kind}{at}"


def _certain(value: Value) -> TypeGuard[Probability]:
    return isinstance(value, Probability) and not value.part and value.kind != "prediction"


def logarithm(value: Value, framework: str, tell: Tell) -> None:
    """Look at the argument of a logarithm."""
    if not isinstance(value, Probability) or value.kind != "sigmoid" or value.part:
        return
    if value.flipped:
        tell("log-one-minus-sigmoid", f"a logarithm of 1 - {_of(value)}", framework)
    else:
        either = "" if value.flipped is False else ", or of 1 - it"
        tell("log-sigmoid", f"a logarithm of {_of(value)}{either}", framework)


def log1p(value: Value, framework: str, tell: Tell) -> None:
    """Look at the argument of log(1 + x)."""
    if isinstance(value, Form) and value.name == "-" and isinstance(value.of, Probability):
        logarithm(flip(value.of), framework, tell)


def flip(value: Probability) -> Probability:
    """Return 1 - a probability."""
    return replace(value, flipped=None if value.flipped is None else not value.flipped)


def with_logits(value: Value, loss: str, tell: Tell) -> None:
    """Look at the argument of a loss that applies its own sigmoid."""
    if not _certain(value):
        return
    rule = "softmax-bce" if value.kind == "softmax" else "double-sigmoid"
    tell(rule, f"{loss} takes raw outputs, and gets {_of(value)}", value.source)


def plain(value: Value, loss: str, tell: Tell) -> None:
    """Look at the argument of PyTorch's loss that takes probabilities."""
    if not _certain(value):
        return
    rule = "softmax-bce" if value.kind == "softmax" else "bce-after-sigmoid"
    tell(rule, f"{loss} gets {_of(value)}", "torch")


def keras(
    value: Value, loss: str, from_logits: Value, around: Surroundings, tell: Tell, traced: bool
) -> None:
    """Look at the argument of Keras's binary cross-entropy.

    Parameters
    ----------
    value : Value
        What it gets.
    loss : str
    from_logits : Value
    around : Surroundings
    tell : callable
    traced : bool
        Whether TensorFlow may compile the code, and Keras then finds TensorFlow's own sigmoid.
    """
    if not isinstance(value, Probability) or value.part or not isinstance(from_logits, Const):
        return
    text = f"{loss} gets {_of(value)}"
    if value.kind == "softmax":
        tell("softmax-bce", text, "keras")
    elif from_logits.value:
        if _certain(value):
            tell("double-sigmoid", f"{loss}(from_logits=True) gets {_of(value)}", "keras")
    elif value.lost == "predict()":
        tell("keras-loss-on-predict", f"{text} as an array", "keras")
    elif value.half:
        tell("keras-mixed-precision", f"{text} in half precision", "keras")
    elif around.backend in library.OTHER_BACKENDS:
        tell("keras-other-backend", f"{text} on the backend {around.backend}", "keras")
    elif value.lost:
        tell("keras-lost-logits", f"{text} after {value.lost}", "keras")
    elif value.source not in ("keras", "tensorflow"):
        tell("keras-lost-logits", f"{text}, which {value.source or 'other code'} computes", "keras")
    elif value.source == "tensorflow" and not traced:
        tell("keras-lost-logits", f"{text}, which is TensorFlow's and runs eagerly", "keras")


def loss_name(loss: Value) -> str:
    """Return the name of a library's loss; "" of anything else."""
    if isinstance(loss, Library | Made):
        return library.last(loss.path)
    if isinstance(loss, Const) and isinstance(loss.value, str):
        return library.KERAS_TEXTS.get(loss.value, "")
    return ""


def from_logits(loss: Value) -> Value:
    """Return whether a loss of Keras that is compiled in takes logits."""
    if isinstance(loss, Made):
        position = library.KERAS_BCE[library.last(loss.path)]
        return loss.get("from_logits", position, Const(False))
    return Const(False)
