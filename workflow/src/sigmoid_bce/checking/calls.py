"""What calls of libraries, layers, networks and methods return, and what they reveal."""

from __future__ import annotations

import ast
from dataclasses import replace

from sigmoid_bce.checking import effects, library, parts
from sigmoid_bce.checking.library import framework, last
from sigmoid_bce.checking.values import (
    Class,
    Const,
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
    Value,
    argument,
    join,
)
from sigmoid_bce.checking.walk import Args, Kwargs, Nodes, Walk

CALLED = ("__call__", "forward", "call")
"""The methods that run when an object is called."""
BUILT_BY = ("setup", "build")


class Calls(Walk):
    """Calls by the kind of what is called."""

    def call(self, function: Value, args: Args, named: Kwargs, node: ast.AST) -> Value:
        """Return what is known of a call's result."""
        match function:
            case Library():
                return self._library(function.path, args, named, node)
            case Made():
                return self._apply(function, args, named, node)
            case Function():
                return self.invoke(function, args, named)
            case Class():
                return self.create(function, args, named)
            case Object():
                return self._run(function, args, named)
            case Network():
                return self.end(function, args, node)
            case Method():
                return self._method(function, args, named, node)
        return None

    # ---- functions and classes of libraries ----

    def _library(self, path: str, args: Args, named: Kwargs, node: ast.AST) -> Value:
        name, root = last(path), framework(path)
        if name in library.AROUND:
            return parts.wrapped(name, args)
        if name == "data_parallel":
            return self.call(args[0], args[1:2], {}, node) if args else None
        self._trained(args, named, node)
        if library.is_class(path):
            return self._make(path, args, named, node)
        if self._judge(Made(path), args, named, node) or self._configure(path, args, named):
            return None
        if name in library.SIGMOIDS:
            return self._sigmoid("sigmoid", parts.first(args, named), root, node)
        if name == "softmax":
            return self._sigmoid("softmax", None, root, node)
        if root in library.MATHS or root == "builtins":
            return self._maths(name, root, args, named, node)
        return None

    def _trained(self, args: Args, named: Kwargs, node: ast.AST) -> None:
        """Look at a call that gets a network and a loss, such as that of a library's trainer."""
        given = (*args, *named.values())
        networks = [v for v in given if isinstance(v, Network | Object | Class)]
        losses = [v for v in given if parts.is_loss(v)]
        if len(networks) == len(losses) == 1:
            network, loss = networks[0], losses[0]
            if isinstance(network, Class):
                network = self.create(network, (), {}, blind=True)
            end = self.end(network, (), node)
            keras = library.of_keras(loss.path)
            made = loss if isinstance(loss, Made) else Made(loss.path)
            self._judge(made, (None, end) if keras else (end, None), {}, node)

    def _sigmoid(self, kind: str, of: Value, root: str, node: ast.AST) -> Probability:
        if kind == "sigmoid" and isinstance(of, Probability) and of.kind == kind and not of.part:
            seen = f"a sigmoid of the sigmoid of line {of.line}"
            self.tell(node)("double-sigmoid", seen, "" if root == "keras" else root)
        return Probability(kind, root, line=self.line(node))

    def _maths(self, name: str, root: str, args: Args, named: Kwargs, node: ast.AST) -> Value:
        first, nodes = parts.first(args, named), tuple(getattr(node, "args", ()))
        if name in library.LOGS:
            effects.logarithm(first, root, self.tell(node))
        elif name == "log1p":
            effects.log1p(first, root, self.tell(node))
        elif name == "exp":
            return Form("exp", ast.dump(nodes[0]) if nodes else "")
        elif name in library.ONES:
            return Const(1.0)
        elif name == "reciprocal":
            return self.operate("Div", Const(1.0), first, (node, node))
        elif name == "negative":
            return Form("-", first)
        elif name in library.KEEPS:
            return first
        elif name in library.SHAPES:
            return parts.moved(next((a for a in args if isinstance(a, Probability)), first), name)
        elif len(args) == len(nodes):
            return self._operator(name, args, nodes)
        return None

    def _operator(self, name: str, args: Args, nodes: Nodes) -> Value:
        """Return what a function returns that stands for an operator, or for a choice."""
        if name in library.ARITHMETIC and len(args) == 2:
            return self.operate(library.ARITHMETIC[name], *args, nodes)
        return join(args[1], args[2]) if name in library.WHERE and len(args) == 3 else None

    def _judge(self, loss: Made, args: Args, named: Kwargs, node: ast.AST) -> bool:
        """Look at the arguments of a loss, and return whether it is one."""
        name, root = last(loss.path), framework(loss.path)
        if name in library.KERAS_BCE and root == "keras":
            logits: Value
            if library.is_class(loss.path):
                logits = effects.from_logits(loss)
            else:
                position = library.KERAS_BCE[name]
                logits = argument(args, named, "from_logits", position, Const(False))
            prediction = argument(args, named, "y_pred", 1, named.get("output"))
            tell, traced = self.tell(node), self.traced()
            effects.keras(prediction, name, logits, self.around, tell, traced)
            return True
        if root not in library.TORCHES:
            return False
        if name in library.PLAIN_BCE:
            effects.plain(argument(args, named, "input", 0, None), name, self.tell(node))
            return True
        if place := library.WITH_LOGITS.get(name):
            value = argument(args, named, place.name, place.position, named.get("logit"))
            effects.with_logits(value, name, self.tell(node))
            return True
        return False

    def _configure(self, path: str, args: Args, named: Kwargs) -> bool:
        """Take up a policy of dtypes, or a backend."""
        value = parts.first(args, named)
        text = value.value if isinstance(value, Const) else None
        if last(path) in library.POLICIES and library.of_keras(path):
            self.around.policy = text if isinstance(text, str) else ""
        elif path == "keras.config.set_backend" and isinstance(text, str):
            self.around.backend = text
        elif path in ("os.environ.setdefault", "os.putenv") and len(args) == 2:
            self.environment(args[0], args[1])
        elif path == "os.environ.update":
            more = args[0].items if args and isinstance(args[0], Mapping) else ()
            for name, text in (*more, *((Const(n), v) for n, v in named.items())):
                self.environment(name, text)
        else:
            return False
        return True

    def environment(self, name: Value, value: Value) -> None:
        """Take up an environment variable that chooses Keras's backend."""
        if name == Const("KERAS_BACKEND") and isinstance(value, Const):
            self.around.backend = str(value.value)

    def _make(self, path: str, args: Args, named: Kwargs, node: ast.AST) -> Value:
        name, root = last(path), framework(path)
        if name == "Sequential":
            layers = named.get("layers", args[0] if args else None)
            if root == "keras":
                found = layers.items if isinstance(layers, Items) else ()
                return Network(root, found if found or not (args or named) else (None,))
            return Network(root, parts.in_order(args))
        if name in ("Model", "Functional") and root == "keras":
            outputs = argument(args, named, "outputs", 1, None)
            return Network(root, outputs=outputs, functional=True)
        if name in ("Policy", "DTypePolicy", "Input"):
            return args[0] if args and name != "Input" else None
        made = Made(path, args, tuple(named.items()), self.around.policy, self.line(node))
        if path.startswith("keras.applications."):
            end = self._activate(named.get("classifier_activation"), None, made, node)
            return Network(root, outputs=end, functional=True)
        return made

    # ---- layers ----

    def _apply(self, layer: Made, args: Args, named: Kwargs, node: ast.AST) -> Value:
        name, x = last(layer.path), parts.first(args, named)
        if self._judge(layer, args, named, node):
            return None
        if kind := library.LAYER_SIGMOIDS.get(name):
            found = self._sigmoid(kind, x, framework(layer.path), node)
            return replace(found, half=parts.half(layer), line=layer.line)
        if name in library.LAYER_KEEPS:
            return x
        if name in library.LAYER_SHAPES:
            return parts.moved(x, name)
        if name == "TimeDistributed" and layer.args:
            return parts.moved(self.call(layer.args[0], args, {}, node), name)
        if name == "Lambda":
            inner = layer.get("function", 0)
            value = self.call(inner, args, {}, node)
            return value if isinstance(inner, Function | Library) else parts.moved(x, name)
        if name == "Activation":
            return self._activate(layer.get("activation", 0), x, layer, node)
        if framework(layer.path) in library.ZOOS and layer.get("activation") == Const("sigmoid"):
            return Probability("sigmoid", "torch", line=layer.line)
        if library.of_keras(layer.path) and name not in library.RECURRENT:
            activation = layer.get("activation", 1 if name == "Dense" else -1)
            return self._activate(activation, None, layer, node)
        return None

    def _activate(self, activation: Value, x: Value, layer: Made, node: ast.AST) -> Value:
        """Return the output of a layer that ends in an activation."""
        if isinstance(activation, Const):
            if activation.value in (None, "linear"):
                return x
            if activation.value not in ("sigmoid", "softmax"):
                return None
            value: Value = self._sigmoid(str(activation.value), x, "keras", node)
        else:
            value = self.call(activation, (x,), {}, node) if activation else None
        if not isinstance(value, Probability):
            return None
        label = layer.get("name")
        label = str(label.value) if isinstance(label, Const) else ""
        return replace(value, half=parts.half(layer), layer=label, line=layer.line or value.line)

    # ---- networks ----

    def end(self, network: Value, args: Args, node: ast.AST) -> Value:
        """Return the output of a network."""
        if isinstance(network, Object):
            return self._run(network, args or (None,), {})
        if not isinstance(network, Network) or network.functional:
            return network.outputs if isinstance(network, Network) else None
        x = args[0] if args else None
        for layer in network.layers:
            x = self.call(layer, (x,), {}, node)
        return x

    def _run(self, thing: Object, args: Args, named: Kwargs) -> Value:
        for name in CALLED:
            if isinstance(method := thing.of.find(name), Function):
                return self.invoke(replace(method, me=thing), args, named)
        return None

    def _compile(self, network: Value, args: Args, named: Kwargs, node: ast.AST) -> None:
        loss = argument(args, named, "loss", 1, None)
        if loss is not None:
            self.compiled(self.end(network, (), node), loss, node)

    def compiled(self, end: Value, loss: Value, node: ast.AST) -> None:
        """Look at the outputs of a network and the losses that are compiled in."""
        for output, part in parts.pairs(end, loss):
            if isinstance(output, Items | Mapping) or isinstance(part, Items | Mapping):
                self.compiled(output, part, node)
            elif (name := effects.loss_name(part)) in library.KERAS_BCE:
                logits = effects.from_logits(part)
                effects.keras(output, name, logits, self.around, self.tell(node), True)
            elif isinstance(part, Function | Object):
                self.call(part, (None, output), {}, node)

    # ---- methods ----

    def _method(self, method: Method, args: Args, named: Kwargs, node: ast.AST) -> Value:
        of, name = method.of, method.name
        if name in library.AROUND and not isinstance(of, Network | Object):
            return parts.wrapped(name, args)
        match of:
            case Probability():
                return self._of_probability(of, name, args, node)
            case Network() | Object():
                return self._of_network(of, name, args, named, node)
            case Made():
                if name in (*CALLED, "update_state"):
                    return self._apply(of, args, named, node)
                return of if name in library.NET_METHODS else None
            case Items() | Mapping():
                return self._of_container(of, name, args, node)
        if name == "apply" and isinstance(of, Function):  # of what Haiku transforms
            return self.call(of, args[1:], named, node)
        if name == "reciprocal":
            return self.operate("Div", Const(1.0), of, (node, node))
        if name == "exp" and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return Form("exp", ast.dump(node.func.value))
        return self._of_unknown(of, name, args, node)

    def _of_unknown(self, of: Value, name: str, args: Args, node: ast.AST) -> Value:
        if name in library.SIGMOIDS:
            return self._sigmoid("sigmoid", args[0] if args else None, "torch", node)
        if name == "softmax":
            return self._sigmoid("softmax", None, "torch", node)
        if name in ("predict", "predict_on_batch"):
            line = self.line(node)
            return Probability("prediction", "", lost="predict()", line=line)
        keeps = name in library.SHAPES and isinstance(of, Const | Form)
        return of if keeps else None

    def _of_probability(self, of: Probability, name: str, args: Args, node: ast.AST) -> Value:
        if name in library.LOGS:
            effects.logarithm(of, of.source, self.tell(node))
        elif name in library.SIGMOIDS:
            return self._sigmoid("sigmoid", of, of.source, node)
        elif name == "neg":
            return Form("-", of)
        elif name.rstrip("_") in library.ARITHMETIC and args:
            nodes = (node, *getattr(node, "args", ()))
            return self.operate(library.ARITHMETIC[name.rstrip("_")], of, args[0], nodes)
        elif name in library.SHAPES:
            return parts.moved(of, f"{name}()")
        return None

    def _of_network(
        self, of: Network | Object, name: str, args: Args, named: Kwargs, node: ast.AST
    ) -> Value:
        if name in ("add", "append", "add_module") and isinstance(of, Network):
            self._rebind(node, replace(of, layers=(*of.layers, *args[-1:])))
        elif name == "pop" and isinstance(of, Network):
            self._rebind(node, replace(of, layers=of.layers[:-1]))
        elif name == "compile":
            self._compile(of, args, named, node)
        elif name in library.PREDICTS:
            return parts.moved(self.end(of, (), node), "predict()")
        elif name in CALLED:
            return self.end(of, args, node)
        elif name == "apply" and isinstance(of, Object):
            return self._run(of, args[1:] or (None,), {})
        elif name in library.NET_METHODS:
            return of
        elif isinstance(of, Object) and name in library.SIGMOIDS | {"softmax"}:
            return self._of_unknown(None, name, args, node)
        return None

    def _of_container(self, of: Items | Mapping, name: str, args: Args, node: ast.AST) -> Value:
        if isinstance(of, Mapping):
            found = dict(of.items).get(args[0]) if name in ("get", "pop") and args else None
            return of if name == "copy" else found
        if name == "append":
            self._rebind(node, Items((*of.items, *args[:1]), of.open))
        elif name == "extend":
            more = args[0].items if args and isinstance(args[0], Items) else (None,)
            self._rebind(node, Items((*of.items, *more), True))
        elif name in ("insert", "pop", "remove", "clear", "reverse", "sort"):
            self._rebind(node, None)
        return None

    def _rebind(self, node: ast.AST, value: Value) -> None:
        """Give the variable whose method is called a new value."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            self.store(node.func.value, value)
