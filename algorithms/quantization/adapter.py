"""The entries of this folder: an index of codes that are scanned whole, and six ways to make them.

All are one class; they differ in the quantizer that it is given. The Euclidean loss is the case
eta = 1 of the score-aware one. Those that cut the rows into lists are in `list_adapter`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.contracts import Algorithm, Attributes, Bitmap, Metric, Table

from .arrays import Float32, Ids, plain
from .distortion import distortion, neighbour_errors
from .encoding import Encoder
from .faiss_quantizer import FaissQuantizer
from .loss import Eta, EuclideanLoss, Formula, ScoreAwareLoss
from .parameters import Parameters, ScanKind
from .quantizer import ComposedQuantizer, Quantizer
from .reranking import Reranker
from .scanner import Scanner, require_coarse_scan
from .training import JointTraining, KMeans, SubspaceTraining

_QUERIES_KEPT = 200  # for diagnostics


class CodeIndex(Algorithm):
    """Codes of all rows, scanned whole, the best re-ranked if asked.

    Parameters
    ----------
    metric
        Rows are scored by their inner product with the query, or by L2 for `euclidean`.
    quantizer
        Makes the codes.
    parameters
        Their size, and what surrounds them.
    scan
        `bounded`, our own for codes that the processor looks up (FAISS's for others), `faiss`, or
        `auto`, which chooses by size; see `scan_of`.
    """

    _queries: Float32 | None = None

    def __init__(
        self, metric: Metric, quantizer: Quantizer, parameters: Parameters, scan: ScanKind
    ) -> None:
        super().__init__(metric)
        self._quantizer = quantizer
        self._parameters = parameters
        self._scan = scan

    def prepare(self, shape: tuple[int, int]) -> None:
        """Compile what `fit` needs. Not timed."""
        self._quantizer.prepare(shape[1], self.metric, self._parameters)

    def fit(self, base: Float32) -> None:
        """Train and encode. Timed."""
        if self._parameters.coarse:
            require_coarse_scan(self._scan)
        self._base = base = plain(base)
        reranker = Reranker(base, self.metric, self._parameters.rerank_copy)
        quantized = self._quantizer.quantize(base, self.metric, self._parameters)
        self._weights, self._tables = quantized.weights, quantized.tables
        self._scanner = Scanner(quantized, reranker, self._scan)

    def set_search(self, *, rerank: int = 0) -> None:
        """Re-rank the best `rerank` candidates by the copy of their vectors; 0 is none."""
        self._scanner.set_search(rerank)

    def warm_up(self, queries: Float32, k: int) -> None:
        """Compile for read-only queries, one and many. Not timed."""
        self._queries = queries[:_QUERIES_KEPT]
        self.query(queries[0], k)
        self.query_batch(queries[:2], k)

    def query(self, query: Float32, k: int) -> Ids:
        """Return the ids of the k best, `(k,)`. Timed."""
        ids: Ids = self._scanner.search(plain(query[None, :]), k)[0]
        return ids

    def fit_filtered(self, base: Float32, attributes: Attributes) -> None:
        """Train and encode for our own scan, which takes filters. Timed."""
        if self._scan == "auto":
            self._scan = "bounded"
        self.fit(base)

    def query_filtered(  # type: ignore[override]
        self, query: Float32, k: int, filter: Bitmap
    ) -> Ids:
        """Return the ids of the k best of the matching rows, `(k,)`. Timed."""
        ids: Ids = self._scanner.search(plain(query[None, :]), k, filter.bits)[0]
        return ids

    def query_batch(self, queries: Float32, k: int) -> Ids:
        """Return the ids of the k best for every query, `(nq, k)`. Timed."""
        return self._scanner.search(plain(queries), k)

    def distance_computations(self, queries: Float32, k: int) -> int:
        """Return the codes that are scanned and the candidates that are re-ranked."""
        return self._scanner.distance_computations(queries, k)

    def index_bytes(self) -> int:
        """Return the bytes of codes, codebooks and, with re-ranking, the vectors."""
        return self._scanner.index_bytes()

    def reconstruct(self, rows: slice) -> Float32:
        """Return the vectors that the codes of these rows stand for, `(rows, d)`."""
        return self._scanner.reconstruct(np.arange(rows.start, rows.stop))

    def diagnostics(self) -> Mapping[str, Table]:
        """Return what the quantizer tells, and of one row `distortion` and `scan`. Not timed.

        After `warm_up`, that holds the errors at true neighbours of some queries, too. A quantizer
        of ours adds `training`, its loss over that of codewords 0; with the score-aware loss
        `loss`, the mean eta over the rows. `scan` names the kernel that reads the codes on this
        processor.
        """
        table = distortion(self._base, self.reconstruct, self._weights, self._scanner.bits)
        if self._queries is not None:
            table |= neighbour_errors(
                self._base,
                np.asarray(self._queries),
                self._scanner.reconstruct,
                euclidean=self.metric == "euclidean",
            )
        scan = {"kernel": np.array([self._scanner.kernel])}
        return {**self._tables, "distortion": table, "scan": scan}


class ProductQuantizer(CodeIndex):
    """Product quantization with k-means codebooks, under any metric.

    Parameters
    ----------
    iterations
        Most iterations of k-means.
    training_points
        As for `ComposedQuantizer`.
    scan
        As for `CodeIndex`.
    **codes
        See `Parameters`; nbits is at most 8.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        iterations: int = 25,
        training_points: int | None = None,
        scan: ScanKind = "auto",
        **codes: Any,
    ) -> None:
        quantizer = ComposedQuantizer(
            EuclideanLoss(), KMeans(iterations), Encoder(), training_points
        )
        super().__init__(metric, quantizer, Parameters(**codes), scan)


