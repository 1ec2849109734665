"""LightGBM's metrics, for a model without trees whose raw output is the initial score."""

import warnings

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation

TITLE = "LightGBM"
PACKAGES = ("lightgbm",)
INSTEAD = "np.logaddexp(0, (1 - 2 * y) * s), s = booster.predict(X, raw_score=True)"


def implementations() -> list[Implementation]:
    """Return the metrics, each computed on validation sets of one sample."""
    import lightgbm

    def entry(objective, metric, classes=1):
        settings = {
            "objective": objective,
            "metric": metric,
            "num_class": classes,
            "boost_from_average": False,
            "num_threads": 1,
            "verbose": -1,
            "min_data_in_leaf": 1,
        }

        labels = np.arange(max(classes, 2))

        def function(x, y):
            targets = y if classes == 1 else 1 - y
            scores = np.pad(x[:, None], ((0, 0), (0, classes - 1)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                start = lightgbm.Dataset(np.zeros((len(labels), 1)), label=labels, params=settings)
                model = lightgbm.Booster(settings, start)
                for i, (a, b) in enumerate(zip(scores, targets, strict=True)):
                    sample = start.create_valid(
                        np.zeros((1, 1)), label=[b], init_score=a[None] if classes > 1 else a
                    )
                    model.add_valid(sample, str(i))
                return np.array([result[2] for result in model.eval_valid()]), None

        return function

    return [
        Implementation(
            "metric binary_logloss",
            entry("binary", "binary_logloss"),
            ("float64",),
            "a sample a call",
            formula="-log(p) where p > 1e-15, else -log(1e-15); p of the label's class",
            source="src/metric/binary_metric.hpp, 4.7",
            soft=False,
            from_sigmoid=True,
            per_sample=True,
        ),
        Implementation(
            "metric cross_entropy",
            entry("cross_entropy", "cross_entropy"),
            ("float64",),
            "a sample a call",
            formula="-(y log max(p, 1e-12) + (1 - y) log max(1 - p, 1e-12))",
            source="src/metric/xentropy_metric.hpp, 4.7",
            from_sigmoid=True,
            per_sample=True,
        ),
        *(
            Implementation(
                "metric multi_logloss",
                entry("multiclass", "multi_logloss", classes),
                ("float64",),
                "a sample a call",
                formula="-log(p) where p > 1e-15, else -log(1e-15); p of the label's class",
                source="src/metric/multiclass_metric.hpp, 4.7",
                from_sigmoid=True,
                per_sample=True,
                objective=f"softmax-{classes}",
            )
            for classes in (2, 10)
        ),
    ]
