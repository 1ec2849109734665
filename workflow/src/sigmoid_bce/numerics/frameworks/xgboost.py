"""XGBoost's metric, for a model without trees whose raw output is the base margin."""

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation

TITLE = "XGBoost"
PACKAGES = ("xgboost",)
INSTEAD = "np.logaddexp(0, (1 - 2 * y) * m), m = booster.predict(data, output_margin=True)"


def implementations() -> list[Implementation]:
    """Return the metric logloss, computed one sample at a time."""
    import xgboost

    settings = {"objective": "binary:logistic", "eval_metric": "logloss", "nthread": 1}
    column = np.zeros((1, 1), np.float32)
    start = xgboost.DMatrix(np.zeros((2, 1), np.float32), label=[0, 1])
    model = xgboost.train({**settings, "base_score": 0.5}, start, num_boost_round=0)

    def metric(x, y):
        losses = [
            model.eval(xgboost.DMatrix(column, label=[b], base_margin=[a], nthread=1))
            for a, b in zip(x, y, strict=True)
        ]
        return np.array([float(text.split(":")[-1]) for text in losses]), None

    return [
        Implementation(
            "metric logloss",
            metric,
            ("float32",),
            "a sample a call",
            formula="-(y log max(p, 1e-16) + (1 - y) log max(1 - p, 1e-16))",
            source="src/metric/elementwise_metric.cu, 3.2",
            from_sigmoid=True,
            per_sample=True,
        )
    ]
