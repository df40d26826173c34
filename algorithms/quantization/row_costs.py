"""What makes inner products of lists and codes into Euclidean distances.

With a row's reconstruction x~ = c + r~, and m the mean of the base,

    |q - x~|^2 / 2 = (|q|^2 - |m|^2) / 2
        + |c-m|^2 / 2 - <q-m, c-m>                                      of the list
        + sum over the codewords w of |w|^2 / 2 + <m, w> - <q, w>       of the codes
        + <c-m, r~>                                                     of the row

The last part is of no table, so every row holds it, in a byte. It gets a share of the row's error
as well, for which rows are farther than they seem. Where a rotation leads to more than d
dimensions, codewords may lead out of the space of the rows; then |r~|^2 is less than their |w|^2,
and the row makes up for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .arrays import Codes, Float32, blocks

ERROR_SHARE = 0.2
"""Of |x - x~|^2, what is added to |q - x~|^2."""

_LEVELS = 255  # of a byte, above the least
_TINY = 1e-36  # in place of a range of 0


@dataclass(frozen=True)
class Origin:
    """The mean of the base `(d,)`, and its largest absolute value, by which costs are divided.

    So costs stay within float32 as long as the rows do.
    """

    mean: Float32
    largest_value: float

    @classmethod
    def of(cls, base: Float32) -> Origin:
        """Measure the base `(n, d)`."""
        total, largest = np.zeros(base.shape[1]), 0.0
        for rows in blocks(len(base)):
            points = base[rows]
            total += points.sum(axis=0, dtype=np.float64)
            largest = max(largest, float(points.max()), float(-points.min()))
        return cls((total / len(base)).astype(np.float32), largest or 1.0)

    def offsets(self, centred: Float32, mean: Float32) -> Float32:
        """Return |v|^2 / 2 + <mean, v> of vectors `(..., d)`, divided by the largest value.

        `mean` is that of the base in the space of these vectors.
        """
        vectors = centred.astype(np.float64)
        products = vectors @ (mean.astype(np.float64) / self.largest_value)
        squares = np.einsum("...d,...d->...", vectors, vectors / self.largest_value)
        return np.asarray(products + squares / 2, np.float32)

    def row_costs(
        self, centres: Float32, residuals: Float32, decoded: Float32, codewords: Float32
    ) -> Float32:
        """Return what rows cost of their own, `(rows,)`, divided by the largest value.

        The first three are `(rows, d)`: the centres of the rows' lists, the residuals to them, and
        what their codes stand for; `codewords` `(rows, padded d)` are the same before they are
        turned back.
        """
        errors = residuals - decoded
        along = np.einsum(
            "nd,nd->n", (centres - self.mean) / np.float32(self.largest_value), decoded
        )
        outside = self._squares(decoded) - self._squares(codewords)
        own = along + (outside + np.float32(ERROR_SHARE) * self._squares(errors)) / 2
        return np.asarray(own, np.float32)

    def _squares(self, vectors: Float32) -> Float32:
        """Return |v|^2 of vectors `(rows, d)`, divided by the largest value."""
        scaled = vectors / np.float32(self.largest_value)
        return np.asarray(np.einsum("nd,nd->n", vectors, scaled))


@dataclass(frozen=True)
class Levels:
    """Rows' costs in bytes: `step` times the level, above the least of the row's list."""

    least: Float32
    step: float
    levels: Codes

    @classmethod
    def of(cls, costs: Float32, lists: NDArray[np.int32], nlist: int) -> Levels:
        """Round the costs of rows `(rows,)` that are in these lists."""
        least, most = np.full(nlist, np.inf, np.float32), np.full(nlist, -np.inf, np.float32)
        np.minimum.at(least, lists, costs)
        np.maximum.at(most, lists, costs)
        least[np.isinf(least)] = 0
        step = max(float((most - least).max()), _TINY) / _LEVELS
        above = (costs - least[lists]) / np.float32(step)
        return cls(least, step, np.rint(above).clip(0, _LEVELS).astype(np.uint8))

    def table(self, nbits: int) -> Float32:
        """Return the entries of their plane: one table of 8 bits, or two of 4, low ones first."""
        steps = np.arange(1 << nbits, dtype=np.float32) * np.float32(self.step)
        return steps if nbits == 8 else np.concatenate([steps, 16 * steps])
