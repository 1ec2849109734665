"""InceptionV3 of keras.applications, frozen."""

from __future__ import annotations

from pathlib import Path

import keras

from sigmoid_bce.models import applications

SIZE = 299


def backbone(weights: str | Path, size: int) -> keras.Model:
    """Return the network without its top."""
    return applications.backbone(
        keras.applications.InceptionV3,
        keras.applications.inception_v3.preprocess_input,
        weights,
        size,
    )
