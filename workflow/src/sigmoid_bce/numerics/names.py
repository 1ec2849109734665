"""What can be measured, by name: for planning and the command line, which import no NumPy."""

from __future__ import annotations

DTYPES = ("float16", "bfloat16", "float32", "float64", "longdouble")
"""Precisions of a raw output."""

BCE = "bce"
TITLES = {
    BCE: "binary cross-entropy",
    "weighted": "weighted binary cross-entropy, pos_weight 4",
    "smoothing": "label smoothing of 1/8",
    "focal": "focal loss, gamma 2, alpha 1/4",
    "softmax-2": "softmax cross-entropy of two classes",
    "softmax-10": "softmax cross-entropy of ten classes",
    "siglip": "SigLIP's pair loss",
}
"""Objectives, which are the losses that are measured, and what they are called."""
