"""Names of array types, so that a signature says what an array holds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Indices = NDArray[np.int64]
Rows = NDArray[np.int64]
Columns = NDArray[np.int64]
FeatureArray = NDArray[np.float32]
ImageArray = NDArray[np.uint8]
AnyFloats = NDArray[np.floating[Any]]
