"""The entries of inverted lists: codes of residuals, of which a search visits some lists."""

from __future__ import annotations

from copy import copy
from typing import Any

from harness.contracts import Metric

from .adapter import CodeIndex
from .arrays import Float32, plain
from .encoding import Encoder, require_squares
from .list_scanner import ListScanner, require_scannable
from .loss import Eta, EuclideanLoss, Formula, ScoreAwareLoss
from .parameters import Parameters
from .partition import lists_for, partition
from .quantizer import ComposedQuantizer, tiny_rows
from .reranking import Reranker
from .training import JointTraining, KMeans

_TINY_LISTS = 4


class InvertedLists(CodeIndex):
    """Inverted lists of codes of the residuals to their centres, the best re-ranked.

    Parameters
    ----------
    metric
        Rows are scored by their inner product with the query, or by L2 for `euclidean`.
    quantizer
        Makes the codes. The direction of its loss is that of the row, not of the residual.
    parameters
        The size of the codes, and what surrounds them; nbits is 4, or 8 on processors with AVX-512
        VBMI.
    nlist
        The number of lists; None is about 2 sqrt(n).
    spill
        Put each row into a second list, too; see `partition`.
    """

    _quantizer: ComposedQuantizer
    _scanner: ListScanner  # type: ignore[assignment]  # searched alike, but for its settings

    def __init__(
        self,
        metric: Metric,
        quantizer: ComposedQuantizer,
        parameters: Parameters,
        nlist: int | None,
        spill: float | None,
    ) -> None:
        super().__init__(metric, quantizer, parameters, "bounded")
        self._nlist, self._spill = nlist, spill

    def prepare(self, shape: tuple[int, int]) -> None:
        """Compile what `fit` needs. Not timed."""
        tiny = copy(self)
        tiny._nlist = _TINY_LISTS
        tiny.fit(tiny_rows(shape[1]))

    def fit(self, base: Float32) -> None:
        """Partition, train and encode. Timed."""
        require_scannable(self._parameters.nbits)
        self._parameters.refuse_coarse("the centres of lists are coarse codes already")
        self._base = base = plain(base)
        require_squares(base)
        lists = partition(
            base,
            self.metric,
            nlist=self._nlist or lists_for(len(base)),
            spill=self._spill,
            seed=self._parameters.seed,
        )
        trained = self._quantizer.trained(base, self.metric, self._parameters, lists.residuals)
        self._weights, self._tables = trained.weights, trained.tables
        reranker = Reranker(base, self.metric, self._parameters.rerank_copy)
        self._scanner = ListScanner(
            base, lists, trained, reranker, euclidean=self.metric == "euclidean"
        )

    def set_search(self, *, nprobe: int = 1, rerank: int = 0) -> None:
        """Visit `nprobe` lists, and re-rank the best `rerank` entries in them; 0 is none."""
        self._scanner.set_search(nprobe, rerank)


class ProductQuantizerIVF(InvertedLists):
    """Inverted lists of product-quantized residuals, under any metric: every error weighs the same.

    Parameters
    ----------
    iterations
        Most iterations of k-means of the codebooks.
    nlist, spill
        See `InvertedLists`.
    training_points
        As for `ComposedQuantizer`.
    **codes
        See `Parameters`.
    """

    def __init__(
        self,
        metric: Metric,
        *,
        iterations: int = 25,
        training_points: int | None = None,
        nlist: int | None = None,
        spill: float | None = None,
        **codes: Any,
    ) -> None:
        quantizer = ComposedQuantizer(
            EuclideanLoss(), KMeans(iterations), Encoder(), training_points
        )
        super().__init__(metric, quantizer, Parameters(**codes), nlist, spill)


class AnisotropicIVF(InvertedLists):
    """Inverted lists of codes trained jointly and encoded with the score-aware loss.

    Parameters
    ----------
    metric
        `angular` or `inner_product`.
    threshold, eta_formula, eta
        See `ScoreAwareLoss`.
    iterations
        Most iterations of joint training, begun from `kmeans_iterations` of k-means.
    training_points, nlist, spill, **codes
        As for `ProductQuantizerIVF`.
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
        training_points: int | None = None,
        nlist: int | None = None,
        spill: float | None = None,
        **codes: Any,
    ) -> None:
        quantizer = ComposedQuantizer(
            ScoreAwareLoss(threshold, eta_formula, eta),
            JointTraining(kmeans_iterations, iterations),
            Encoder(),
            training_points,
        )
        super().__init__(metric, quantizer, Parameters(**codes), nlist, spill)
