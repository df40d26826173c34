"""How the size of an index is known: computed, or only measured."""

from __future__ import annotations

from math import isfinite
from typing import Literal

SizeScope = Literal["computed", "measured", "measured, below the rows", "unknown"]

_BYTES_OF_A_NUMBER = 4


def size_scope(index_bytes: float, n: int, d: int, *, measured: bool) -> SizeScope:
    """Return how a size is known.

    A measured size is the growth of a process's memory while it builds. Memory that was allocated
    before and is reused is not in it, so it may be far too small: a size below that of n float32
    rows of d numbers has a scope of its own, and no growth is an unknown size.

    Parameters
    ----------
    index_bytes
        Bytes; NaN if unknown.
    n, d
        Rows and dimensions of the base.
    measured
        Whether it is the growth of memory, and not computed from what the index holds.
    """
    if not isfinite(index_bytes) or (measured and index_bytes <= 0):
        return "unknown"
    if not measured:
        return "computed"
    return "measured, below the rows" if index_bytes < _BYTES_OF_A_NUMBER * n * d else "measured"
