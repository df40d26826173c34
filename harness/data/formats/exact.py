"""Conversion of values to a format's type: exactly, or an error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from harness.contracts import UserError
from harness.data.rows import blocks


def exact_blocks(
    rows: NDArray[np.generic], dtype: DTypeLike, path: Path
) -> Iterator[NDArray[np.generic]]:
    """Yield the rows by blocks in another type, C-contiguous.

    Raises
    ------
    UserError
        If a value is not the same in that type.
    """
    wanted = np.dtype(dtype)
    for block in blocks(rows):
        given = rows[block]
        with np.errstate(invalid="ignore", over="ignore"):
            taken = np.ascontiguousarray(given, dtype=wanted)
        if wanted.kind != "f" and not np.array_equal(taken, given):
            raise UserError(
                "the values do not fit the format",
                where=str(path),
                expected=f"whole numbers of type {wanted.name}",
                got=f"values from {np.min(given)} to {np.max(given)} of type {rows.dtype}",
                hint="choose a format of floats, such as .npy, .fvecs or .fbin",
            )
        yield taken
