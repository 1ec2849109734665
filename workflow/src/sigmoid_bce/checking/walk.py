"""The state of a walk through a file: names, objects, what surrounds them, and what is found."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import NamedTuple

from sigmoid_bce.checking.effects import Surroundings, Tell
from sigmoid_bce.checking.values import Class, Function, Scope, Value, join_names

Args = tuple[Value, ...]
Kwargs = dict[str, Value]
Nodes = tuple[ast.AST, ...]
State = tuple[dict[str, Value], dict[int, dict[str, Value]]]

LONG = 150_000
"""Expressions to look at; after as many, calls of the file's own functions are not followed."""


class Found(NamedTuple):
    """A finding in a file's text.

    Attributes
    ----------
    line : int
        Where the name of the function stands.
    first, last : int
        The lines of the whole call.
    rule : str
    file : str
        Another file, which is imported; "" is the file itself.
    """

    line: int
    first: int
    last: int
    rule: str
    file: str = ""


class Walk:
    """The state of a walk, and the parts that `calls`, `expressions` and `flow` fill in."""

    def __init__(self) -> None:
        self.around = Surroundings()
        self.found: dict[Found, tuple[str, str]] = {}
        self.heap: dict[int, dict[str, Value]] = {}
        self.scope = Scope()
        self.stack: list[Function] = []
        self.here = Path()
        self.steps = 0
        self.alone = False

    @property
    def long(self) -> bool:
        """Whether the file is too long to follow its calls."""
        return self.steps > LONG

    def value(self, node: ast.AST | None) -> Value:
        """Return what is known of an expression."""
        raise NotImplementedError

    def call(self, function: Value, args: Args, named: Kwargs, node: ast.AST) -> Value:
        """Return what is known of a call's result."""
        raise NotImplementedError

    def invoke(self, function: Function, args: Args, named: Kwargs, blind: bool = False) -> Value:
        """Follow a call of a function of the file."""
        raise NotImplementedError

    def create(self, of: Class, args: Args, named: Kwargs, blind: bool = False) -> Value:
        """Return an instance of a class of the file."""
        raise NotImplementedError

    def store(self, target: ast.AST, value: Value) -> None:
        """Give the target of an assignment its value."""
        raise NotImplementedError

    def operate(self, sign: str, left: Value, right: Value, nodes: Nodes) -> Value:
        """Return what is known of the result of an operator."""
        raise NotImplementedError

    def tell(self, node: ast.AST) -> Tell:
        """Return the function that notes what is found at a node."""
        named = getattr(node, "func", node)
        line = getattr(named, "end_lineno", 0) or 0
        first, end = getattr(node, "lineno", line), getattr(node, "end_lineno", None) or line

        def note(rule: str, seen: str, framework: str) -> None:
            place = Found(line, first, end, rule, getattr(node, "file", ""))
            self.found.setdefault(place, (seen, framework))

        return note

    @staticmethod
    def line(node: ast.AST) -> int:
        """Return the line of a node; -1 in another file."""
        return -1 if hasattr(node, "file") else getattr(node, "lineno", 0)

    def traced(self) -> bool:
        """Return whether TensorFlow may run the code as a graph."""
        return self.alone or any(
            f.graph or (f.owner and f.owner.framework == "keras") for f in self.stack
        )

    def snapshot(self) -> State:
        """Return a copy of the names and objects."""
        return dict(self.scope.names), {n: dict(names) for n, names in self.heap.items()}

    def restore(self, state: State) -> None:
        """Go back to a copy of the names and objects."""
        names, heap = state
        self.scope.names.clear()
        self.scope.names.update(names)
        self.heap = {n: dict(attributes) for n, attributes in heap.items()}

    def branches(self, *ways: Callable[[], bool]) -> bool:
        """Go several ways, each of which says whether it ends there, and join what they left.

        Returns
        -------
        bool
            Whether all ways end.
        """
        before, after = self.snapshot(), []
        for way in ways:
            self.restore(before)
            if not way():
                after.append(self.snapshot())
        if after:
            self.restore(reduce(_join, after))
        return not after


def _join(a: State, b: State) -> State:
    heap = {n: join_names(a[1].get(n, {}), b[1].get(n, {})) for n in {**a[1], **b[1]}}
    return join_names(a[0], b[0]), heap
