"""Product quantization put together from a loss, a trainer and an encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import faiss
import numpy as np

from harness.contracts import Metric, Table, UserError

from .arrays import Codes, Float32, Float64, Ids, blocks, weights_of
from .encoding import Encoder, require_squares
from .faiss_codes import add_codes, empty_index
from .loss import Loss, PointWeights
from .parameters import COARSE_BITS, Parameters
from .partition import Partition, partition
from .rotation import Transform, transform
from .training import Sample, Trainer, random_codebooks

_MOST_BITS = 8  # of a code, which is a byte in the kernels
_TINY_ROWS = 300
_ENCODED_ROWS = 1 << 16  # at a time
_SAMPLED_ROWS, _SAMPLE_BYTES = 20_000, 1 << 25  # training holds the sample twice
_ROWS_PER_CODEWORD = 100


@dataclass(frozen=True)
class Quantized:
    """A base in codes.

    Queries are taken through `transform` before they meet the codes. `weights` are those of the
    loss that diagnostics report; `tables` tell how the codebooks came about.
    """

    index: faiss.IndexPQ
    transform: Transform | None
    weights: PointWeights
    tables: Mapping[str, Table]
    coarse: CoarseCodes | None = None


@dataclass(frozen=True)
class CoarseCodes:
    """Centres `(256, d)` as the codes take them, and which of them each row has, `(n,)` uint8.

    The codes of the rows are then those of their residuals.
    """

    centres: Float32
    codes: Codes


@dataclass(frozen=True)
class TrainedCodes:
    """Codebooks `(M, K, d/M)` in float32's precision, and how rows come to their codes."""

    codebooks: Float64
    transform: Transform | None
    encoder: Encoder
    weights: PointWeights
    tables: Mapping[str, Table]

    def codes(self, points: Float32, rows: slice, directions: Float32 | None = None) -> Codes:
        """Return the codes `(n, M)` of points that belong to these rows; see `encode`."""
        gains = weights_of(gains_of(self.weights.eta), rows)
        if directions is not None:
            directions = turned(directions, self.transform)
        return self.encoder.codes(turned(points, self.transform), gains, self.codebooks, directions)


def turned(points: Float32, turn: Transform | None) -> Float32:
    """Return points as the codes take them, read-only."""
    if turn is not None:
        return turn.apply(points)
    if points.flags.writeable:
        points = points.view()
        points.flags.writeable = False
    return points


def tiny_rows(dimension: int) -> Float32:
    """Return a few random rows of the type and layout of a base, to compile with."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((_TINY_ROWS, dimension), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows.flags.writeable = False
    return rows


class Quantizer(Protocol):
    """Trains codebooks and encodes a base by them."""

    def prepare(self, dimension: int, metric: Metric, parameters: Parameters) -> None:
        """Compile what `quantize` needs."""
        ...

    def quantize(self, base: Float32, metric: Metric, parameters: Parameters) -> Quantized:
        """Return the base `(n, d)` in codes."""
        ...


@dataclass(frozen=True)
class ComposedQuantizer:
    """Our own quantizer: its loss weighs the points, then it trains, then it encodes.

    Parameters
    ----------
    loss, trainer, encoder
        The parts.
    training_points
        How many base rows to train on, at most; None is 20,000 or 32 MiB of them, whichever is
        less, but no fewer than 100 for every codeword.
    """

    loss: Loss
    trainer: Trainer
    encoder: Encoder
    training_points: int | None = None

    def prepare(self, dimension: int, metric: Metric, parameters: Parameters) -> None:
        """Compile, or load from numba's cache, what `quantize` needs.

        Quantizes `tiny_rows`.
        """
        self.quantize(tiny_rows(dimension), metric, parameters)

    def quantize(self, base: Float32, metric: Metric, parameters: Parameters) -> Quantized:
        """Return the base `(n, d)` in codes."""
        coarse = _coarse_partition(base, metric, parameters) if parameters.coarse else None
        trained = self.trained(base, metric, parameters, coarse.residuals if coarse else None)
        index = empty_index(trained.codebooks, metric)
        for rows in blocks(len(base), _ENCODED_ROWS):
            points = base[rows]
            codes = (
                trained.codes(coarse.residuals(points, rows), rows, points)
                if coarse
                else trained.codes(points, rows)
            )
            add_codes(index, codes)
        told = trained.transform, trained.weights, trained.tables
        return Quantized(index, *told, _coarse_codes(coarse, trained) if coarse else None)

    def trained(
        self,
        base: Float32,
        metric: Metric,
        parameters: Parameters,
        residuals: Callable[[Float32, Ids], Float32] | None = None,
    ) -> TrainedCodes:
        """Return codebooks for the base `(n, d)`, or for what `residuals` makes of some rows.

        `residuals` takes points and their row numbers. The direction stays that of the points.
        """
        parameters.require_nbits(_MOST_BITS)
        rows = self._sampled(len(base), base[:1].nbytes, parameters)
        points = base[rows]
        require_squares(points)
        weights = self.loss.weights(base, metric, parameters)
        coded = points if residuals is None else residuals(points, rows)
        turn = transform(coded, parameters)
        sample = Sample.of(
            turned(coded, turn),
            gains_of(weights_of(weights.eta, rows)),
            weights_of(weights.perpendicular, rows),
            None if residuals is None else turned(points, turn),
        )
        start = random_codebooks(
            sample.points,
            parameters.subspaces(base.shape[1]),
            parameters.codewords,
            np.random.default_rng([parameters.seed, 1]),
        )
        trained = self.trainer.train(sample, start)
        return TrainedCodes(
            trained.codebooks.astype(np.float32).astype(np.float64),
            turn,
            self.encoder,
            weights,
            {**trained.tables(), **self.loss.tables(weights)},
        )

    def _sampled(self, n: int, row_bytes: int, parameters: Parameters) -> Ids:
        bounded = min(_SAMPLED_ROWS, _SAMPLE_BYTES // row_bytes)
        wanted = self.training_points or max(bounded, _ROWS_PER_CODEWORD * parameters.codewords)
        rows = np.random.default_rng(parameters.seed).choice(n, min(n, int(wanted)), replace=False)
        rows.sort()
        return rows


def _coarse_partition(base: Float32, metric: Metric, parameters: Parameters) -> Partition:
    if metric == "euclidean":
        parameters.refuse_coarse("rows with coarse codes are scored by inner products alone")
    if parameters.nbits != COARSE_BITS:
        raise UserError(
            "coarse codes go with codes of 8 bits",
            where="build parameter nbits",
            expected=str(COARSE_BITS),
            got=str(parameters.nbits),
        )
    require_squares(base)
    lists = min(1 << COARSE_BITS, len(base))
    # Euclidean for every metric: what is to be short is the residual.
    return partition(base, "euclidean", nlist=lists, spill=None, seed=parameters.seed)


def _coarse_codes(coarse: Partition, trained: TrainedCodes) -> CoarseCodes:
    missing = (1 << COARSE_BITS) - len(coarse.centres)  # of few rows: no code names these
    centres = np.pad(coarse.centres, ((0, missing), (0, 0)), mode="edge")
    return CoarseCodes(turned(centres, trained.transform), coarse.lists[:, 0].astype(np.uint8))


def gains_of(eta: Float64) -> Float32:
    """Return eta - 1, what the kernels compute with."""
    return (eta - 1).astype(np.float32)
