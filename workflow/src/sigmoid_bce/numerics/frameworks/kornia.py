"""kornia: its focal loss, and the same without focus, which is binary cross-entropy."""

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._torch import Program, Runner
from sigmoid_bce.numerics.objectives import BALANCE, FOCUS

TITLE = "kornia"
PACKAGES = ("kornia", "torch")
INSTEAD = "torch.nn.BCEWithLogitsLoss()(x, y)"
SOURCE = "kornia/losses/focal.py, 0.9"
FORMULA = "-a (1 - p)^g logsigmoid(x) y - (1 - a) p^g logsigmoid(-x) (1 - y)"


def implementations() -> list[Implementation]:
    """Return the focal loss, with and without focus, eager and compiled."""
    run = Runner()
    from kornia.losses import binary_focal_loss_with_logits as focal_loss

    return run.implementations(
        [
            Program(
                "binary_focal_loss_with_logits(alpha=None, gamma=0)",
                lambda x, y: focal_loss(x[:, None], y[:, None], alpha=None, gamma=0.0)[:, 0],
                f"{FORMULA}; without a, g = 0",
                SOURCE,
            ),
            Program(
                "binary_focal_loss_with_logits()",
                lambda x, y: focal_loss(x[:, None], y[:, None], alpha=BALANCE, gamma=FOCUS)[:, 0],
                f"{FORMULA}; g = 2",
                SOURCE,
                "focal",
            ),
        ]
    )
