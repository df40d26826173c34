"""An orthogonal turn of the space before it is cut into subspaces.

Inner products, distances and directions stay as they are; how the error spreads over the subspaces
does not.
"""

from __future__ import annotations

from typing import Literal

import faiss
import numpy as np

from harness.contracts import UserError

from .encoding import Float32

RotationKind = Literal["none", "random", "opq"]

_OPQ_ITERATIONS = 20


class Rotation:
    """Rows times an orthogonal matrix `(d, d)` float32."""

    def __init__(self, matrix: Float32) -> None:
        self._matrix = np.ascontiguousarray(matrix, dtype=np.float32)

    def apply(self, rows: Float32) -> Float32:
        """Return turned rows, read-only as the kernels want them."""
        turned = rows @ self._matrix.T
        turned.flags.writeable = False
        return turned

    def undo(self, rows: Float32) -> Float32:
        """Return rows turned back."""
        return rows @ self._matrix

    def nbytes(self) -> int:
        """Bytes of the matrix: a deployed index turns its queries."""
        return int(self._matrix.nbytes)


def rotation(
    kind: RotationKind, sample: Float32, subspaces: int, nbits: int, seed: int
) -> Rotation | None:
    """Return a rotation learned from, or merely as wide as, a sample `(n, d)`.

    Parameters
    ----------
    kind
        `none`; `random`, uniform over the orthogonal matrices; `opq`, the one FAISS finds to make
        the Euclidean error of product quantization small (Ge et al., "Optimized Product
        Quantization", CVPR 2013).

    Raises
    ------
    UserError
        If the kind is none of these.
    """
    if kind == "none":
        return None
    if kind == "random":
        return Rotation(random_orthogonal(sample.shape[1], seed))
    if kind == "opq":
        return Rotation(_optimized(sample, subspaces, nbits, seed))
    raise UserError(
        "unknown rotation",
        where="build parameter rotation",
        expected="none, random or opq",
        got=repr(kind),
    )


def random_orthogonal(dimension: int, seed: int) -> Float32:
    """Return a matrix drawn from the Haar measure."""
    rng = np.random.default_rng([seed, 2])
    q, r = np.linalg.qr(rng.standard_normal((dimension, dimension)))
    return (q * np.sign(np.diag(r))).astype(np.float32)


def _optimized(sample: Float32, subspaces: int, nbits: int, seed: int) -> Float32:
    d = sample.shape[1]
    if len(sample) < 1 << nbits:  # FAISS trains on no fewer
        return random_orthogonal(d, seed)
    transform = faiss.OPQMatrix(d, subspaces)
    transform.niter = _OPQ_ITERATIONS
    quantizer = faiss.ProductQuantizer(d, subspaces, nbits)
    quantizer.cp.seed = seed
    transform.pq = quantizer  # otherwise FAISS optimises for 8 bits
    transform.train(np.ascontiguousarray(sample))
    return faiss.vector_to_array(transform.A).reshape(d, d)
