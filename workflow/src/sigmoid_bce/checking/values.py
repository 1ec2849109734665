"""What the checker knows of a value: a probability, a layer, a network, a function; or nothing.

A value that may be one thing or another is unknown, so that what is found is certain.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import Any

Value = Any
"""One of the classes below, or None: unknown."""
Named = tuple[tuple[Any, Value], ...]


@dataclass(frozen=True)
class Const:
    """A number, string, truth value or None."""

    value: object


@dataclass(frozen=True)
class Library:
    """A module, class or function that is imported, by its whole name."""

    path: str


@dataclass(frozen=True)
class Made:
    """An instance of a library's class, such as a layer or a loss."""

    path: str
    args: tuple[Value, ...] = ()
    named: Named = ()
    policy: str = ""
    line: int = field(default=0, compare=False)

    def get(self, name: str, position: int = -1, default: Value = None) -> Value:
        """Return an argument of its construction."""
        return argument(self.args, dict(self.named), name, position, default)


@dataclass(frozen=True)
class Probability:
    """The output of a sigmoid or a softmax.

    Attributes
    ----------
    kind : str
        "sigmoid", "softmax", or "prediction": what an unknown model's predict() returned.
    source : str
        The framework that computed it.
    flipped : bool or None
        Whether it is 1 - sigmoid; None: the one or the other, by the label.
    part : bool
        Whether it is multiplied with something.
    lost : str
        What stands between it and a loss, so that Keras cannot recover the logits.
    half : bool
        Whether the sigmoid is in half precision.
    layer : str
        The name of its layer.
    line : int
        Where it is computed; 0 is unknown, -1 is in another file.
    """

    kind: str
    source: str
    flipped: bool | None = False
    part: bool = False
    lost: str = ""
    half: bool = False
    layer: str = ""
    line: int = field(default=0, compare=False)

    def after(self, what: str) -> Probability:
        """Return the same values after an operation that Keras cannot look through."""
        return replace(self, lost=self.lost or what)


@dataclass(frozen=True)
class Form:
    """A part of a sigmoid that is written by hand: "exp", "1+exp", or "-" of a value."""

    name: str
    of: Any


@dataclass(frozen=True)
class Items:
    """A list or tuple; of an open one, each item stands for any number of items."""

    items: tuple[Value, ...]
    open: bool = False


@dataclass(frozen=True)
class Mapping:
    """A dictionary whose keys are constants."""

    items: Named


@dataclass(frozen=True)
class Network:
    """Layers, one after the other, or the outputs of a functional model."""

    framework: str
    layers: tuple[Value, ...] = ()
    outputs: Value = None
    functional: bool = False


@dataclass(eq=False)
class Scope:
    """Names of a function, a class or a module."""

    names: dict[str, Value] = field(default_factory=dict)
    parent: Scope | None = None
    returns: list[Value] = field(default_factory=list)
    shared: set[str] = field(default_factory=set)
    stars: list[str] = field(default_factory=list)
    function: Function | None = None
    me: Value = None

    def find(self, name: str) -> tuple[bool, Value]:
        """Return whether a name is known here or around, and its value."""
        scope: Scope | None = self
        while scope:
            if name in scope.names:
                return True, scope.names[name]
            scope = scope.parent
        return False, None

    @property
    def module(self) -> Scope:
        """The scope of the module around."""
        scope = self
        while scope.parent:
            scope = scope.parent
        return scope

    def store(self, name: str, value: Value) -> None:
        """Give a name a value; a global name where it is global."""
        scope = self.module if name in self.shared else self
        scope.names[name] = value


@dataclass(frozen=True, eq=False)
class File:
    """Another file of the user's, which is imported."""

    scope: Scope


@dataclass(frozen=True, eq=False)
class Function:
    """A function or a lambda of the file."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    owner: Class | None = None
    me: Value = None
    graph: bool = False


@dataclass(frozen=True, eq=False)
class Class:
    """A class of the file."""

    node: ast.ClassDef
    names: dict[str, Value]
    bases: tuple[Value, ...]

    def find(self, name: str, after: Class | None = None) -> Value:
        """Return a method or attribute of the class or of its bases in the file."""
        if after is None and name in self.names:
            return self.names[name]
        rest = None if after is self else after
        for base in self.bases:
            if isinstance(base, Class) and (found := base.find(name, rest)):
                return found
        return None

    def methods(self) -> dict[str, Function]:
        """Return all methods, those of its bases in the file among them."""
        found: dict[str, Function] = {}
        for base in reversed(self.bases):
            found |= base.methods() if isinstance(base, Class) else {}
        return found | {n: f for n, f in self.names.items() if isinstance(f, Function)}

    @property
    def framework(self) -> str:
        """The library of its first base outside the file."""
        for base in self.bases:
            if isinstance(base, Library):
                return base.path.split(".")[0]
            if isinstance(base, Class) and base.framework:
                return base.framework
        return ""


@dataclass(frozen=True)
class Object:
    """An instance of a class of the file; its attributes are in the state's heap."""

    number: int
    of: Class


@dataclass(frozen=True)
class Super:
    """`super()` in a method."""

    me: Value
    of: Class


@dataclass(frozen=True)
class Method:
    """An attribute of a value that is not known better than by its name."""

    of: Value
    name: str


def argument(
    args: tuple[Value, ...], named: dict[Any, Value], name: str, position: int, default: Value
) -> Value:
    """Return an argument of a call, by its name or its position."""
    if name in named:
        return named[name]
    if 0 <= position < len(args):
        return args[position]
    return default


def join(a: Value, b: Value) -> Value:
    """Return what is certain of a value that is one of two."""
    if a is b or a == b:
        return a
    if isinstance(a, Probability) and isinstance(b, Probability):
        return _either(a, b)
    if isinstance(a, Items) and isinstance(b, Items) and len(a.items) == len(b.items):
        pairs = zip(a.items, b.items, strict=True)
        return Items(tuple(join(x, y) for x, y in pairs), a.open or b.open)
    return None


def _either(a: Probability, b: Probability) -> Probability | None:
    if a.kind != b.kind or a.part or b.part:
        return None
    flipped = a.flipped if a.flipped == b.flipped else None
    return replace(a, flipped=flipped, lost=a.lost if b.lost else "", half=a.half and b.half)


def join_names(a: dict[Any, Value], b: dict[Any, Value]) -> dict[Any, Value]:
    """Return the names after one of two branches; a name that one lacks is the other's."""
    names = {**a, **b}
    return {n: join(a[n], b[n]) if n in a and n in b else value for n, value in names.items()}
