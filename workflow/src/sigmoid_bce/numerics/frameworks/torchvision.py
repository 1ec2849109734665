"""torchvision: its focal loss, and the same without focus, which is binary cross-entropy."""

from sigmoid_bce.numerics.catalogue import Implementation
from sigmoid_bce.numerics.frameworks._torch import Program, Runner, import_torchvision
from sigmoid_bce.numerics.objectives import BALANCE, FOCUS

TITLE = "torchvision"
PACKAGES = ("torchvision", "torch")
INSTEAD = "torch.nn.BCEWithLogitsLoss()(x, y)"
SOURCE = "torchvision/ops/focal_loss.py, 0.28"
FORMULA = "a (1 - t)^g times BCEWithLogitsLoss, t = p y + (1 - p) (1 - y)"


def implementations() -> list[Implementation]:
    """Return the focal loss, with and without focus, eager and compiled."""
    run = Runner()
    import_torchvision(run.torch)
    from torchvision.ops import sigmoid_focal_loss as focal_loss

    return run.implementations(
        [
            Program(
                "sigmoid_focal_loss(alpha=-1, gamma=0)",
                lambda x, y: focal_loss(x, y, alpha=-1, gamma=0),
                f"{FORMULA}; a = 1, g = 0",
                SOURCE,
            ),
            Program(
                "sigmoid_focal_loss()",
                lambda x, y: focal_loss(x, y, alpha=BALANCE, gamma=FOCUS),
                f"{FORMULA}; g = 2",
                SOURCE,
                "focal",
            ),
        ]
    )
