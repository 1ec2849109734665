"""CatBoost's metrics of its approximations, which are raw outputs."""

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation

TITLE = "CatBoost"
PACKAGES = ("catboost",)
INSTEAD = "np.logaddexp(0, (1 - 2 * y) * m), m = model.predict(X, prediction_type='RawFormulaVal')"
CAUSE = "log(1 + exp(x)) without log1p, from which x is subtracted for label 1"


def implementations() -> list[Implementation]:
    """Return the metrics, computed one sample at a time."""
    from catboost import utils

    def entry(metric):
        def function(x, y):
            losses = [
                utils.eval_metric([b], [a], metric, thread_count=1)[0]
                for a, b in zip(x.tolist(), y.tolist(), strict=True)
            ]
            return np.array(losses), None

        return function

    def multiclass(classes):
        def function(x, y):
            outputs = np.zeros((1, classes))
            losses = []
            for a, b in zip(x, 1 - y, strict=True):
                outputs[0, 0] = a
                losses += utils.eval_metric([int(b)], outputs, "MultiClass", thread_count=1)
            return np.array(losses), None

        return function

    return [
        Implementation(
            f"metric {metric}",
            entry(metric),
            ("float64",),
            "a sample a call",
            formula="log(1 + exp(x)) - y x",
            source="catboost/libs/metrics/metric.cpp, 1.2",
            soft=metric == "CrossEntropy",  # Logloss takes labels above 0.5 for 1
            per_sample=True,
            cause=CAUSE,
        )
        for metric in ("Logloss", "CrossEntropy")
    ] + [
        Implementation(
            "metric MultiClass",
            multiclass(classes),
            ("float64",),
            "a sample a call",
            formula="log(sum(exp(s))) - s of the label's class, s = outputs - max(outputs)",
            source="catboost/libs/metrics/metric.cpp, 1.2",
            per_sample=True,
            objective=f"softmax-{classes}",
        )
        for classes in (2, 10)
    ]
