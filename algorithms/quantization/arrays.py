"""Types of the arrays of this folder, and how rows are walked through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Codes = NDArray[np.uint8]
Ids = NDArray[np.int64]
Bits = NDArray[np.uint8]

ALL_ROWS: Bits = np.empty(0, np.uint8)
"""In place of a bitmap, for searches without a filter."""
ALL_ROWS.flags.writeable = False  # as bitmaps are: compiled for one type

_BLOCK_ROWS = 1 << 14


def blocks(n: int, rows: int = _BLOCK_ROWS) -> Iterator[slice]:
    """Cut `range(n)` into slices of at most so many rows."""
    return (slice(start, min(n, start + rows)) for start in range(0, n, rows))


def weights_of(weights: NDArray[Any], rows: Ids | slice) -> NDArray[Any]:
    """Return the weights of these rows, where `(1,)` stands for the same weight of every row."""
    return weights[rows] if len(weights) > 1 else weights


def plain(rows: NDArray[np.floating]) -> Float32:
    """Return rows as what numba is compiled for: contiguous float32, the same memory if it can be.

    So they stay mapped. Values beyond float32 become infinite; who takes rows refuses them.
    """
    if rows.dtype != np.float32:
        with np.errstate(over="ignore"):  # not around what is done for every query
            rows = rows.astype(np.float32)
    return np.ascontiguousarray(rows)


def norms_of(base: Float32) -> Float64:
    """Return the lengths (L2) of the rows `(n, d)`, computed in float64, block by block: `(n,)`."""
    parts = [np.linalg.norm(base[rows].astype(np.float64), axis=1) for rows in blocks(len(base))]
    return np.concatenate(parts)