class AnisotropicPQ(CodeIndex):
    """Product quantization trained and encoded with the score-aware loss.

    Guo et al., ICML 2020: the error along a vector weighs eta times the error across it.

    Parameters
    ----------
    metric
        `angular` or `inner_product`.
    threshold, eta_formula, eta
        See `ScoreAwareLoss`.
    iterations
        Most iterations of joint training, begun from `kmeans_iterations` of k-means.
    scann_compatible
        See `Encoder`.
    training_points, scan, **codes
        As for `ProductQuantizer`.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        threshold: float = 0.2,
        eta_formula: Formula = "exact",
        eta: Eta = None,
        iterations: int = 10,
        kmeans_iterations: int = 10,
        scann_compatible: bool = False,
        training_points: int | None = None,
        scan: ScanKind = "auto",
        **codes: Any,
    ) -> None:
        quantizer = ComposedQuantizer(
            ScoreAwareLoss(threshold, eta_formula, eta),
            JointTraining(kmeans_iterations, iterations),
            Encoder(scann_compatible=scann_compatible),
            training_points,
        )
        super().__init__(metric, quantizer, Parameters(**codes), scan)


class ScannStylePQ(CodeIndex):
    """What the scann package does: k-means codebooks, and the score-aware loss at encoding only.

    The defaults are scann's: the limit formula and its rule of encoding.

    Parameters
    ----------
    iterations
        Of k-means.
    **others
        As for `AnisotropicPQ`.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        threshold: float = 0.2,
        eta_formula: Formula = "limit",
        eta: Eta = None,
        iterations: int = 10,
        scann_compatible: bool = True,
        training_points: int | None = None,
        scan: ScanKind = "auto",
        **codes: Any,
    ) -> None:
        quantizer = ComposedQuantizer(
            ScoreAwareLoss(threshold, eta_formula, eta),
            KMeans(iterations),
            Encoder(scann_compatible=scann_compatible),
            training_points,
        )
        super().__init__(metric, quantizer, Parameters(**codes), scan)


class NotebookAnisotropicPQ(CodeIndex):
    """The procedure of the notebook that this project began with, kept on purpose, faults and all.

    Its score-aware loss takes the direction from the subvector, not from the whole vector, and its
    encoding is the nearest codeword, not the least loss: both throw away what the loss should gain.
    The defaults are the notebook's: the limit formula for the whole dimension, at most 100
    iterations, every base row trained on.

    Parameters
    ----------
    iterations, codebook_tolerance
        See `SubspaceTraining`.
    **others
        As for `AnisotropicPQ`.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        threshold: float = 0.2,
        eta_formula: Formula = "limit",
        eta: Eta = None,
        iterations: int = 100,
        codebook_tolerance: float = 1e-5,
        training_points: int | None = None,
        scan: ScanKind = "auto",
        **codes: Any,
    ) -> None:
        quantizer = ComposedQuantizer(
            ScoreAwareLoss(threshold, eta_formula, eta),
            SubspaceTraining(iterations, codebook_tolerance),
            Encoder(nearest=True),
            training_points or sys.maxsize,
        )
        super().__init__(metric, quantizer, Parameters(**codes), scan)


class FaissPQ(CodeIndex):
    """FAISS's product quantization, the baseline: trained, encoded and scanned by FAISS.

    Parameters
    ----------
    metric
        Any; FAISS always trains and encodes under the Euclidean loss.
    iterations
        Of FAISS's k-means.
    **codes
        See `Parameters`; nbits is at most 12.
    """

    def __init__(self, metric: Metric, *, iterations: int = 25, **codes: Any) -> None:
        super().__init__(metric, FaissQuantizer(iterations), Parameters(**codes), "faiss")
