"""EfficientNet-Lite0, frozen."""

from __future__ import annotations

from pathlib import Path

import keras

from sigmoid_bce.models import efficientnet_lite

SIZE = efficientnet_lite.VARIANTS[0].size


def backbone(weights: str | Path, size: int) -> keras.Model:
    """Return the network without its classifier."""
    return efficientnet_lite.backbone(0, weights, size)
