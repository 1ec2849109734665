"""What is known of an expression."""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sigmoid_bce.checking import library
from sigmoid_bce.checking.calls import Calls
from sigmoid_bce.checking.effects import flip
from sigmoid_bce.checking.values import (
    Class,
    Const,
    File,
    Form,
    Function,
    Items,
    Library,
    Made,
    Mapping,
    Method,
    Network,
    Object,
    Probability,
    Scope,
    Super,
    Value,
    join,
)
from sigmoid_bce.checking.walk import Args, Kwargs, Nodes

EPSILON = ("eps", "tiny", "smooth", "delta", "small", "1e-")
NEAR_ONE = 0.01
E = 2.718281828
FOLDED: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
}
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Is": operator.eq,
    "IsNot": operator.ne,
}
THINGS = (Library, Made, Network, Object, Function, Class, Probability)
"""What is certainly not None."""
PLAIN_NAMES = {"float", "list", "tuple", "sigmoid", "softmax", "expit"}


def _number(value: Value) -> float | None:
    ok = isinstance(value, Const) and isinstance(value.value, int | float)
    return value.value if ok else None


def _near_one(value: Value) -> bool:
    number = _number(value)
    return number is not None and abs(number - 1) < NEAR_ONE


class Expressions(Calls):
    """Expressions by the kind of their node."""

    def value(self, node: ast.AST | None) -> Value:
        """Return what is known of an expression."""
        if node is None:
            return None
        self.steps += 1
        look = getattr(self, f"_{type(node).__name__}", None)
        if look:
            return look(node)
        for child in ast.iter_child_nodes(node):
            self.value(child)
        return None

    def _Constant(self, node: ast.Constant) -> Value:
        return Const(node.value)

    def _Name(self, node: ast.Name) -> Value:
        known, value = self.scope.find(node.id)
        if known:
            return value
        if path := self._starred(node.id):
            return Library(path)
        if node.id in library.USUAL:
            return Library(library.USUAL[node.id])
        return Library(f"builtins.{node.id}") if node.id in PLAIN_NAMES else None

    def _starred(self, name: str) -> str:
        """Return the whole name of what `from module import *` may have brought."""
        if hasattr(builtins, name):
            return ""
        stars = self.scope.module.stars
        known = [m for m in stars if library.framework(m) in library.MATHS]
        named = name[0].isupper() or name in library.SIGMOIDS
        modules = known or (stars if named else [])
        return f"{modules[0]}.{name}" if modules else ""

    def _Attribute(self, node: ast.Attribute) -> Value:
        of = self.value(node.value)
        match of:
            case Library():
                return Library(library.normal(f"{of.path}.{node.attr}"))
            case Object():
                return self._of_object(of, node.attr)
            case Class():
                return of.find(node.attr)
            case File():
                return of.scope.names.get(node.attr)
            case Super():
                found = of.me.of.find(node.attr, of.of) if isinstance(of.me, Object) else None
                return replace(found, me=of.me) if isinstance(found, Function) else found
            case Probability() if node.attr in ("T", "data", "real"):
                return of.after(f".{node.attr}")
        return Method(of, node.attr)

    def _of_object(self, of: Object, name: str) -> Value:
        attributes = self.heap.get(of.number, {})
        if name in attributes:
            return attributes[name]
        found = of.of.find(name)
        if not isinstance(found, Function):
            return Method(of, name) if found is None else found
        decorators = {ast.unparse(d) for d in getattr(found.node, "decorator_list", ())}
        if "staticmethod" in decorators:
            return found
        bound = replace(found, me=of)
        return self.invoke(bound, (), {}) if "property" in decorators else bound

    def _Call(self, node: ast.Call) -> Value:
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            function = self.scope.function
            owner = function.owner if function else None
            return Super(self.scope.me, owner) if owner else None
        function, args, named = self.value(node.func), *self._arguments(node)
        if function is None and isinstance(node.func, ast.Name) and node.func.id == "dict":
            return Mapping(tuple((Const(k), v) for k, v in named.items()))
        return self.call(function, args, named, node)

    def _several(self, nodes: list[ast.expr]) -> tuple[list[Value], bool]:
        """Return values, those of a list after a star among them, and whether one is."""
        values: list[Value] = []
        stars = False
        for node in nodes:
            if isinstance(node, ast.Starred):
                more, stars = self.value(node.value), True
                values += more.items if isinstance(more, Items) else (None,)
            else:
                values.append(self.value(node))
        return values, stars

    def _arguments(self, node: ast.Call) -> tuple[Args, Kwargs]:
        args, _ = self._several(node.args)
        named = {k.arg: self.value(k.value) for k in node.keywords if k.arg}
        for keyword in node.keywords:
            if keyword.arg is None and isinstance(more := self.value(keyword.value), Mapping):
                named |= {str(k.value): v for k, v in more.items if isinstance(k, Const)}
        return tuple(args), named

    def _Subscript(self, node: ast.Subscript) -> Value:
        of, key = self.value(node.value), self.value(node.slice)
        if isinstance(of, Mapping):
            return dict(of.items).get(key)
        if isinstance(of, Items):
            return self._item(of, node.slice, key)
        return of.after("an index") if isinstance(of, Probability) else None

    @staticmethod
    def _item(of: Items, node: ast.AST, key: Value) -> Value:
        with suppress(ValueError, IndexError, TypeError):
            if isinstance(node, ast.Slice):
                parts = (node.lower, node.upper, node.step)
                bounds = [ast.literal_eval(p) if p else None for p in parts]
                return Items(of.items[slice(*bounds)], of.open)
            if isinstance(key, Const) and not of.open:
                return of.items[operator.index(key.value)]  # type: ignore[arg-type]
        return None

    def _List(self, node: ast.List | ast.Tuple) -> Value:
        items, stars = self._several(node.elts)
        return Items(tuple(items), stars)

    _Tuple = _List

    def _Dict(self, node: ast.Dict) -> Value:
        keys, values = map(self.value, node.keys), map(self.value, node.values)
        pairs = zip(list(keys), list(values), strict=True)
        return Mapping(tuple((k, v) for k, v in pairs if isinstance(k, Const)))

    def _Lambda(self, node: ast.Lambda) -> Value:
        return Function(node, self.scope)

    def _IfExp(self, node: ast.IfExp) -> Value:
        test = self.value(node.test)
        if isinstance(test, Const):
            return self.value(node.body if test.value else node.orelse)
        return join(self.value(node.body), self.value(node.orelse))

    def _NamedExpr(self, node: ast.NamedExpr) -> Value:
        value = self.value(node.value)
        self.store(node.target, value)
        return value

    def _comprehension(self, node: Any) -> Value:
        outer, self.scope = (
            self.scope,
            Scope(parent=self.scope, function=self.scope.function, me=self.scope.me),
        )
        for part in node.generators:
            self.value(part.iter)
            self.store(part.target, None)
            for test in part.ifs:
                self.value(test)
        if isinstance(node, ast.DictComp):
            self.value(node.key)
            self.value(node.value)
            result: Value = None
        else:
            result = Items((self.value(node.elt),), True)
        self.scope = outer
        return result

    _ListComp = _SetComp = _GeneratorExp = _DictComp = _comprehension

    # ---- operators ----

    def _Compare(self, node: ast.Compare) -> Value:
        left, rights = self.value(node.left), [self.value(n) for n in node.comparators]
        compared = COMPARED.get(type(node.ops[0]).__name__)
        if len(rights) != 1 or not compared:
            return None
        if isinstance(left, Const) and isinstance(rights[0], Const):
            return Const(compared(left.value, rights[0].value))
        if isinstance(left, THINGS) and rights[0] == Const(None):
            return Const(isinstance(node.ops[0], ast.IsNot | ast.NotEq))
        return None

    def _BoolOp(self, node: ast.BoolOp) -> Value:
        values = [self.value(n) for n in node.values]
        decides = isinstance(node.op, ast.Or)
        for value in values:
            if isinstance(value, Const) and bool(value.value) == decides:
                return value if value is values[0] or not decides else None
        return values[-1] if all(isinstance(v, Const) for v in values) else None

    def _UnaryOp(self, node: ast.UnaryOp) -> Value:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return Const(not value.value) if isinstance(value, Const) else None
        if isinstance(node.op, ast.USub):
            number = _number(value)
            if number is not None:
                return Const(-number)
            return Form("-", value) if isinstance(value, Probability) else None
        return None

    def _BinOp(self, node: ast.BinOp) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        return self.operate(type(node.op).__name__, left, right, (node.left, node.right))

    def operate(self, sign: str, left: Value, right: Value, nodes: Nodes) -> Value:
        """Return what is known of the result of an operator."""
        a, b = _number(left), _number(right)
        if a is not None and b is not None:
            with suppress(ArithmeticError):
                return Const(FOLDED[sign](a, b)) if sign in FOLDED else None
            return None
        rule = getattr(self, f"_operate_{sign}", None)
        return rule(left, right, nodes) if rule else None

    def _operate_Add(self, left: Value, right: Value, nodes: Nodes) -> Value:
        for one, other, node in ((left, right, nodes[1]), (right, left, nodes[0])):
            if isinstance(one, Probability) and self._small(other, node):
                return one.after("an epsilon")
            if _near_one(other) and isinstance(one, Form):
                if one.name == "exp":
                    return Form("1+exp", one.of)
                if one.name == "-" and isinstance(one.of, Probability):
                    return flip(one.of)
        parts = [v for v in (left, right) if isinstance(v, Probability) and v.part]
        if len(parts) == 2 and {parts[0].flipped, parts[1].flipped} == {True, False}:
            return replace(parts[0], part=False, flipped=None, lost="a product")
        return None

    def _operate_Sub(self, left: Value, right: Value, nodes: Nodes) -> Value:
        if isinstance(right, Probability) and not right.part and _near_one(left):
            return flip(right).after("1 - it")
        small = isinstance(left, Probability) and self._small(right, nodes[1])
        return left.after("an epsilon") if small else None

    def _operate_Mult(self, left: Value, right: Value, nodes: Nodes) -> Value:
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Probability) and not isinstance(other, Probability):
                return replace(one, part=True)
        return None

    def _operate_Div(self, left: Value, right: Value, nodes: Nodes) -> Value:
        if not isinstance(right, Form) or right.name != "1+exp":
            return None
        same = isinstance(left, Form) and left.name == "exp" and left.of == right.of
        if _near_one(left) or same:
            return Probability("sigmoid", "", line=self.line(nodes[1]))
        return None

    def _operate_Pow(self, left: Value, right: Value, nodes: Nodes) -> Value:
        base = _number(left)
        euler = base is not None and abs(base - E) < 1e-3
        if euler or (isinstance(left, Library) and left.path in ("numpy.e", "math.e")):
            return Form("exp", ast.dump(nodes[1]))
        if isinstance(left, Form) and left.name == "1+exp" and _number(right) == -1:
            return Probability("sigmoid", "", line=self.line(nodes[0]))
        return None

    @staticmethod
    def _small(value: Value, node: ast.AST) -> bool:
        """Return whether something that is added is an epsilon."""
        number = _number(value)
        if number is not None:
            return abs(number) < NEAR_ONE
        return value is None and any(word in ast.unparse(node).lower() for word in EPSILON)
