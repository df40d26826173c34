"""Encoding: which codewords stand for a point, and how far off they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.contracts import UserError

from .arrays import Codes, Float32, Float64
from .simd import kernels
from .simd.lanes import WIDTH

ROUNDS = 10
"""Most rounds of coordinate descent over the subspaces."""

_MOST_SQUARE = 1e34  # of |x| and |r|: the kernels multiply it by eta, in float32

_FAR = 1e19  # farther than any row: its square is inf or near it


class Encoded(NamedTuple):
    """`codes` `(n, M)` uint8; per point |r|^2 and the parallel part <r, x>/|x|, float32 `(n,)`."""

    codes: Codes
    squares: Float32
    parallels: Float32

    def losses(self, gains: Float32) -> Float64:
        """Return |r|^2 + (eta - 1) parallel^2 of every point, `(n,)` float64."""
        parallels = self.parallels.astype(np.float64)
        return self.squares + gains.astype(np.float64) * parallels**2


@dataclass(frozen=True)
class Encoder:
    """How codes are chosen once the codebooks are there.

    Parameters
    ----------
    nearest
        Take the nearest codewords, whatever the loss.
    scann_compatible
        Encode by the rule of the scann package: no move may raise the parallel part.
    """

    nearest: bool = False
    scann_compatible: bool = False

    def codes(
        self,
        points: Float32,
        gains: Float32,
        codebooks: Float64,
        directions: Float32 | None = None,
    ) -> Codes:
        """Return the codes `(n, M)` of points, with arguments as for `encode`."""
        if self.nearest:
            gains = np.zeros(1, np.float32)
        return encode(
            points,
            gains,
            codebooks,
            directions=directions,
            scann_compatible=self.scann_compatible,
        ).codes


def encode(
    points: Float32,
    gains: Float32,
    codebooks: Float64,
    *,
    directions: Float32 | None = None,
    start: Codes | None = None,
    scann_compatible: bool = False,
) -> Encoded:
    """Choose codes by coordinate descent on |r|^2 + gain <r, x>^2/|x|^2.

    Starts from the nearest codewords, or from `start`; the subspaces by turns take the codeword
    that lowers the loss of the whole vector most, until none changes any more or `ROUNDS` rounds
    are done. With gain 0 that is the nearest codeword, at once.

    Parameters
    ----------
    points
        `(n, d)` float32, C-contiguous, read-only.
    gains
        eta - 1, float32, `(n,)` or `(1,)`.
    codebooks
        `(M, K, d/M)`, K at most 256.
    directions
        `(n, d)` as the points: the x of the loss, where it is not the point itself. A point that is
        a residual to a centre has the direction of the row that it comes from.
    start
        `(n, M)` uint8 codes to go on from; the loss then never ends above theirs.
    scann_compatible
        Skip moves that raise the parallel part, and let the largest residuals take their turn
        first, as the scann package does.
    """
    n = len(points)
    codes = np.zeros((n, len(codebooks)), np.uint8) if start is None else start.copy()
    encoded = Encoded(codes, np.empty(n, np.float32), np.empty(n, np.float32))
    kernels.encode(
        points,
        points if directions is None else directions,
        gains,
        _in_lanes(codebooks),
        codes,
        start is not None,
        scann_compatible,
        ROUNDS,
        encoded.squares,
        encoded.parallels,
    )
    if n and not encoded.squares.max() < _MOST_SQUARE:
        raise _too_large(points)
    return encoded


def require_squares(points: Float32) -> None:
    """Refuse points `(n, d)` whose squares may not fit float32."""
    largest = np.float64(max(points.max(), -points.min()))
    if not points.shape[1] * largest**2 < _MOST_SQUARE:
        raise _too_large(points)


def _too_large(points: Float32) -> UserError:
    return UserError(
        "the rows are too large: their squares do not fit float32",
        where="the base",
        expected=f"rows with |x|^2 below {_MOST_SQUARE:g}",
        got=f"values up to {np.abs(points).max():.3g}",
        hint="scale base and queries down alike; their neighbours stay the same",
    )


def _in_lanes(codebooks: Float64) -> Float32:
    """Return `(M, d/M, K)` float32 with K filled up to 16 by codewords too far off to be taken."""
    turned = codebooks.transpose(0, 2, 1).astype(np.float32)
    missing = max(0, WIDTH - turned.shape[2])
    filled = np.pad(turned, ((0, 0), (0, 0), (0, missing)), constant_values=_FAR)
    return np.ascontiguousarray(filled)


def decode(codes: Codes, codebooks: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the vectors that `codes` `(n, M)` stand for, `(n, d)`."""
    parts = codebooks[np.arange(len(codebooks)), codes]
    return parts.reshape(len(codes), -1)
