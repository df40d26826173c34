"""The quantizers trained here: product quantization under the Euclidean and the score-aware loss.

All are one code base in which the Euclidean loss is the case eta = 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from harness.contracts import Metric, UserError

from .base import ScannedCodes, check_nbits
from .encoding import Float32, Float64, encode
from .reranking import CopyKind
from .rotation import RotationKind, transform
from .scanner import ScanKind, add_codes, blocks, empty_index
from .training import Sample, Trained, random_codebooks, train
from .tuning import tuned_eta
from .weights import Formula, PointWeights, point_weights

_TINY_ROWS = 300
_ENCODED_ROWS = 1 << 16  # at a time
_TUNING_ROWS = 10_000
_SAMPLE_BYTES = 1 << 25  # training holds the sample twice


class ProductQuantizer(ScannedCodes):
    """Product quantization with k-means codebooks.

    Parameters
    ----------
    metric
        Any. Rows are scored by their inner product with the query, or by L2 for `euclidean`.
    M, nbits
        Subspaces (any number; above d it means d), and bits of each code, 1 to 8: M nbits bits per
        vector. Where M does not divide d, some subspaces have a dimension fewer than others.
    seed
        Of the training sample, the random start and the rotation.
    iterations
        Most iterations of k-means.
    training_points
        How many base rows to train on, at most; null is 20,000 or 32 MiB of them, whichever is
        less, but no fewer than 100 for every codeword.
    rotation
        Turn the space first: `none`, `random` or `opq`.
    rerank_copy
        What re-ranking reads: `float32` or `uint8`.
    scan
        `bounded`, our own for 4-bit codes (FAISS's for others), `faiss`, or `auto`: ours from
        100,000 rows on, for up to 64 subspaces.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        M: int,
        nbits: int = 4,
        seed: int = 0,
        iterations: int = 25,
        training_points: int | None = None,
        rotation: RotationKind = "none",
        rerank_copy: CopyKind = "float32",
        scan: ScanKind = "auto",
        **more: Any,
    ) -> None:
        super().__init__(
            metric,
            M=M,
            nbits=nbits,
            seed=seed,
            iterations=iterations,
            training_points=training_points,
            rotation=rotation,
            rerank_copy=rerank_copy,
            scan=scan,
            **more,
        )

    def prepare(self, shape: tuple[int, int]) -> None:
        """Compile, or load from numba's cache, what `fit` needs. Not timed.

        Builds a small index of random rows of the same type and layout as the base.
        """
        rows = np.random.default_rng(0).standard_normal((_TINY_ROWS, shape[1]), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        rows.flags.writeable = False
        twin = type(self)(self.metric, **self.build)
        twin.fit(rows)

    def _make_index(self, base: Float32) -> faiss.IndexPQ:
        check_nbits(self.build["nbits"], 8)
        self._losses = self._point_weights(base)
        self._trained = self._train(self._sample(base))
        return self._encode_all(base)

    def _point_weights(self, base: Float32) -> PointWeights:
        return PointWeights(np.ones(1), np.ones(1))

    def _weights(self) -> PointWeights:
        return self._losses

    def _sample(self, base: Float32) -> Sample:
        count = min(len(base), self._training_rows(base))
        rows = np.random.default_rng(self.build["seed"]).choice(len(base), count, replace=False)
        rows.sort()
        points = base[rows]
        kind, nbits, seed = (self.build[name] for name in ("rotation", "nbits", "seed"))
        self._transform = transform(kind, points, self._subspaces, nbits, seed)
        gains, weights = (_take(array, rows) for array in self._losses)
        return Sample.of(self._turned(points), (gains - 1).astype(np.float32), weights)

    def _training_rows(self, base: Float32) -> int:
        bounded = min(20_000, _SAMPLE_BYTES // base[:1].nbytes)
        return int(self.build["training_points"] or max(bounded, 100 << self.build["nbits"]))

    def _turned(self, rows: Float32) -> Float32:
        return rows if self._transform is None else self._transform.apply(rows)

    def _train(self, sample: Sample) -> Trained:
        return self._kmeans(sample, self.build["iterations"])

    def _kmeans(self, sample: Sample, iterations: int) -> Trained:
        rng = np.random.default_rng([self.build["seed"], 1])
        start = random_codebooks(sample.points, self._subspaces, 1 << self.build["nbits"], rng)
        return train(sample.euclidean(), start, iterations=iterations)

    def _encode_all(self, base: Float32) -> faiss.IndexPQ:
        codebooks = self._trained.codebooks.astype(np.float32).astype(np.float64)
        index = empty_index(codebooks, self.metric)
        gains = (self._encoding_eta() - 1).astype(np.float32)
        ruled = self.build.get("scann_compatible", False)
        for rows in blocks(len(base), _ENCODED_ROWS):
            points = self._turned(base[rows])
            encoded = encode(points, _take(gains, rows), codebooks, scann_compatible=ruled)
            add_codes(index, encoded.codes)
        return index

    def _encoding_eta(self) -> Float64:
        return self._losses.eta

    def diagnostics(self) -> Mapping[str, Mapping[str, NDArray[Any]]]:
        """Return the tables `training` (loss over that of codewords 0) and `distortion`."""
        return {"training": training_table(self._trained.losses), **super().diagnostics()}


class AnisotropicPQ(ProductQuantizer):
    """Product quantization trained and encoded with the score-aware loss.

    Guo et al., ICML 2020: the error along a vector weighs eta times the error across it.

    Parameters
    ----------
    metric
        `angular` or `inner_product`.
    threshold, eta_formula
        T, and how eta follows from it: `exact`, or `limit` (d to infinity, what is often quoted).
    eta
        The ratio itself, instead of the two; or `tuned`: the one with which held-out rows of the
        base find their neighbours best (see `tuning`), for data whose rows lie close together.
    iterations
        Most iterations of joint training, begun from `kmeans_iterations` of k-means.
    scann_compatible
        Encode by the rule of the scann package: no move may raise the parallel part.
    **more
        As for `ProductQuantizer`.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        threshold: float = 0.2,
        eta_formula: Formula = "exact",
        eta: float | Literal["tuned"] | None = None,
        iterations: int = 10,
        kmeans_iterations: int = 10,
        scann_compatible: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(
            metric,
            threshold=threshold,
            eta_formula=eta_formula,
            eta=eta,
            iterations=iterations,
            kmeans_iterations=kmeans_iterations,
            scann_compatible=scann_compatible,
            **more,
        )

    def _make_index(self, base: Float32) -> faiss.IndexPQ:
        if self.metric == "euclidean":
            raise UserError(
                "the score-aware loss is about inner products",
                where="metric",
                expected="angular or inner_product",
                got="euclidean",
                hint="use pq",
            )
        return super()._make_index(base)

    def _point_weights(self, base: Float32) -> PointWeights:
        unit = self.metric == "angular"
        norms = np.ones(1) if unit else _norms(base)
        return point_weights(
            norms,
            base.shape[1],
            threshold=self.build["threshold"],
            formula=self.build["eta_formula"],
            eta=self._tuned_eta(base) if self.build["eta"] == "tuned" else self.build["eta"],
            unit=unit,
        )

    def _tuned_eta(self, base: Float32) -> float:
        rng = np.random.default_rng([self.build["seed"], 2])
        rows = np.sort(rng.choice(len(base), min(len(base), _TUNING_ROWS), replace=False))
        kind, nbits, seed = (self.build[name] for name in ("rotation", "nbits", "seed"))
        points = base[rows]
        turn = transform(kind, points, self._subspaces, nbits, seed)
        points = points if turn is None else turn.apply(points)
        return tuned_eta(points, self._subspaces, 1 << nbits, rng)

    def diagnostics(self) -> Mapping[str, Mapping[str, NDArray[Any]]]:
        """Return the table `loss`, the mean eta over the rows, besides the others."""
        return {**super().diagnostics(), "loss": {"eta": np.array([self._losses.eta.mean()])}}

    def _train(self, sample: Sample) -> Trained:
        start = self._kmeans(sample, self.build["kmeans_iterations"])
        return train(sample, start.codebooks, iterations=self.build["iterations"])


class ScannStylePQ(AnisotropicPQ):
    """What the scann package does: k-means codebooks, and the score-aware loss at encoding only.

    Parameters
    ----------
    **build
        As for `AnisotropicPQ`; `iterations` are those of k-means. The defaults are scann's: the
        limit formula and its rule of encoding.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        eta_formula: Formula = "limit",
        iterations: int = 10,
        scann_compatible: bool = True,
        **build: Any,
    ) -> None:
        super().__init__(
            metric,
            eta_formula=eta_formula,
            iterations=iterations,
            scann_compatible=scann_compatible,
            **build,
        )

    def _train(self, sample: Sample) -> Trained:
        return self._kmeans(sample, self.build["iterations"])


def training_table(losses: list[float]) -> dict[str, NDArray[Any]]:
    """Return the columns `iteration` and `loss`."""
    return {"iteration": np.arange(len(losses)), "loss": np.array(losses)}


def _take(weights: NDArray[Any], rows: NDArray[np.int64] | slice) -> NDArray[Any]:
    return weights[rows] if len(weights) > 1 else weights


def _norms(base: Float32) -> Float64:
    parts = [np.linalg.norm(base[rows].astype(np.float64), axis=1) for rows in blocks(len(base))]
    return np.concatenate(parts)
