"""Training the codebooks: encoding and joint least squares by turns, one subspace at a time.

The Euclidean loss is the case gain = 0, where encoding is the nearest codeword and the least
squares are means: k-means in every subspace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Table

from .arrays import Codes, Float32, Float64
from .encoding import encode
from .simd import kernels
from .simd.lanes import WIDTH


class Sample(NamedTuple):
    """Points to train on, with the weights of their losses.

    `points` `(n, d)` float32, read-only; `directions` as `encode` takes them, the points themselves
    where they are no residuals; `gains` (eta - 1) float32 and `weights` float64, both `(n,)` or
    `(1,)`; `inverse_norms` of the directions, `(n,)` float64, 0 for a zero row.
    """

    points: Float32
    directions: Float32
    gains: Float32
    weights: Float64
    inverse_norms: Float64

    @classmethod
    def of(
        cls,
        points: Float32,
        gains: Float32,
        weights: Float64,
        directions: Float32 | None = None,
    ) -> Sample:
        """Compute the norms; the points and directions are made read-only."""
        directions = points if directions is None else directions
        points.flags.writeable = directions.flags.writeable = False
        norms = np.sqrt(np.einsum("nd,nd->n", directions, directions, dtype=np.float64))
        inverse_norms = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
        return cls(points, directions, gains, weights, inverse_norms)

    def is_own_direction(self) -> bool:
        """Whether the directions are the points themselves."""
        return self.directions is self.points

    def euclidean(self) -> Sample:
        """Return the same points with eta = 1 and equal weights."""
        return self._replace(gains=np.zeros(1, np.float32), weights=np.ones(1))

    def scale(self) -> float:
        """Return the loss of leaving every point out (codewords all 0, eta = 1)."""
        squares = np.einsum("nd,nd->n", self.points, self.points, dtype=np.float64)
        return float(np.mean(self.weights * squares)) or 1.0


def parts_of(points: Float32, subspaces: int) -> Float32:
    """Return the points cut into subspaces, `(M, n, d/M)`: what the update walks through.

    A copy with 16 more numbers behind it, which the kernel may read.
    """
    n, d = points.shape
    buffer = np.zeros(points.size + WIDTH, np.float32)
    parts = buffer[: points.size].reshape(subspaces, n, d // subspaces)
    parts[:] = points.reshape(n, subspaces, -1).transpose(1, 0, 2)
    return parts


@dataclass
class Trained:
    """Codebooks `(M, K, d/M)` float64, and the loss after each encoding of the sample.

    `losses` are means over the sample, divided by `Sample.scale`; the first is that of the
    codebooks which training began with. `by_subspace` holds those of each subspace, where they
    were trained by themselves.
    """

    codebooks: Float64
    losses: list[float] = field(default_factory=list)
    by_subspace: list[list[float]] = field(default_factory=list)

    def tables(self) -> Mapping[str, Table]:
        """Return the losses as tables, for diagnostics."""
        tables = {"training": _table(self.losses)}
        if self.by_subspace:
            lengths = [len(losses) for losses in self.by_subspace]
            parts = [_table(losses) for losses in self.by_subspace]
            tables["training_by_subspace"] = {
                "subspace": np.repeat(np.arange(len(parts)), lengths),
                **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]},
            }
        return tables


def _table(losses: list[float]) -> dict[str, NDArray[np.generic]]:
    return {"iteration": np.arange(len(losses)), "loss": np.array(losses)}


def random_codebooks(
    points: Float32, subspaces: int, codewords: int, rng: np.random.Generator
) -> Float64:
    """Return codebooks `(M, K, d/M)` of points drawn at random, for every subspace anew."""
    n, d = points.shape
    width = d // subspaces
    parts = [
        points[rng.choice(n, codewords, replace=n < codewords), m * width : (m + 1) * width]
        for m in range(subspaces)
    ]
    return np.stack(parts).astype(np.float64)


class Trainer(Protocol):
    """Finds codebooks."""

    def train(self, sample: Sample, start: Float64) -> Trained:
        """Return codebooks for the sample, from `start` `(M, K, d/M)` on."""
        ...


@dataclass(frozen=True)
class KMeans:
    """K-means in every subspace, whatever the weights of the sample; at most so many iterations."""

    iterations: int

    def train(self, sample: Sample, start: Float64) -> Trained:
        """Return the codebooks of k-means."""
        return train(sample.euclidean(), start, iterations=self.iterations)


@dataclass(frozen=True)
class JointTraining:
    """All codebooks together under the sample's loss; before that, some iterations of k-means."""

    kmeans_iterations: int
    iterations: int

    def train(self, sample: Sample, start: Float64) -> Trained:
        """Return codebooks trained jointly."""
        start = KMeans(self.kmeans_iterations).train(sample, start).codebooks
        return train(sample, start, iterations=self.iterations)


