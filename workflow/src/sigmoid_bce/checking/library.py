"""The names of libraries: which function is a sigmoid, which a loss, which keeps its values."""

from __future__ import annotations

from typing import NamedTuple

ALIASES = (
    ("tensorflow.compat.v1", "tensorflow"),
    ("tensorflow.compat.v2", "tensorflow"),
    ("tensorflow.python.keras", "keras"),
    ("tensorflow.contrib.keras", "keras"),
    ("tensorflow.keras", "keras"),
    ("keras.api._v2.keras", "keras"),
    ("keras.api", "keras"),
    ("keras.src", "keras"),
    ("keras_core", "keras"),
    ("tf_keras", "keras"),
)
"""The beginnings of names, and what else they are called."""

USUAL = {
    "np": "numpy",
    "numpy": "numpy",
    "jnp": "jax.numpy",
    "jax": "jax",
    "optax": "optax",
    "math": "math",
    "torch": "torch",
    "nn": "torch.nn",
    "F": "torch.nn.functional",
    "tf": "tensorflow",
    "keras": "keras",
    "layers": "keras.layers",
    "K": "keras.backend",
    "os": "os",
}
"""What names mean that a notebook or a snippet uses without an import."""

MATHS = {
    "numpy",
    "jax",
    "torch",
    "tensorflow",
    "keras",
    "math",
    "cmath",
    "scipy",
    "mlx",
    "cupy",
    "autograd",
    "paddle",
    "theano",
    "pytensor",
}
"""Libraries whose `log` is a logarithm."""

SIGMOIDS = {"sigmoid", "expit", "sigmoid_"}
OWN_SIGMOIDS = SIGMOIDS | {"_sigmoid", "stable_sigmoid", "_expit", "sigmoid_fn", "sigmoid_function"}
"""Functions of the user's with such a name are believed to be one."""
LOGS = {"log", "log2", "log10", "log_"}
ONES = {"ones_like", "ones"}
KEEPS = {"identity", "convert_to_tensor", "cast", "deepcopy", "copy"}
"""Functions that keep their argument's values, and Keras's logits with them."""
SHAPES = {
    *("reshape", "squeeze", "ravel", "flatten", "expand_dims", "unsqueeze", "transpose"),
    *("permute", "view", "broadcast_to", "atleast_1d", "swapaxes", "moveaxis", "split"),
    *("clip", "clamp", "clamp_", "clip_", "clip_by_value", "maximum", "minimum", "nan_to_num"),
    *("cat", "concat", "concatenate", "stack", "hstack", "vstack", "gather", "boolean_mask"),
    *("asarray", "array", "tensor", "as_tensor", "from_numpy", "constant", "convert_to_numpy"),
    *("stop_gradient", "float32", "float64", "masked_select", "take", "index_select"),
    *("float", "double", "half", "bfloat16", "to", "type", "astype", "cpu", "cuda", "detach"),
    *("numpy", "contiguous", "clone", "item", "tolist", "type_as", "view_as", "reshape_as"),
    *("block_until_ready", "eval", "unbind", "ravel_", "squeeze_", "unsqueeze_", "repeat"),
    *("expand", "clamp_min", "clamp_max", "requires_grad_", "masked_fill", "get", "values"),
    *("device_get", "device_put", "gather_for_metrics", "all_gather", "to_numpy", "T"),
}
"""Functions and methods that keep their first argument's values, or put them elsewhere."""
AROUND = {
    *("DataParallel", "DistributedDataParallel", "compile", "script", "jit", "pjit", "vmap"),
    *("pmap", "function", "checkpoint", "remat", "prepare", "setup", "trace", "deepcopy"),
    *("weight_norm", "spectral_norm", "filter_jit", "filter_vmap", "clone_model", "nnx_jit"),
    *(
        "get_peft_model",
        "wrap",
        "Variable",
        "ModuleList",
        "ModuleDict",
        "transform",
        "without_apply_rng",
        "OrderedDict",
        "list",
        "tuple",
    ),
}
"""Functions around a model or a function that leave its values as they are."""
NET_METHODS = {
    *("to", "cuda", "cpu", "eval", "train", "float", "double", "half", "requires_grad_", "module"),
    *("share_memory", "bfloat16", "xpu", "mps", "type", "apply_", "zero_grad"),
}
"""Methods of a network that return the network."""
ARITHMETIC = {
    **dict.fromkeys(("add",), "Add"),
    **dict.fromkeys(("subtract", "sub"), "Sub"),
    **dict.fromkeys(("multiply", "mul"), "Mult"),
    **dict.fromkeys(("divide", "div", "truediv", "true_divide"), "Div"),
    **dict.fromkeys(("pow", "power", "float_power"), "Pow"),
}
"""Functions that are an operator."""
WHERE = {"where", "switch", "cond"}

