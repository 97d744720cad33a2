"""The words of cleaning for which rows are meant: a mask over them, or the number of another table's row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]
UNKNOWN = -1
"""Row number of an order or item that the archive does not have."""