@dataclass(frozen=True)
class SubspaceTraining:
    """Each subspace by itself, under the loss of its subvectors.

    A subspace stops after so many iterations, or when no codeword moves by more than
    `codebook_tolerance` (absolute, and relative at 1e-5).
    """

    iterations: int
    codebook_tolerance: float

    def train(self, sample: Sample, start: Float64) -> Trained:
        """Return codebooks trained apart; the loss is the mean over the subspaces."""
        parts = [self._train_subspace(sample, m, codebook) for m, codebook in enumerate(start)]
        by_subspace = [part.losses for part in parts]
        longest = max(map(len, by_subspace))
        # a subspace that has stopped keeps its last loss
        padded = [losses + losses[-1:] * (longest - len(losses)) for losses in by_subspace]
        means = [float(loss) for loss in np.mean(padded, axis=0)]
        return Trained(np.concatenate([part.codebooks for part in parts]), means, by_subspace)

    def _train_subspace(self, sample: Sample, m: int, codebook: Float64) -> Trained:
        width = codebook.shape[1]
        vectors = np.ascontiguousarray(sample.points[:, m * width : (m + 1) * width])
        return train(
            Sample.of(vectors, sample.gains, sample.weights),
            codebook[None],
            iterations=self.iterations,
            tolerance=-np.inf,
            codebook_tolerance=self.codebook_tolerance,
        )


def train(
    sample: Sample,
    codebooks: Float64,
    *,
    iterations: int,
    tolerance: float = 1e-4,
    codebook_tolerance: float = 0.0,
) -> Trained:
    """Lower the mean loss of the sample from the given codebooks on.

    Parameters
    ----------
    sample
        What to train on.
    codebooks
        `(M, K, d/M)` to start from.
    iterations
        At most so many updates of all codebooks.
    tolerance
        Stop when an iteration lowers the loss by less than this share.
    codebook_tolerance
        Stop, too, when an update moves no codeword by more than this (and 1e-5 of itself).

    Notes
    -----
    Guo et al. 2020, section 4.2. Each encoding goes on from the codes of the last, and each
    update is the exact minimum for its subspace, so the loss never rises.
    """
    trained = Trained(codebooks.copy())
    parts = parts_of(sample.points, len(codebooks))
    own = sample.is_own_direction()
    directions = parts if own else parts_of(sample.directions, len(codebooks))
    scale = sample.scale()
    codes: Codes | None = None
    for iteration in range(iterations + 1):
        encoded = encode(
            sample.points,
            sample.gains,
            trained.codebooks,
            directions=sample.directions,
            start=codes,
        )
        codes = encoded.codes
        loss = np.mean(sample.weights * encoded.losses(sample.gains))
        trained.losses.append(float(loss) / scale)
        if iteration == iterations or _converged(trained.losses, tolerance):
            break
        before = trained.codebooks.copy()
        _update(
            sample,
            parts,
            directions,
            codes,
            encoded.parallels.astype(np.float64),
            trained.codebooks,
        )
        if codebook_tolerance and np.allclose(
            before, trained.codebooks, rtol=1e-5, atol=codebook_tolerance
        ):
            break
    return trained


def _converged(losses: list[float], tolerance: float) -> bool:
    if losses[-1] == 0:
        return True
    return len(losses) > 1 and losses[-2] - losses[-1] <= tolerance * losses[-2]


def _update(
    sample: Sample,
    parts: Float32,
    directions: Float32,
    codes: Codes,
    parallels: Float64,
    codebooks: Float64,
) -> None:
    columns = np.ascontiguousarray(codes.T)
    sizes = kernels.update(
        parts,
        directions,
        sample.is_own_direction(),
        sample.inverse_norms,
        sample.weights,
        sample.gains,
        columns,
        codebooks,
        parallels,
    )
    for m in np.flatnonzero((sizes == 0).any(axis=1)):
        _redraw_empty(parts[m], columns[m], codebooks[m], sizes[m])


def _redraw_empty(
    vectors: Float32, column: Codes, codebook: Float64, sizes: NDArray[np.int64]
) -> None:
    """Put codewords that stand for no point where the residuals are largest.

    No code points to them, so the loss stays as it is until the next encoding takes them up.
    """
    empty = np.flatnonzero(sizes == 0)
    residuals = ((vectors - codebook[column]) ** 2).sum(axis=1)
    worst = np.argsort(-residuals, kind="stable")[: len(empty)]
    worst = worst[residuals[worst] > 0]
    codebook[empty[: len(worst)]] = vectors[worst]
