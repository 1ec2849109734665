"""How users write what the record measures: names of losses, and the code of each."""

from __future__ import annotations

from typing import NamedTuple


class Written(NamedTuple):
    """How one implementation is written.

    Parameters
    ----------
    code : str
        The lines of a user's program that choose it, with x a raw output and y its label.
    names : tuple of str
        Further names by which users know it.
    of : str
        What else trains with it.
    instead : str
        The same from raw outputs, where no other program of the framework shows it.
    """

    code: str
    names: tuple[str, ...] = ()
    of: str = ""
    instead: str = ""


def _keras(package: str, softmax: bool = False) -> dict[str, Written]:
    """Return the programs of a Keras."""
    from_sigmoid = f"model.compile(loss={package}.losses.BinaryCrossentropy())"
    from_logits = f"model.compile(loss={package}.losses.BinaryCrossentropy(from_logits=True))"
    dense = f"{package}.layers.Dense(1)"
    ends = f'{package}.layers.Dense(1, activation="sigmoid")'
    reshape = f"{ends}\n{package}.layers.Reshape((1,))"
    written = {
        "Dense(1, sigmoid), BinaryCrossentropy()": Written(
            f"{ends}\n{from_sigmoid}",
            ("binary_crossentropy", "BinaryCrossentropy", "Dense(1, activation=sigmoid)"),
        ),
        "Dense(1, sigmoid), Reshape, BinaryCrossentropy()": Written(
            f"{reshape}\n{from_sigmoid}",
            ("Reshape", "Flatten"),
            instead=f"{dense}\n{package}.layers.Reshape((1,))\n{from_logits}",
        ),
        "Dense(1), sigmoid in float32, BinaryCrossentropy()": Written(
            f'{dense}\n{package}.layers.Activation("sigmoid", dtype="float32")\n{from_sigmoid}',
            ("Activation(sigmoid, dtype=float32)",),
        ),
        "Dense(1), BinaryCrossentropy(from_logits=True)": Written(
            f"{dense}\n{from_logits}",
            ("from_logits=True", "binary_crossentropy(from_logits=True)", "logits"),
        ),
    }
    if softmax:
        written["Dense(2, softmax), BinaryCrossentropy()"] = Written(
            f'{package}.layers.Dense(2, activation="softmax")\n{from_sigmoid}', ("softmax",)
        )
        written["Dense(1, sigmoid) twice, Concatenate, BinaryCrossentropy()"] = Written(
            f"heads = [{ends}(h) for _ in range(2)]\n{package}.layers.Concatenate()(heads)\n"
            f"{from_sigmoid}",
            ("Concatenate",),
            instead=f"heads = [{dense}(h) for _ in range(2)]\n"
            f"{package}.layers.Concatenate()(heads)\n{from_logits}",
        )
    half = f"model.compile(loss={package}.losses.BinaryCrossentropy(dtype=half))"
    written["Dense(1, sigmoid), Reshape, BinaryCrossentropy(dtype=half)"] = Written(
        f"{reshape}\n{half}",
        ("BinaryCrossentropy(dtype=",),
        instead=f"{dense}\n{package}.layers.Reshape((1,))\n{from_logits}",
    )
    return written


BOOSTED = "{}\nnp.logaddexp(0, (1 - 2 * y) * {}).mean()"
"""The mean loss from the raw outputs of a model that displays only its own metric."""


def _served(run: str) -> dict[str, Written]:
    """Return the programs of a runtime that serves networks, which `run` calls."""
    graph, instead = f"loss = {run}", BOOSTED.format(f"x = {run}", "x")
    outside = f"p = {run}\nnp.where(y == 1, -np.log(p), -np.log(1 - p)).mean()"
    return {
        "sigmoid, log loss outside in float64": Written(
            outside, ("sigmoid", "probabilities", "log_loss"), instead=instead
        ),
        "softplus((1 - 2 y) x)": Written(graph, ("softplus",), instead=instead),
        "LogSigmoid((2 y - 1) x)": Written(graph, ("LogSigmoid",), instead=instead),
        "loss from logits in the graph": Written(graph, ("logits",), instead=instead),
        "sigmoid, clip at 1e-7, log in the graph": Written(graph, ("clip",), instead=instead),
    }


