"""What the codes lose: the errors of the reconstruction, apart from any search."""

from __future__ import annotations

from collections.abc import Callable

import faiss
import numpy as np
from numpy.typing import NDArray

from .arrays import Float32, Float64, Ids, blocks, weights_of
from .loss import PointWeights

_BLOCK_ROWS = 1 << 13


def distortion(
    base: Float32,
    reconstruct: Callable[[slice], Float32],
    weights: PointWeights,
    bits_per_vector: int,
) -> dict[str, NDArray[np.float64]]:
    """Return a table of one row: the mean errors over all base rows, computed in float64.

    Parameters
    ----------
    base
        `(n, d)`.
    reconstruct
        Gives the vectors that the codes of a slice of rows stand for.
    weights
        Of the loss; eta = 1 is the Euclidean one.
    bits_per_vector
        Of the codes alone.

    Returns
    -------
    table
        `mean_squared_error` |x - x~|^2 = `parallel` + `orthogonal`; `anisotropic_loss`
        h_perp (eta parallel + orthogonal), with h_perp (1 on average, 1 for unit rows) and eta of
        each row; `mean_square` |x|^2, to divide by; `eta`, its mean.
    """
    sums = np.zeros(4)
    for rows in blocks(len(base), _BLOCK_ROWS):
        own = PointWeights(*(weights_of(part, rows) for part in weights))
        sums += _sums(base[rows], reconstruct(rows), own)
    square, parallel, loss, norm = sums / len(base)
    columns = {
        "bits_per_vector": bits_per_vector,
        "mean_squared_error": square,
        "parallel": parallel,
        "orthogonal": square - parallel,
        "anisotropic_loss": loss,
        "mean_square": norm,
        "eta": np.mean(weights.eta),
    }
    return {name: np.array([value], dtype=np.float64) for name, value in columns.items()}


def _sums(points: Float32, decoded: Float32, weights: PointWeights) -> Float64:
    """Sums over points of |r|^2, its parallel part, the weighted loss and |x|^2."""
    exact = points.astype(np.float64)
    residual = exact - decoded
    squares = np.einsum("nd,nd->n", residual, residual)
    norms = np.einsum("nd,nd->n", exact, exact)
    products = np.einsum("nd,nd->n", residual, exact)
    parallel = np.divide(products**2, norms, out=np.zeros_like(norms), where=norms > 0)
    loss = weights.perpendicular * (squares + (weights.eta - 1) * parallel)
    return np.array([squares.sum(), parallel.sum(), loss.sum(), norms.sum()])


def neighbour_errors(
    base: Float32,
    queries: Float32,
    reconstruct: Callable[[Ids], Float32],
    *,
    euclidean: bool,
    k: int = 10,
) -> dict[str, NDArray[np.float64]]:
    """Return how wrong <q, x~> is where it matters: at the true nearest neighbours.

    Parameters
    ----------
    queries
        `(nq, d)`; the neighbours are found exactly, by FAISS.
    reconstruct
        Gives the vectors of ids `(nq, k)`, `(nq, k, d)`.

    Returns
    -------
    columns
        `neighbour_relative_error`, the mean of |<q, x~> - <q, x>| / |<q, x>|, and
        `neighbour_bias`, the mean of (<q, x~> - <q, x>) / |<q, x>|; products of 0 are left out.
    """
    metric = faiss.METRIC_L2 if euclidean else faiss.METRIC_INNER_PRODUCT
    _, ids = faiss.knn(queries, base, min(k, len(base)), metric=metric)
    asked = queries.astype(np.float64)
    exact = np.einsum("qd,qkd->qk", asked, base[ids].astype(np.float64))
    approximate = np.einsum("qd,qkd->qk", asked, reconstruct(ids).astype(np.float64))
    usable = exact != 0
    errors = (approximate[usable] - exact[usable]) / np.abs(exact[usable])
    if not len(errors):
        errors = np.zeros(1)
    return {
        "neighbour_relative_error": np.array([np.abs(errors).mean()]),
        "neighbour_bias": np.array([errors.mean()]),
    }
