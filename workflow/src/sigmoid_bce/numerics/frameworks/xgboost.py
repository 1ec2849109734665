"""XGBoost's metrics, for models without trees whose raw output is the base margin."""

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.names import BCE

TITLE = "XGBoost"
PACKAGES = ("xgboost",)
INSTEAD = "np.logaddexp(0, (1 - 2 * y) * m), m = booster.predict(data, output_margin=True)"
SOFTMAX = "-log max(p, 1e-16), p of the label's class"


def implementations() -> list[Implementation]:
    """Return the metrics logloss and mlogloss, computed one sample at a time."""
    import xgboost

    column = np.zeros((1, 1), np.float32)

    def entry(classes):
        if classes:
            settings = {"objective": "multi:softprob", "num_class": classes}
        else:
            settings = {"objective": "binary:logistic", "base_score": 0.5}
        labels = np.arange(classes or 2)
        start = xgboost.DMatrix(np.zeros((len(labels), 1), np.float32), label=labels)
        settings |= {"eval_metric": "mlogloss" if classes else "logloss", "nthread": 1}
        model = xgboost.train(settings, start, num_boost_round=0)
        margins = np.zeros((1, classes or 1))

        def metric(x, y):
            losses = []
            for a, b in zip(x, 1 - y if classes else y, strict=True):
                margins[0, 0] = a
                sample = xgboost.DMatrix(column, label=[b], base_margin=margins, nthread=1)
                losses.append(float(model.eval(sample).split(":")[-1]))
            return np.array(losses), None

        return metric

    return [
        Implementation(
            "metric mlogloss" if classes else "metric logloss",
            entry(classes),
            ("float32",),
            "a sample a call",
            formula=formula,
            source=source,
            from_sigmoid=True,
            per_sample=True,
            objective=objective,
        )
        for objective, classes, formula, source in (
            (
                BCE,
                0,
                "-(y log max(p, 1e-16) + (1 - y) log max(1 - p, 1e-16))",
                "src/metric/elementwise_metric.cu, 3.2",
            ),
            ("softmax-2", 2, SOFTMAX, "src/metric/multiclass_metric.cu, 3.2"),
            ("softmax-10", 10, SOFTMAX, "src/metric/multiclass_metric.cu, 3.2"),
        )
    ]