TORCH_SIGMOID = "model = torch.nn.Sequential(layers, torch.nn.Sigmoid())"
TORCH_RAW = "model = torch.nn.Sequential(layers)"

WRITTEN: dict[str, dict[str, Written]] = {
    "CatBoost": {
        f"metric {name}": Written(
            f'catboost.CatBoostClassifier(eval_metric="{name}")',
            (name,),
            instead=BOOSTED.format("m = model.predict(X, prediction_type='RawFormulaVal')", "m"),
        )
        for name in ("Logloss", "CrossEntropy")
    },
    "JAX": {
        "optax.sigmoid_binary_cross_entropy": Written("optax.sigmoid_binary_cross_entropy(x, y)"),
        "softplus(x) - x y": Written("jax.nn.softplus(x) - x * y", ("softplus",)),
        "plain formula, from the sigmoid": Written(
            "p = jax.nn.sigmoid(x)\n-(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))",
            ("log(p)", "log(sigmoid(x))"),
        ),
    },
    "Keras on JAX": _keras("keras"),
    "Keras on NumPy": {
        name: entry._replace(instead="np.logaddexp(0, (1 - 2 * y) * x).mean()")
        for name, entry in _keras("keras").items()
    },
    "Keras on TensorFlow": _keras("keras", softmax=True),
    "Keras on PyTorch": _keras("keras"),
    "Keras 2": _keras("tf_keras"),
    "LightGBM": {
        "metric binary_logloss": Written(
            'lightgbm.train({"metric": "binary_logloss"}, data)',
            ("binary_logloss", "binary", "logloss"),
            instead=BOOSTED.format("s = booster.predict(X, raw_score=True)", "s"),
        ),
        "metric cross_entropy": Written(
            'lightgbm.train({"metric": "cross_entropy"}, data)',
            ("cross_entropy", "xentropy"),
            instead=BOOSTED.format("s = booster.predict(X, raw_score=True)", "s"),
        ),
    },
    "LiteRT": _served("interpreter.get_tensor(output)"),
    "MLX": {
        "logaddexp((1 - 2 y) x, 0)": Written("mx.logaddexp((1 - 2 * y) * x, 0)", ("logaddexp",)),
        "binary_cross_entropy(x, y)": Written(
            "nn.losses.binary_cross_entropy(x, y)", ("binary_cross_entropy", "logits")
        ),
        "binary_cross_entropy(sigmoid(x), y, with_logits=False)": Written(
            "nn.losses.binary_cross_entropy(mx.sigmoid(x), y, with_logits=False)",
            ("with_logits=False",),
        ),
    },
    "NumPy": {
        "stable formula": Written("np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))"),
        "logaddexp(0, x) - x * y": Written("np.logaddexp(0, x) - x * y", ("logaddexp",)),
        "plain formula, from the sigmoid": Written(
            "p = 1 / (1 + np.exp(-x))\n-(y * np.log(p) + (1 - y) * np.log(1 - p))",
            ("log(p)", "log(sigmoid(x))"),
        ),
    },
    "ONNX Runtime": {
        **_served("session.run(None, inputs)[0]"),
        "BCEWithLogitsLoss, torch.onnx.export": Written(
            "loss = session.run(None, inputs)[0]",
            ("BCEWithLogitsLoss", "torch.onnx.export"),
            instead=BOOSTED.format("x = session.run(None, inputs)[0]", "x"),
        ),
    },
    "OpenVINO": _served("compiled_model(inputs)[0]"),
    "PaddlePaddle": {
        "logaddexp((1 - 2 y) x, 0)": Written(
            "z = (1 - 2 * y) * x\npaddle.logaddexp(z, paddle.zeros_like(z)).mean()",
            ("logaddexp",),
        ),
        "binary_cross_entropy_with_logits": Written(
            "paddle.nn.functional.binary_cross_entropy_with_logits(x, y)", ("BCEWithLogitsLoss",)
        ),
        "softplus((1 - 2 y) x)": Written(
            "paddle.nn.functional.softplus((1 - 2 * y) * x).mean()", ("softplus",)
        ),
        "binary_cross_entropy(sigmoid(x), y)": Written(
            "paddle.nn.functional.binary_cross_entropy(paddle.nn.functional.sigmoid(x), y)",
            ("BCELoss", "binary_cross_entropy"),
        ),
    },
    "scikit-learn": {
        "log_loss(y, p)": Written(
            "sklearn.metrics.log_loss(y, model.predict_proba(X)[:, 1])",
            ("log_loss", "neg_log_loss"),
            instead=BOOSTED.format("x = model.decision_function(X)", "x"),
        ),
        "HalfBinomialLoss()": Written(
            "model.fit(X, y)",
            (
                "LogisticRegression",
                "LogisticRegressionCV",
                "HistGradientBoostingClassifier",
                "GradientBoostingClassifier",
            ),
            "LogisticRegression and the gradient boosting classifiers",
        ),
    },
    "SciPy": {
        "log_expit": Written("-(y * log_expit(x) + (1 - y) * log_expit(-x))"),
        "xlogy, xlog1py of expit": Written(
            "p = expit(x)\n-(xlogy(y, p) + xlog1py(1 - y, -p))",
            ("xlogy", "xlog1py", "expit"),
            instead="-(y * log_expit(x) + (1 - y) * log_expit(-x))",
        ),
    },
    "TensorFlow": {
        "sigmoid_cross_entropy_with_logits": Written(
            "tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=x)"
        ),
    },
    "PyTorch": {
        "BCEWithLogitsLoss()": Written(
            f"{TORCH_RAW}\ncriterion = torch.nn.BCEWithLogitsLoss()",
            ("binary_cross_entropy_with_logits", "BCEWithLogits"),
        ),
        "softplus((1 - 2 y) x)": Written(
            f"{TORCH_RAW}\nloss = torch.nn.functional.softplus((1 - 2 * y) * model(inputs)).mean()",
            ("softplus",),
        ),
        "BCELoss() after sigmoid": Written(
            f"{TORCH_SIGMOID}\ncriterion = torch.nn.BCELoss()",
            ("BCELoss", "binary_cross_entropy"),
        ),
        "autocast: Linear(), BCEWithLogitsLoss()": Written(
            f'with torch.autocast("cpu", torch.bfloat16):\n    {TORCH_RAW}\n'
            "loss = torch.nn.BCEWithLogitsLoss()(x, y)"
        ),
        "autocast: BCELoss() of float after sigmoid": Written(
            f'with torch.autocast("cpu", torch.bfloat16):\n    {TORCH_SIGMOID}\n'
            "loss = torch.nn.BCELoss()(p.float(), y)"
        ),
    },
    "kornia": {
        "binary_focal_loss_with_logits(alpha=None, gamma=0)": Written(
            "kornia.losses.binary_focal_loss_with_logits(x, y, alpha=None, gamma=0.0)",
            ("binary_focal_loss_with_logits", "BinaryFocalLossWithLogits", "focal"),
        ),
    },
    "timm": {
        "BinaryCrossEntropy(smoothing=0)": Written(
            "timm.loss.BinaryCrossEntropy(smoothing=0)", ("BinaryCrossEntropy",)
        ),
        "AsymmetricLossMultiLabel(0, 0, clip=0)": Written(
            "timm.loss.AsymmetricLossMultiLabel(0, 0, clip=0)",
            ("AsymmetricLossMultiLabel", "asl"),
        ),
    },
    "torchvision": {
        "sigmoid_focal_loss(alpha=-1, gamma=0)": Written(
            "torchvision.ops.sigmoid_focal_loss(x, y, alpha=-1, gamma=0)",
            ("sigmoid_focal_loss", "focal"),
            instead="torch.nn.BCEWithLogitsLoss()(x, y)",
        ),
    },
    "TensorFlow.js": {
        "tf.softplus((1 - 2 y) x)": Written(
            "tf.softplus(tf.mul(tf.sub(1, tf.mul(2, y)), x))", ("softplus",)
        ),
        "tf.losses.sigmoidCrossEntropy(y, x)": Written(
            "tf.losses.sigmoidCrossEntropy(y, x)", ("sigmoidCrossEntropy", "logits")
        ),
        "tf.losses.logLoss(y, tf.sigmoid(x))": Written(
            "tf.losses.logLoss(y, tf.sigmoid(x))", ("logLoss",)
        ),
        "sigmoid, log loss outside in float64": Written(
            "p = tf.sigmoid(x)",
            ("probabilities", "log_loss"),
            instead="tf.softplus(tf.mul(tf.sub(1, tf.mul(2, y)), x))",
        ),
    },
    "XGBoost": {
        "metric logloss": Written(
            'xgboost.train({"eval_metric": "logloss"}, data)',
            ("logloss", "binary:logistic", "eval_metric=logloss"),
            instead=BOOSTED.format("m = booster.predict(data, output_margin=True)", "m"),
        ),
    },
}
"""By framework and implementation, as the record calls them. Of losses that are equally right, the
first is advised."""

