"""VGG16 of keras.applications, frozen."""

from __future__ import annotations

from pathlib import Path

import keras

from sigmoid_bce.models import applications

SIZE = 224


def backbone(weights: str | Path, size: int) -> keras.Model:
    """Return the network without its top."""
    return applications.backbone(
        keras.applications.VGG16, keras.applications.vgg16.preprocess_input, weights, size
    )
