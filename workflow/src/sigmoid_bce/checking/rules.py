"""What the checker looks for: a rule is an entry of `RULES`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Rule(NamedTuple):
    """A kind of finding.

    Attributes
    ----------
    sees : str
        What it finds.
    why : str
        The harm.
    instead : dict of str
        What to write, by framework; "" is for all others.
    """

    sees: str
    why: str
    instead: dict[str, str]


_LOGITS = "end in Dense(1), without an activation, and use BinaryCrossentropy(from_logits=True)"
_CLIP = (
    "Keras then clips the sigmoid: from a raw output of about 16 on, the loss of a misclassified "
    "sample stays at 16 and its gradient is 0"
)

RULES = {
    "log-sigmoid": Rule(
        "the logarithm of a sigmoid",
        "in float32 the sigmoid is 0 below about -88: the loss of a misclassified sample of label "
        "1 is inf, or stops at an epsilon or clip, and its gradient is nan or 0",
        {
            "torch": "torch.nn.functional.logsigmoid(x)",
            "tensorflow": "tf.math.log_sigmoid(x)",
            "keras": "keras.ops.log_sigmoid(x)",
            "jax": "jax.nn.log_sigmoid(x)",
            "": "scipy.special.log_expit(x), or -np.logaddexp(0, -x)",
        },
    ),
    "log-one-minus-sigmoid": Rule(
        "the logarithm of 1 - sigmoid",
        "in float32 1 - sigmoid(x) loses its digits from 10 on and is exactly 0 from 16.6 on: the "
        "loss of a misclassified sample of label 0 is inf, or stops at an epsilon or clip, and its "
        "gradient is nan or 0",
        {
            "torch": "torch.nn.functional.logsigmoid(-x)",
            "tensorflow": "tf.math.log_sigmoid(-x)",
            "keras": "keras.ops.log_sigmoid(-x)",
            "jax": "jax.nn.log_sigmoid(-x)",
            "": "scipy.special.log_expit(-x), or -np.logaddexp(0, x)",
        },
    ),
    "bce-after-sigmoid": Rule(
        "PyTorch's BCELoss, or binary_cross_entropy, of a sigmoid",
        "a misclassified sample of label 0 has a loss of 100 and a gradient of 0 from a raw output "
        "of 16.6 on; one of label 1 loses its gradient from -27.6 on, and has none below -88",
        {"": "leave out the sigmoid and use BCEWithLogitsLoss (binary_cross_entropy_with_logits)"},
    ),
    "keras-lost-logits": Rule(
        "a sigmoid from whose output Keras cannot recover the logits: a Reshape, an index, a "
        "Concatenate or the like is between",
        _CLIP,
        {"": f"{_LOGITS}; or make the sigmoid the very last operation"},
    ),
    "keras-mixed-precision": Rule(
        "a sigmoid in half precision before Keras's BinaryCrossentropy",
        "the gradient of a misclassified sample is 0 from a raw output of 5.6 (bfloat16) or 7.6 "
        "(float16) on, though the loss is in float32",
        {
            "": "end in Dense(1, dtype='float32') and use BinaryCrossentropy(from_logits=True); or "
            "end in Dense(1), then Activation('sigmoid', dtype='float32')"
        },
    ),
    "keras-other-backend": Rule(
        "Keras's sigmoid and BinaryCrossentropy on the backend JAX, PyTorch or NumPy",
        f"only on TensorFlow does Keras recover the logits. {_CLIP}",
        {"": _LOGITS},
    ),
    "keras-loss-on-predict": Rule(
        "Keras's BinaryCrossentropy of what predict() returned, or of an array",
        "the array has lost its logits, and Keras clips it: the loss of a misclassified sample "
        "stays at 16, so that the mean is too small",
        {"": "model.evaluate(x, y), or a model that returns logits, and from_logits=True"},
    ),
    "softmax-bce": Rule(
        "binary cross-entropy of a softmax",
        "the loss takes each output for that of a sigmoid; Keras on TensorFlow even takes the "
        "softmax's logits for a sigmoid's, and every loss is wrong",
        {
            "torch": "CrossEntropyLoss of the raw outputs; for several labels a sample, "
            "BCEWithLogitsLoss of the raw outputs",
            "": "CategoricalCrossentropy for one class a sample; for two classes or several labels "
            "a sample, Dense without an activation and BinaryCrossentropy(from_logits=True)",
        },
    ),
    "double-sigmoid": Rule(
        "a sigmoid of a sigmoid: the loss, or a layer, applies its own",
        "the second sigmoid sees values from 0 to 1, so that its outputs stay between 0.5 and "
        "0.73 and the network cannot be sure of label 0",
        {
            "keras": "leave out the sigmoid, and keep from_logits=True. (Keras on TensorFlow takes "
            "it off again with a warning, if nothing is between; no other backend does)",
            "": "leave out the first sigmoid: the loss takes raw outputs",
        },
    ),
}


@dataclass(frozen=True)
class Finding:
    """A place that should be changed.

    Attributes
    ----------
    file : str
    line : int
        From 1; 0 for a saved model. In a notebook: the line in its cell.
    rule : str
        A key of `RULES`.
    seen : str
        What is there.
    why : str
        The harm.
    instead : str
        What to write.
    cell : int
        The notebook's cell, from 1; 0 elsewhere.
    """

    file: str
    line: int
    rule: str
    seen: str = ""
    why: str = ""
    instead: str = ""
    cell: int = 0

    @property
    def place(self) -> str:
        """File, cell and line, as editors read them."""
        cell = f"cell {self.cell}:" if self.cell else ""
        return f"{self.file}:{cell}{self.line}" if self.line else self.file

    def __str__(self) -> str:
        return (
            f"{self.place}: {self.rule}: {self.seen}\n"
            f"    why: {self.why}\n    instead: {self.instead}"
        )


def instead(rule: str, framework: str) -> str:
    """Return what to write instead, in the words of a framework.

    Examples
    --------
    >>> instead("log-sigmoid", "torch")
    'torch.nn.functional.logsigmoid(x)'
    """
    texts = RULES[rule].instead
    return texts.get(framework, texts[""])