USUAL_PRECISION = {
    "CatBoost": "float64",
    "LightGBM": "float64",
    "NumPy": "float64",
    "SciPy": "float64",
    "scikit-learn": "float64",
}
"""The precision in which a framework is used unless its user asks for another; else float32."""

ALIASES = {
    "tf": "TensorFlow",
    "tf.keras": "Keras on TensorFlow",
    "tensorflow.keras": "Keras on TensorFlow",
    "tfkeras": "Keras 2",
    "keras2": "Keras 2",
    "keras3": "keras",
    "sklearn": "scikit-learn",
    "torch": "PyTorch",
    "lightning": "PyTorch",
    "pytorchlightning": "PyTorch",
    "torchlightning": "PyTorch",
    "transformers": "PyTorch",
    "huggingface": "PyTorch",
    "fastai": "PyTorch",
    "skorch": "PyTorch",
    "optax": "JAX",
    "flax": "JAX",
    "haiku": "JAX",
    "equinox": "JAX",
    "xgb": "XGBoost",
    "xgbclassifier": "XGBoost",
    "lgbmclassifier": "LightGBM",
    "lgb": "LightGBM",
    "lgbm": "LightGBM",
    "np": "NumPy",
    "paddle": "PaddlePaddle",
    "catboostclassifier": "CatBoost",
    "ort": "ONNX Runtime",
    "onnx": "ONNX Runtime",
    "tflite": "LiteRT",
    "tensorflowlite": "LiteRT",
    "tfjs": "TensorFlow.js",
    "tensorflowjs": "TensorFlow.js",
}
"""Other names of frameworks, and libraries that call a framework's losses."""

