"""Losses: how much an error along the vector weighs against one across it.

Source: Guo et al., "Accelerating Large-Scale Inference with Anisotropic Vector Quantization", ICML
2020, for the weight w(t) = 1 where the inner product t with a unit query is at least T, else 0.
The Euclidean loss is the case eta = 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from harness.contracts import Metric, Table, UserError

from .arrays import Float32, Float64, norms_of
from .parameters import Parameters
from .tuning import tuned_eta

Formula = Literal["exact", "limit"]
Eta = float | Literal["tuned"] | None

_RATIO_CEILING = 0.99
"""Rows with |x| <= T can never score T; eta has a pole there, so T/|x| stops short of 1."""

_INTERPOLATION_NODES = 4096

_UNDERFLOW = 1e-250

_CONE_LENGTH = 0.6
"""Mean directions longer than this are those of a cone: glove-100 .14, Fashion-MNIST .77."""

_CONE_ROWS = 10_000


class PointWeights(NamedTuple):
    """Loss of a point: `perpendicular * (|r|^2 + (eta - 1) <r, x>^2 / |x|^2)`.

    Both arrays are float64, `(n,)`, or `(1,)` where all points have the same.
    """

    eta: Float64
    perpendicular: Float64


EUCLIDEAN = PointWeights(np.ones(1), np.ones(1))


class Loss(Protocol):
    """Weighs the error of every point."""

    def weights(self, base: Float32, metric: Metric, parameters: Parameters) -> PointWeights:
        """Return the weights of the rows `(n, d)`."""
        ...

    def tables(self, weights: PointWeights) -> Mapping[str, Table]:
        """Return what diagnostics tell of the weights."""
        ...


@dataclass(frozen=True)
class EuclideanLoss:
    """All errors weigh the same."""

    def weights(self, base: Float32, metric: Metric, parameters: Parameters) -> PointWeights:
        """Return eta = 1."""
        return EUCLIDEAN

    def tables(self, weights: PointWeights) -> Mapping[str, Table]:
        """Return nothing: there is nothing to choose."""
        return {}


@dataclass(frozen=True)
class ScoreAwareLoss:
    """An error along a point weighs eta times one across it.

    Parameters
    ----------
    threshold, formula
        T, and how eta follows from it: `exact`, or `limit` (d to infinity, what is often quoted).
    eta
        The ratio itself, instead of the two; or `tuned`: the one with which held-out rows of the
        base find their neighbours best (see `tuning`), for data whose rows lie close together.
    """

    threshold: float
    formula: Formula
    eta: Eta = None

    def weights(self, base: Float32, metric: Metric, parameters: Parameters) -> PointWeights:
        """Return the weights of the rows `(n, d)`; `euclidean` is refused."""
        if metric == "euclidean":
            raise UserError(
                "the score-aware loss is about inner products",
                where="metric",
                expected="angular or inner_product",
                got="euclidean",
                hint="use pq",
            )
        unit = metric == "angular"
        if self.threshold and self.eta is None:
            _warn_of_a_cone(base)
        return point_weights(
            np.ones(1) if unit else norms_of(base),
            base.shape[1],
            threshold=self.threshold,
            formula=self.formula,
            eta=tuned_eta(base, parameters) if self.eta == "tuned" else self.eta,
            unit=unit,
        )

    def tables(self, weights: PointWeights) -> Mapping[str, Table]:
        """Return `loss`, the mean eta over the rows."""
        return {"loss": {"eta": np.array([weights.eta.mean()])}}


def eta_exact(ratio: ArrayLike, dimension: int) -> Float64:
    """Return eta = (d-1) (I_{d-2}/I_d - 1), with I_p the integral of sin^p from 0 to arccos(ratio).

    Parameters
    ----------
    ratio
        T / |x|, in [0, 1); any shape.
    dimension
        d, at least 2.

    """
    ratio = np.asarray(ratio, dtype=np.float64)
    longer = _log_sine_integral(dimension, ratio)
    eta = (dimension - 1) * np.expm1(_log_sine_integral(dimension - 2, ratio) - longer)
    return np.where(ratio == 0, 1.0, np.maximum(eta, 1.0))


def eta_limit(ratio: ArrayLike, dimension: int) -> Float64:
    """Return eta = (d-1) ratio^2 / (1 - ratio^2), what `eta_exact` tends to for large d.

    Never below 1: for T < |x|/sqrt(d) the formula would reverse the anisotropy.
    """
    squared = np.asarray(ratio, dtype=np.float64) ** 2
    return np.maximum((dimension - 1) * squared / (1.0 - squared), 1.0)


def point_weights(
    norms: Float64,
    dimension: int,
    *,
    threshold: float,
    formula: Formula = "exact",
    eta: float | None = None,
    unit: bool,
) -> PointWeights:
    """Return the weights of points with these norms.

    Parameters
    ----------
    norms
        `(n,)` float64.
    dimension
        d of the whole vectors.
    threshold
        T in [0, 1): for unit rows the inner product itself, otherwise in units of the root mean
        square norm of these points.
    formula
        `exact` or `limit`.
    eta
        If given, taken for every point, and `threshold` and `formula` are not used.
    unit
        True where every row has norm 1 or 0: one weight serves all.

    Raises
    ------
    UserError
        If the threshold is outside [0, 1), eta is below 1 or the formula is unknown.
    """
    _check(threshold, formula, eta)
    one = np.ones(1)
    if eta is not None:
        return PointWeights(one * eta, one)
    if threshold == 0 or dimension == 1:
        return EUCLIDEAN
    if unit:
        return PointWeights(_eta(one * threshold, dimension, formula), one)
    return _weights_by_norm(norms, dimension, threshold, formula)


def _warn_of_a_cone(base: Float32) -> None:
    """Warn where eta by the formula is useless: it takes queries to come from all sides."""
    rows = np.asarray(base[:: -(-len(base) // _CONE_ROWS)], dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    mean = (rows[lengths > 0] / lengths[lengths > 0, None]).mean(axis=0) if lengths.any() else 0.0
    narrow = float(np.linalg.norm(mean))
    if narrow > _CONE_LENGTH:
        warnings.warn(
            f"the rows lie in a cone (their mean direction has length {narrow:.2f}), for which the "
            "formula of eta is not made: recall may be worse than that of pq; try eta: tuned",
            stacklevel=2,
        )


def _check(threshold: float, formula: str, eta: float | str | None) -> None:
    if eta is not None and (isinstance(eta, str) or not 1 <= eta < np.inf):
        raise UserError(
            "eta is the weight of the parallel error over the orthogonal one",
            where="build parameter eta",
            expected="a number of at least 1, or tuned",
            got=str(eta),
        )
    if not 0 <= threshold < 1:
        raise UserError(
            "no inner product of unit vectors reaches this threshold",
            where="build parameter threshold",
            expected="0 <= threshold < 1 (0 is the Euclidean loss)",
            got=str(threshold),
        )
    if formula not in ("exact", "limit"):
        raise UserError(
            "unknown formula for eta",
            where="build parameter eta_formula",
            expected="exact or limit",
            got=repr(formula),
        )


def _eta(ratio: Float64, dimension: int, formula: Formula) -> Float64:
    return (eta_exact if formula == "exact" else eta_limit)(ratio, dimension)


def _weights_by_norm(
    norms: Float64, dimension: int, threshold: float, formula: Formula
) -> PointWeights:
    scale = np.sqrt(np.mean(norms**2))
    if scale == 0:
        return EUCLIDEAN
    lengths = np.where(norms > 0, norms, np.inf)
    ratio = np.minimum(threshold * scale / lengths, _RATIO_CEILING)
    ratio[norms == 0] = _RATIO_CEILING
    nodes = np.linspace(ratio.min(), ratio.max(), _INTERPOLATION_NODES)
    log_eta = np.interp(ratio, nodes, np.log(_eta(nodes, dimension, formula)))
    log_weight = np.interp(ratio, nodes, _log_sine_integral(dimension, nodes))
    eta = np.where(norms > 0, np.exp(log_eta), 1.0)
    weight = np.exp(log_weight - log_weight.max())
    return PointWeights(eta, weight / weight.mean())


def _log_sine_integral(power: int, ratio: Float64) -> Float64:
    """Log of I_p, the integral of sin^p from 0 to arccos(ratio).

    By the incomplete beta function; where that underflows (large p, small angles) by the series
    I_p = z^((p+1)/2) / (p+1) 2F1(1/2, (p+1)/2; (p+3)/2; z), z = 1 - ratio^2, all terms positive.
    """
    from scipy.special import betainc, betaln, hyp2f1

    half, z = (power + 1) / 2, 1.0 - ratio**2
    share = betainc(half, 0.5, z)
    by_beta = np.log(np.maximum(share, _UNDERFLOW) / 2) + betaln(half, 0.5)
    if np.all(share > _UNDERFLOW):
        return np.asarray(by_beta)
    by_series = half * np.log(z) - np.log(power + 1) + np.log(hyp2f1(0.5, half, half + 1, z))
    return np.asarray(np.where(share > _UNDERFLOW, by_beta, by_series))
