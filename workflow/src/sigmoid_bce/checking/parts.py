"""Parts of values: the first argument, the outputs of a network with their losses, and the like."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from sigmoid_bce.checking import library
from sigmoid_bce.checking.library import last
from sigmoid_bce.checking.values import (
    Const,
    Form,
    Function,
    Items,
    Library,
    Made,
    Mapping,
    Probability,
    Value,
    join,
)
from sigmoid_bce.checking.walk import Args, Kwargs


def first(args: Args, named: Kwargs) -> Value:
    """Return the first argument; of several values in a list, what they have in common."""
    value = args[0] if args else next(iter(named.values()), None)
    if isinstance(value, Items):
        return reduce(join, value.items) if value.items else None
    return value


def is_loss(value: Value) -> bool:
    """Return whether a value is a binary cross-entropy of a library."""
    losses = (library.PLAIN_BCE, library.WITH_LOGITS, library.KERAS_BCE)
    return isinstance(value, Made | Library) and any(last(value.path) in names for names in losses)


def half(layer: Made) -> bool:
    """Return whether a layer computes in half precision."""
    dtype = layer.get("dtype")
    if isinstance(dtype, Const) and dtype.value:
        return "16" in str(dtype.value)
    return dtype is None and "16" in layer.policy


def moved(value: Value, what: str) -> Value:
    """Return the same values after an operation that Keras cannot look through."""
    if isinstance(value, Probability):
        return replace(value, lost=what) if what == "predict()" else value.after(what)
    if isinstance(value, Items):
        return Items(tuple(moved(v, what) for v in value.items), value.open)
    if isinstance(value, Mapping):
        return Mapping(tuple((k, moved(v, what)) for k, v in value.items))
    return value if isinstance(value, Const | Form) else None


def pairs(end: Value, loss: Value) -> list[tuple[Value, Value]]:
    """Return each output of a network with its loss, where it is certain."""
    ends = end.items if isinstance(end, Items) else (end,)
    if isinstance(loss, Mapping):
        named = {Const(e.layer): e for e in ends if isinstance(e, Probability)}
        outputs = dict(end.items) if isinstance(end, Mapping) else named
        return [(outputs.get(key), part) for key, part in loss.items]
    if isinstance(end, Mapping):
        return [(output, loss) for _, output in end.items if not isinstance(loss, Items)]
    losses = loss.items if isinstance(loss, Items) else (loss,) * len(ends)
    return list(zip(ends, losses, strict=True)) if len(ends) == len(losses) else []


def wrapped(name: str, args: Args) -> Value:
    """Return what a wrapper returns: what it is given."""
    if name in ("prepare", "setup") and len(args) > 1:
        return Items(args)
    first = args[0] if args else None
    if name == "function" and isinstance(first, Function):
        return replace(first, graph=True)
    return first


def in_order(args: Args) -> tuple[Value, ...]:
    """Return the layers of a Sequential of PyTorch; of a dictionary, its values."""
    if len(args) == 1 and isinstance(args[0], Items):
        pairs = args[0].items
        return tuple(
            p.items[-1] if isinstance(p, Items) and len(p.items) == 2 else p for p in pairs
        )
    return args