DTYPES = {
    "float16": ("half", "fp16", "f16", "mixedfloat16", "16", "16mixed", "fp16mixed"),
    "bfloat16": ("bf16", "mixedbfloat16", "bfloat", "bf16mixed"),
    "float32": ("single", "float", "fp32", "f32", "32"),
    "float64": ("double", "fp64", "f64", "64"),
    "longdouble": ("float128", "longfloat"),
}
"""Precisions, and other names of them."""

MODES = {
    "jitcompile": "xla",
    "runeagerly": "eager",
    "tffunction": "graph",
    "torchcompile": "compiled",
    "jaxjit": "jit",
    "evaluate": "evaluate, a sample a batch",
    "predict": "predict, then loss",
}
"""Words for modes, in what users write; the first that is found counts."""

UNMEASURED = {
    "scikit-learn": ("SGDClassifier", "MLPClassifier", "Perceptron", "SGDOneClassSVM"),
    "PyTorch": ("logsigmoid", "MultiLabelSoftMarginLoss", "focal"),
}
"""What trains with a loss of its own that the record does not hold."""

AUTOCAST = {"Keras": "half", "PyTorch": "float32"}
"""In which precision a loss from raw outputs is computed under mixed precision, by the first or
the last word of a framework's name. A sigmoid is computed in half precision, in both."""

OWN = (
    (r"(.*)\bbinary_cross_entropy\((?:[\w.]*\.)?sigmoid\(([^()]*)\)(.*)",
     r"\1binary_cross_entropy_with_logits(\2\3"),
    (r"(.*)\bbinary_cross_entropy\(([\w.\[\]]+)\.sigmoid\(\)(.*)",
     r"\1binary_cross_entropy_with_logits(\2\3"),
)  # fmt: skip
"""Lines that have all of a loss, and what they become."""
