"""Product quantization put together from a loss, a trainer and an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import faiss
import numpy as np

from harness.contracts import Metric, Table

from .arrays import Float32, Float64, Ids, blocks, weights_of
from .encoding import Encoder, require_squares
from .faiss_codes import add_codes, empty_index
from .loss import Loss, PointWeights
from .parameters import Parameters
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

        Quantizes a few random rows of the same type and layout as the base.
        """
        rng = np.random.default_rng(0)
        rows = rng.standard_normal((_TINY_ROWS, dimension), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        rows.flags.writeable = False
        self.quantize(rows, metric, parameters)

    def quantize(self, base: Float32, metric: Metric, parameters: Parameters) -> Quantized:
        """Return the base `(n, d)` in codes."""
        parameters.require_nbits(_MOST_BITS)
        rows = self._sampled(len(base), base[:1].nbytes, parameters)
        points = base[rows]
        require_squares(points)
        weights = self.loss.weights(base, metric, parameters)
        turn = transform(points, parameters)
        sample = Sample.of(
            points if turn is None else turn.apply(points),
            gains_of(weights_of(weights.eta, rows)),
            weights_of(weights.perpendicular, rows),
        )
        start = random_codebooks(
            sample.points,
            parameters.subspaces(base.shape[1]),
            parameters.codewords,
            np.random.default_rng([parameters.seed, 1]),
        )
        trained = self.trainer.train(sample, start)
        index = self._encoded(base, trained.codebooks, turn, weights.eta, metric)
        return Quantized(index, turn, weights, {**trained.tables(), **self.loss.tables(weights)})

    def _sampled(self, n: int, row_bytes: int, parameters: Parameters) -> Ids:
        bounded = min(_SAMPLED_ROWS, _SAMPLE_BYTES // row_bytes)
        wanted = self.training_points or max(bounded, _ROWS_PER_CODEWORD * parameters.codewords)
        rows = np.random.default_rng(parameters.seed).choice(n, min(n, int(wanted)), replace=False)
        rows.sort()
        return rows

    def _encoded(
        self,
        base: Float32,
        codebooks: Float64,
        turn: Transform | None,
        eta: Float64,
        metric: Metric,
    ) -> faiss.IndexPQ:
        codebooks = codebooks.astype(np.float32).astype(np.float64)
        index = empty_index(codebooks, metric)
        gains = gains_of(eta)
        for rows in blocks(len(base), _ENCODED_ROWS):
            points = base[rows] if turn is None else turn.apply(base[rows])
            add_codes(index, self.encoder.codes(points, weights_of(gains, rows), codebooks))
        return index


def gains_of(eta: Float64) -> Float32:
    """Return eta - 1, what the kernels compute with."""
    return (eta - 1).astype(np.float32)
