"""A walk through the statements of a file, its functions and its classes."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import partial, reduce
from itertools import count
from pathlib import Path

from sigmoid_bce.checking import library, modules
from sigmoid_bce.checking.calls import BUILT_BY
from sigmoid_bce.checking.expressions import Expressions
from sigmoid_bce.checking.values import (
    Class,
    Const,
    File,
    Function,
    Items,
    Library,
    Mapping,
    Network,
    Object,
    Probability,
    Scope,
    Value,
    join,
)
from sigmoid_bce.checking.walk import Args, Found, Kwargs

DEEP = 12
"""Calls within calls that are followed."""
OFTEN = 2
"""Times that a function within a function is looked at by itself."""
LOOPED = 20
"""Items of a list that a loop goes through one by one."""
MAIN = ast.dump(ast.parse("__name__ == '__main__'", mode="eval").body)
FOLLOWED = 20_000
"""Expressions to look at, after which no further import is followed."""
Def = ast.FunctionDef | ast.AsyncFunctionDef


class Flow(Expressions):
    """Statements by the kind of their node. Each says whether the block ends there."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: list[Function | Class] = []
        self.seen: Counter[ast.AST] = Counter()
        self.numbers = count()
        self.loaded: dict[Path, Scope] = {}

    def module(self, tree: ast.Module, here: Path = Path()) -> dict[Found, tuple[str, str]]:
        """Walk through a file, then through each of its functions by itself.

        Parameters
        ----------
        tree : ast.Module
        here : Path
            The file, beside which imports are looked for.

        Returns
        -------
        dict
            By finding: what is seen, and the framework.
        """
        self.here = here
        self.run(tree.body)
        self.alone = True
        while self.pending:
            thing = self.pending.pop(0)
            if isinstance(thing, Class):
                self._methods(thing)
            else:
                self.invoke(thing, (), {}, blind=True)
        return self.found

    def _methods(self, of: Class) -> None:
        """Look at the methods of a class, whose arguments are unknown."""
        thing = self.create(of, (), {}, blind=True)
        for name, method in of.methods().items():
            if name != "__init__":
                self.invoke(replace(method, me=thing), (), {}, blind=True)

    # ---- functions and classes ----

    def invoke(self, function: Function, args: Args, named: Kwargs, blind: bool = False) -> Value:
        """Follow a call of a function of the file; blind: with arguments that are unknown."""
        inside = len(self.stack) > (0 if self.long else DEEP)
        if inside or any(f.node is function.node for f in self.stack):
            return None
        outer, self.scope = (
            self.scope,
            Scope(parent=function.scope, function=function, me=function.me),
        )
        self.stack.append(function)
        self._bind(function, args, named, called=not blind)
        if isinstance(function.node, ast.Lambda):
            result = self.value(function.node.body)
        else:
            ended = self.run(function.node.body)
            returns = self.scope.returns
            if returns and not ended:
                returns.append(Const(None))
            result = reduce(join, returns) if returns else Const(None)
            if not isinstance(result, Probability) and self._called_sigmoid(function, args, named):
                result = Probability("sigmoid", "", line=self.line(function.node))
        self.stack.pop()
        self.scope = outer
        return result

    @staticmethod
    def _called_sigmoid(function: Function, args: Args, named: Kwargs) -> bool:
        name = getattr(function.node, "name", "")
        return name in library.OWN_SIGMOIDS and len(args) + len(named) == 1

    def _bind(self, function: Function, args: Args, named: Kwargs, called: bool) -> None:
        """Give the parameters of a function their values; unknown ones if it is not called."""
        parameters, own = function.node.args, self.scope.names
        names = [a.arg for a in (*parameters.posonlyargs, *parameters.args)]
        given = (function.me, *args) if function.me is not None and function.owner else args
        own.update(dict.fromkeys((*names, *(a.arg for a in parameters.kwonlyargs))))
        if called:
            own.update(self._defaults(function, names))
        own.update(zip(names, given, strict=False))
        rest = tuple((Const(n), v) for n, v in named.items() if n not in own)
        own.update({n: v for n, v in named.items() if n in own})
        if parameters.vararg:
            own[parameters.vararg.arg] = Items(tuple(given[len(names) :])) if called else None
        if parameters.kwarg:
            own[parameters.kwarg.arg] = Mapping(rest) if called else None

    def _defaults(self, function: Function, names: list[str]) -> dict[str, Value]:
        parameters = function.node.args
        outer, self.scope = self.scope, function.scope
        defaults = [self.value(d) for d in parameters.defaults]
        others = [self.value(d) for d in parameters.kw_defaults]
        self.scope = outer
        last = names[len(names) - len(defaults) :]
        keywords = (a.arg for a in parameters.kwonlyargs)
        return {
            **dict(zip(last, defaults, strict=True)),
            **dict(zip(keywords, others, strict=True)),
        }

    def create(self, of: Class, args: Args, named: Kwargs, blind: bool = False) -> Value:
        """Return an instance of a class of the file."""
        thing = Object(next(self.numbers), of)
        init = of.find("__init__")
        self.heap[thing.number] = {} if isinstance(init, Function) else dict(named)
        if isinstance(init, Function):
            self.invoke(replace(init, me=thing), args, named, blind)
        for name in BUILT_BY:
            if isinstance(method := of.find(name), Function):
                self.invoke(replace(method, me=thing), (), {}, blind=True)
        return thing

    def _FunctionDef(self, node: Def) -> Value:
        decorators = [self.value(d) for d in node.decorator_list]
        graph = any(
            isinstance(d, Library) and d.path == "tensorflow.function" for d in decorators
        ) or any("tf.function" in ast.unparse(d) for d in node.decorator_list)
        function = Function(node, self.scope, graph=graph)
        self.scope.store(node.name, function)
        self.seen[node] += 1
        if self.seen[node] <= OFTEN and not self.long:
            self.pending.append(function)
        return None

    _AsyncFunctionDef = _FunctionDef

    def _ClassDef(self, node: ast.ClassDef) -> Value:
        bases = tuple(self.value(b) for b in node.bases)
        outer, self.scope = self.scope, Scope(parent=self.scope)
        kept = len(self.pending)
        self.run(node.body)
        names, self.scope = self.scope.names, outer
        del self.pending[kept:]
        of = Class(node, {}, bases)
        for name, value in names.items():
            own = isinstance(value, Function) and value.owner is None
            of.names[name] = replace(value, owner=of, scope=outer) if own else value
        self.scope.store(node.name, of)
        self.seen[node] += 1
        if self.seen[node] <= OFTEN:
            self.pending.append(of)
        return None

    # ---- statements ----

    def run(self, statements: Iterable[ast.stmt]) -> bool:
        """Walk through a block, and return whether it always leaves its function or loop."""
        for statement in statements:
            look = getattr(self, f"_run_{type(statement).__name__}", None)
            if look is None:
                self.value(statement)
            elif look(statement):
                return True
        return False

    def _run_Return(self, node: ast.Return) -> bool:
        self.scope.returns.append(self.value(node.value) if node.value else Const(None))
        return True

    def _run_Raise(self, node: ast.Raise) -> bool:
        self.value(node.exc)
        return True

    def _run_Continue(self, node: ast.stmt) -> bool:
        return True

    _run_Break = _run_Continue

    def _run_Global(self, node: ast.Global) -> bool:
        self.scope.shared.update(node.names)
        return False

    def _imported(self, name: str, level: int) -> Scope | None:
        """Walk through a module of the user's that is imported, and return its names."""
        path = modules.locate(self.here, name, level)
        if path is None or self.steps > FOLLOWED or len(self.loaded) > modules.MANY:
            return None
        if path not in self.loaded:
            self.loaded[path] = Scope()
            if tree := modules.parsed(path):
                outer = self.scope, self.here, self.pending, self.stack
                self.scope, self.here = self.loaded[path], path
                self.pending, self.stack = [], []
                self.run(tree.body)
                self.scope, self.here, self.pending, self.stack = outer
        return self.loaded[path]

    def _run_Import(self, node: ast.Import) -> bool:
        for alias in node.names:
            first = alias.name.split(".")[0]
            path = alias.name if alias.asname else first
            scope = self._imported(path, 0)
            value = File(scope) if scope else Library(library.normal(path))
            self.scope.store(alias.asname or first, value)
        return False

    def _run_ImportFrom(self, node: ast.ImportFrom) -> bool:
        name = node.module or ""
        module = library.normal("." * node.level + name)
        scope = self._imported(name, node.level)
        for alias in node.names:
            if alias.name == "*":
                self.scope.module.stars.insert(0, module)
                self.scope.names.update(scope.names if scope else {})
            elif scope and alias.name in scope.names:
                self.scope.store(alias.asname or alias.name, scope.names[alias.name])
            else:
                inner = self._imported(f"{name}.{alias.name}".lstrip("."), node.level)
                path = library.normal(f"{module}.{alias.name}")
                self.scope.store(
                    alias.asname or alias.name, File(inner) if inner else Library(path)
                )
        return False

    def _run_Assign(self, node: ast.Assign) -> bool:
        value = self.value(node.value)
        for target in node.targets:
            self.store(target, value)
        return False

    def _run_AnnAssign(self, node: ast.AnnAssign) -> bool:
        if node.value is not None:
            self.store(node.target, self.value(node.value))
        return False

    def _run_AugAssign(self, node: ast.AugAssign) -> bool:
        old, new = self.value(node.target), self.value(node.value)
        if isinstance(old, Items) and isinstance(new, Items):
            result: Value = Items((*old.items, *new.items), old.open or new.open)
        else:
            pair = (node.target, node.value)
            result = self.operate(type(node.op).__name__, old, new, pair)
        self.store(node.target, result)
        return False

    def store(self, target: ast.AST, value: Value) -> None:
        """Give the target of an assignment its value."""
        match target:
            case ast.Name():
                self.scope.store(target.id, value)
            case ast.Attribute():
                of = self.value(target.value)
                if isinstance(of, Object):
                    self.heap.setdefault(of.number, {})[target.attr] = value
                else:
                    self._head(target, value)
            case ast.Subscript():
                self._store_item(target, value)
            case ast.Starred():
                self.store(target.value, None)
            case ast.Tuple() | ast.List():
                self._unpack(target.elts, value)

    def _head(self, target: ast.Attribute, value: Value) -> None:
        """Take up the last layers that a network of a library is given."""
        if target.attr in library.HEADS and isinstance(self.end(value, (), target), Probability):
            self.store(target.value, Network("torch", (None, value)))

    def _store_item(self, target: ast.Subscript, value: Value) -> None:
        of, key = self.value(target.value), self.value(target.slice)
        if of == Library("os.environ"):
            self.environment(key, value)
        elif isinstance(of, Mapping) and isinstance(key, Const):
            self.store(target.value, Mapping(tuple({**dict(of.items), key: value}.items())))
        elif isinstance(of, Items | Mapping):
            self.store(target.value, None)
        elif isinstance(target.value, ast.Attribute):
            self._head(target.value, value)

    def _unpack(self, targets: list[ast.expr], value: Value) -> None:
        starred = any(isinstance(t, ast.Starred) for t in targets)
        if isinstance(value, Items) and len(value.items) == len(targets) and not starred:
            values: tuple[Value, ...] = value.items
        else:
            each = value.after("an index") if isinstance(value, Probability) else None
            values = (each,) * len(targets)
        for target, part in zip(targets, values, strict=True):
            self.store(target, part)

    def _run_If(self, node: ast.If) -> bool:
        test = self.value(node.test)
        main = isinstance(node.test, ast.Compare) and ast.dump(node.test) == MAIN
        if isinstance(test, Const) or main:
            yes = not hasattr(node, "file") if main else test.value
            return self.run(node.body if yes else node.orelse)
        return self.branches(partial(self.run, node.body), partial(self.run, node.orelse))

    def _run_For(self, node: ast.For | ast.AsyncFor) -> bool:
        over = self.value(node.iter)
        one_by_one = isinstance(over, Items) and not over.open and len(over.items) <= LOOPED
        for item in over.items if one_by_one else (None,):
            self.store(node.target, item)
            self.run(node.body)
        self.run(node.orelse)
        return False

    _run_AsyncFor = _run_For

    def _run_While(self, node: ast.While) -> bool:
        self.value(node.test)
        self.run(node.body)
        self.run(node.orelse)
        return False

    def _run_With(self, node: ast.With | ast.AsyncWith) -> bool:
        for item in node.items:
            self.value(item.context_expr)
            if item.optional_vars:
                self.store(item.optional_vars, None)
        return self.run(node.body)

    _run_AsyncWith = _run_With

    def _run_Try(self, node: ast.Try) -> bool:
        before = self.snapshot()
        ended = self.run(node.body) or self.run(node.orelse)
        after = self.snapshot()
        if not ended:
            for handler in node.handlers:
                self.restore(before)
                self.run(handler.body)
            self.restore(after)
        elif node.handlers:
            self.restore(before)
            ended = self.branches(*(partial(self.run, h.body) for h in node.handlers))
        return self.run(node.finalbody) or ended

    _run_TryStar = _run_Try

    def _run_Match(self, node: ast.Match) -> bool:
        self.value(node.subject)
        ways = [partial(self.run, case.body) for case in node.cases]
        return self.branches(*ways, lambda: False)
