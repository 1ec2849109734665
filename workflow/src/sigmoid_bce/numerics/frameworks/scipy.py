"""SciPy's special functions."""

from sigmoid_bce.numerics.catalogue import Implementation

TITLE = "SciPy"
PACKAGES = ("scipy",)
INSTEAD = "-(y * scipy.special.log_expit(x) + (1 - y) * scipy.special.log_expit(-x))"


def implementations() -> list[Implementation]:
    """Return a formula of raw outputs and one of probabilities."""
    from scipy.special import expit, log_expit, xlog1py, xlogy

    def on_logits(x, y):
        loss = -(y * log_expit(x) + (1 - y) * log_expit(-x))
        return loss, (1 - y) * expit(x) - y * expit(-x)

    def on_probabilities(x, y):
        p = expit(x)
        return -(xlogy(y, p) + xlog1py(1 - y, -p)), None

    return [
        Implementation(
            "log_expit",
            on_logits,
            ("float16", "float32", "float64"),
            formula="-(y log_expit(x) + (1 - y) log_expit(-x)); "
            "gradient (1 - y) expit(x) - y expit(-x)",
            source="scipy/special, xsf log_exp.h, 1.17",
            gradient_by_hand=True,
        ),
        Implementation(
            "xlogy, xlog1py of expit",
            on_probabilities,
            ("float32", "float64"),
            formula="-(xlogy(y, p) + xlog1py(1 - y, -p))",
            source="scipy/special, xsf log_exp.h, 1.17",
            from_sigmoid=True,
        ),
    ]
