"""Array types, as far as a type checker can tell them apart."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""An array of float16, bfloat16, float32, float64 or longdouble; NumPy has no type for bfloat16."""
Mask = NDArray[np.bool_]
Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
LongdoubleArray = NDArray[np.longdouble]

Float = TypeVar("Float", bound=np.floating[Any])
"""The dtype of a function that returns the dtype it is given."""
