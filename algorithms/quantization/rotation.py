"""What happens to rows before they are cut into subspaces: zeros are put in, the space is turned.

Inner products, distances and directions stay as they are; how the error spreads over the subspaces
does not.
"""

from __future__ import annotations

import faiss
import numpy as np

from harness.contracts import UserError

from .arrays import Float32
from .parameters import Parameters

_OPQ_ITERATIONS = 20


class Padding:
    """Rows with zeros put in, so that M subspaces of ceil(d/M) dimensions hold d.

    The zeros are spread evenly: every subspace ends with one, or none.
    """

    def __init__(self, dimension: int, subspaces: int) -> None:
        width = -(-dimension // subspaces)
        starts = np.arange(subspaces + 1) * dimension // subspaces
        within = [np.arange(size) for size in np.diff(starts)]
        self.places = np.concatenate([m * width + place for m, place in enumerate(within)])
        self._width = subspaces * width

    def apply(self, rows: Float32) -> Float32:
        """Return padded rows, read-only as the kernels want them."""
        padded = np.zeros((len(rows), self._width), np.float32)
        padded[:, self.places] = rows
        padded.flags.writeable = False
        return padded

    def undo(self, rows: Float32) -> Float32:
        """Return rows without the zeros."""
        return rows[:, self.places]

    def nbytes(self) -> int:
        """Return 0: the places follow from d and M."""
        return 0


class Rotation:
    """Rows times a matrix with orthonormal columns, `(padded d, d)` float32."""

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


Transform = Padding | Rotation


def transform(sample: Float32, parameters: Parameters) -> Transform | None:
    """Return padding, if d needs it, and a rotation learned from, or as wide as, a sample `(n, d)`.

    The rotation `random` is uniform over the orthogonal matrices; `opq` is the one that FAISS finds
    to make the Euclidean error of product quantization small (Ge et al., "Optimized Product
    Quantization", CVPR 2013).

    Raises
    ------
    UserError
        If the rotation is unknown.
    """
    kind, seed = parameters.rotation, parameters.seed
    subspaces = parameters.subspaces(sample.shape[1])
    padding = Padding(sample.shape[1], subspaces) if sample.shape[1] % subspaces else None
    if kind == "none":
        return padding
    if padding:
        sample = padding.apply(sample)
    if kind == "random":
        matrix = random_orthogonal(sample.shape[1], seed)
    elif kind == "opq":
        matrix = _optimized(sample, subspaces, parameters.nbits, seed)
    else:
        raise UserError(
            "unknown rotation",
            where="build parameter rotation",
            expected="none, random or opq",
            got=repr(kind),
        )
    return Rotation(matrix[:, padding.places] if padding else matrix)


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
    return np.asarray(faiss.vector_to_array(transform.A).reshape(d, d))