TORCHES = {"torch", "paddle", "oneflow", "jittor", "torchvision", "tensorflow", "jax"}
"""Libraries whose losses are known by their names."""
ZOOS = {"segmentation_models_pytorch", "timm"}
"""Libraries of PyTorch's networks that may be asked to end in a sigmoid."""
HEADS = {"fc", "_fc", "classifier", "head", "last_linear", "heads"}
"""Attributes of networks of libraries that hold their last layers."""
PLAIN_BCE = {"BCELoss", "binary_cross_entropy"}
"""Losses of PyTorch and Paddle that take probabilities first."""


class Place(NamedTuple):
    """Where a loss takes its raw outputs."""

    name: str
    position: int


WITH_LOGITS = {
    "BCEWithLogitsLoss": Place("input", 0),
    "MultiLabelSoftMarginLoss": Place("input", 0),
    "binary_cross_entropy_with_logits": Place("input", 0),
    "multilabel_soft_margin_loss": Place("input", 0),
    "sigmoid_binary_cross_entropy": Place("logits", 0),
    "sigmoid_focal_loss": Place("inputs", 0),
    "sigmoid_cross_entropy_with_logits": Place("logits", 1),
    "weighted_cross_entropy_with_logits": Place("logits", 1),
    "sigmoid_cross_entropy": Place("logits", 1),
}
"""Losses that apply their own sigmoid."""

KERAS_BCE = {
    "BinaryCrossentropy": 0,
    "BinaryFocalCrossentropy": 4,
    "binary_crossentropy": 2,
    "binary_focal_crossentropy": 5,
}
"""Keras's losses, and the position of `from_logits`."""
KERAS_TEXTS = {
    "binary_crossentropy": "binary_crossentropy",
    "BinaryCrossentropy": "binary_crossentropy",
    "bce": "binary_crossentropy",
    "BCE": "binary_crossentropy",
    "binary_focal_crossentropy": "binary_focal_crossentropy",
    "BinaryFocalCrossentropy": "binary_focal_crossentropy",
}
"""The texts that Keras takes for a loss."""

LAYER_SIGMOIDS = {"Sigmoid": "sigmoid", "Softmax": "softmax", "Softmax2d": "softmax"}
LAYER_KEEPS = {"Identity", "ActivityRegularization", "InputLayer", "Masking"}
LAYER_SHAPES = {
    *("Reshape", "Flatten", "Permute", "Concatenate", "RepeatVector", "UpSampling1D"),
    *("UpSampling2D", "UpSampling3D", "Cropping1D", "Cropping2D", "Cropping3D", "Unflatten"),
    *("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D", "MaxPooling1D"),
    *("MaxPooling2D", "GlobalMaxPool1D", "GlobalMaxPool2D", "MaxPool1D", "MaxPool2D"),
    *("Squeeze", "Rearrange", "Maximum", "ZeroPadding1D", "ZeroPadding2D", "Dropout"),
}
"""Layers that keep values, in another shape."""
RECURRENT = {"LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"}
"""Layers whose `activation` is not the last thing that they do."""

POLICIES = {
    *(
        "set_global_policy",
        "set_dtype_policy",
        "set_policy",
        "set_floatx",
        "set_global_dtype_policy",
    )
}
OTHER_BACKENDS = {"jax", "torch", "numpy", "openvino"}
PREDICTS = {"predict", "predict_on_batch", "predict_proba"}


def normal(path: str) -> str:
    """Return the name of a library's object, whichever way it is imported.

    Examples
    --------
    >>> normal("tensorflow.keras.layers.Dense"), normal("tensorflow.nn.sigmoid")
    ('keras.layers.Dense', 'tensorflow.nn.sigmoid')
    """
    for beginning, name in ALIASES:
        if path == beginning or path.startswith(f"{beginning}."):
            return name + path[len(beginning) :]
    return path


def framework(path: str) -> str:
    """Return the library of a name: its first part.

    Examples
    --------
    >>> framework("torch.nn.Sigmoid"), framework("flax.linen.sigmoid")
    ('torch', 'jax')
    """
    first = path.split(".")[0]
    return {"flax": "jax", "optax": "jax", "haiku": "jax", "equinox": "jax"}.get(first, first)


def last(path: str) -> str:
    """Return the last part of a name."""
    return path.rsplit(".", 1)[-1]


def is_class(path: str) -> bool:
    """Return whether a name is that of a class, by its first letter."""
    return last(path)[:1].isupper()


def of_keras(path: str) -> bool:
    """Return whether a name is of Keras."""
    return framework(path) == "keras"
