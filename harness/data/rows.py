"""Checks and conversions of rows, block by block, so that no second array is ever needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.contracts import UserError
from harness.contracts.dataset import Metric

Rows = NDArray[np.float32]

_BLOCK_BYTES = 32 << 20
_UNIT_TOLERANCE = 5e-7
"""A norm this near to 1 cannot be told from 1 in float32 arithmetic."""


def blocks(rows: NDArray[np.generic], block_bytes: int = _BLOCK_BYTES) -> Iterator[slice]:
    """Yield slices that cover the rows, each of about `block_bytes` in float32."""
    step = max(1, block_bytes // max(1, 4 * rows.shape[1]))
    for start in range(0, len(rows), step):
        yield slice(start, min(start + step, len(rows)))


def require_rows(rows: NDArray[np.generic], what: str, where: str, minimum: int) -> None:
    """Raise a `UserError` unless `rows` is a table of at least `minimum` rows of real numbers."""
    if rows.ndim != 2:
        got = f"an array of shape {rows.shape}"
        raise UserError(
            f"the {what} are not a table of vectors", where=where, expected="rows", got=got
        )
    if rows.dtype.kind not in "fiu":
        raise UserError(
            f"the {what} are not real numbers",
            where=where,
            expected="float or integer values",
            got=str(rows.dtype),
        )
    if len(rows) < minimum:
        raise UserError(
            f"too few {what}", where=where, expected=f"at least {minimum}", got=str(len(rows))
        )
    if rows.shape[1] < 1:
        raise UserError(f"the {what} have no dimensions", where=where, got=str(rows.shape))


def as_float32(rows: NDArray[np.generic], what: str, where: str, first: int = 0) -> Rows:
    """Return a block as C-contiguous float32, all finite.

    `first` is the number of the block's first row, for the message.

    Raises
    ------
    UserError
        If a value is NaN, infinite or too large for float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        block = np.ascontiguousarray(rows, dtype="<f4")
    finite = np.isfinite(block).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        value = np.asarray(rows[row])[~np.isfinite(block[row])][0]
        raise UserError(
            f"the {what} contain a value that is not finite",
            where=f"{where}, row {first + row}",
            expected="finite float32 numbers",
            got=str(value),
            hint="remove such rows from the file",
        )
    return block


def unit(rows: Rows) -> Rows:
    """Return the rows divided by their norms (taken in float64); zero rows stay zero."""
    norms = row_norms(rows)
    norms[norms == 0] = 1.0
    return (rows / norms[:, None]).astype(np.float32)


def all_unit(rows: Rows) -> bool:
    """Whether every row has norm 1, as near as float32 can tell, or is zero."""
    return all(_block_is_unit(rows[block]) for block in blocks(rows))


def _block_is_unit(rows: Rows) -> bool:
    norms = row_norms(rows)
    return bool(((np.abs(norms - 1.0) <= _UNIT_TOLERANCE) | (norms == 0)).all())


def row_norms(rows: Rows) -> NDArray[np.float64]:
    """Return the norm of every row, `(n,)`, in float64, where no square of float32 overflows."""
    wide = rows.astype(np.float64)
    norms: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    return norms


def largest_norm(rows: Rows) -> float:
    """Return the largest norm of any row, by blocks."""
    return max(float(row_norms(rows[block]).max()) for block in blocks(rows))


class Fingerprint:
    """Sha256 of metric, shapes and values, computed block by block: base, then queries."""

    def __init__(self, metric: Metric, base_shape: tuple[int, ...], query_count: int) -> None:
        n, d = base_shape
        self._hash = hashlib.sha256(f"{metric} {n} {query_count} {d}\n".encode())

    def add(self, block: Rows) -> None:
        """Add the next block of rows."""
        self._hash.update(np.ascontiguousarray(block, dtype="<f4").data)

    def hexdigest(self) -> str:
        """Return the fingerprint, 64 hex digits."""
        return self._hash.hexdigest()


def fingerprint(metric: Metric, base: Rows, queries: Rows) -> str:
    """Return the fingerprint of arrays that are float32 already."""
    digest = Fingerprint(metric, base.shape, len(queries))
    for rows in (base, queries):
        for block in blocks(rows):
            digest.add(rows[block])
    return digest.hexdigest()
