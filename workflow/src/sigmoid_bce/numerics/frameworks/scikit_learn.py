"""scikit-learn: its metric of probabilities, and the loss that its own models train with."""

from functools import partial

import numpy as np

from sigmoid_bce.numerics.catalogue import Implementation

TITLE = "scikit-learn"
PACKAGES = ("scikit-learn",)
INSTEAD = "np.logaddexp(0, (1 - 2 * y) * model.decision_function(X))"


def implementations() -> list[Implementation]:
    """Return log_loss, computed one sample at a time, and each method of HalfBinomialLoss."""
    import sklearn
    from scipy.special import expit
    from sklearn._loss import HalfBinomialLoss
    from sklearn.metrics import log_loss

    half_binomial = HalfBinomialLoss()

    def metric(x, y):
        # far from 0, many raw outputs have one p; all samples have one label
        p, samples = np.unique(expit(x.astype(np.float64)).astype(x.dtype), return_inverse=True)
        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            losses = [log_loss(y[:1], p[i : i + 1], labels=[0, 1]) for i in range(len(p))]
        return np.array(losses)[samples], None

    def separate(x, y):
        return half_binomial.loss(y, x), half_binomial.gradient(y, x)

    def together(x, y):
        return half_binomial.loss_gradient(y, x)

    on_logits = partial(
        Implementation,
        "HalfBinomialLoss()",
        dtypes=("float32", "float64"),
        formula="log1pexp(x) - y x, in pieces",
        source="sklearn/_loss/_loss.pyx.tp, 1.9",
    )
    return [
        Implementation(
            "log_loss(y, p)",
            metric,
            ("float32", "float64"),
            "a sample a call",
            formula="p clipped to [eps, 1 - eps], eps of the dtype; -log p",
            source="sklearn/metrics/_classification.py, 1.9",
            from_sigmoid=True,
            soft=False,
            per_sample=True,
            slow=True,
        ),
        on_logits(separate, mode="loss, gradient"),
        on_logits(together, mode="loss_gradient"),
    ]
