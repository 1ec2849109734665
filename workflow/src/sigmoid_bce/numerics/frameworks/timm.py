"""timm: binary cross-entropy with its options, and the asymmetric loss as focal loss."""

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._torch import Program, Runner, import_torchvision
from sigmoid_bce.numerics.objectives import BALANCE, FOCUS, SMOOTHING, WEIGHT

TITLE = "timm"
PACKAGES = ("timm", "torchvision", "torch")
INSTEAD = "timm.loss.BinaryCrossEntropy(smoothing=0)(x, y)"
SOURCE = "timm/loss/{}.py, 1.0"
LOGITS = "binary_cross_entropy_with_logits of PyTorch"
ASYMMETRIC = "(1 - t)^g times -log(max(p, 1e-8)) or -log(max(1 - p, 1e-8)), in float32"


def implementations() -> list[Implementation]:
    """Return each loss, eager and compiled."""
    run = Runner()
    import_torchvision(run.torch)  # timm imports it
    from timm.loss import AsymmetricLossMultiLabel, BinaryCrossEntropy

    def plain(**options):
        loss = BinaryCrossEntropy(reduction="none", **options)
        return lambda x, y: loss(x[:, None], y[:, None])[:, 0]

    def asymmetric(gamma):
        return AsymmetricLossMultiLabel(gamma, gamma, clip=0, reduction="none")

    focused, flat = asymmetric(FOCUS), asymmetric(0)

    def focal(x, y):
        # the loss has no alpha
        weight = BALANCE * y + (1 - BALANCE) * (1 - y)
        return weight * focused(x[:, None], y[:, None])[:, 0]

    basic, own = SOURCE.format("binary_cross_entropy"), SOURCE.format("asymmetric_loss")
    return run.implementations(
        [
            Program("BinaryCrossEntropy(smoothing=0)", plain(smoothing=0.0), LOGITS, basic),
            Program(
                "AsymmetricLossMultiLabel(0, 0, clip=0)",
                lambda x, y: flat(x[:, None], y[:, None])[:, 0],
                f"{ASYMMETRIC}; g = 0",
                own,
            ),
            Program(
                "BinaryCrossEntropy(pos_weight)",
                plain(smoothing=0.0, pos_weight=float(WEIGHT)),
                LOGITS,
                basic,
                "weighted",
            ),
            Program(
                "BinaryCrossEntropy(smooth_dense)",
                plain(smoothing=SMOOTHING, smooth_dense=True),
                f"{LOGITS}, y smoothed",
                basic,
                "smoothing",
            ),
            Program(
                "AsymmetricLossMultiLabel(2, 2, clip=0), weighted",
                focal,
                f"a {ASYMMETRIC}; g = 2",
                own,
                "focal",
            ),
        ]
    )
