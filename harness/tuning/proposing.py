"""Which builds to try next: those that a model of what was tried expects to improve most.

Bayesian optimisation by expected improvement (Jones, Schonlau and Welch, *Efficient Global
Optimization of Expensive Black-Box Functions*, 1998), with a Gaussian process of Matern kernel. Two
quantities are joined by random weights (Knowles, *ParEGO*, 2006).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from harness.contracts.definitions import Parameters
from harness.registry.spaces import Axis, ascend

Float64 = NDArray[np.float64]

_MISSED = 1.5
"""The cost of a build that failed or missed the target; others cost 0 to 1."""

_ALL = 0.05
"""The weight of the sum of all quantities beside the one that is worst: nothing is for nothing."""

_UNLIKE = 0.7
"""The coordinate of a choice: two choices are about as far apart as the ends of a range."""

_LEAST_DEVIATION = 1e-9


@dataclass(frozen=True)
class KnownBuild:
    """A build that was tried.

    `costs` has a row for each of its settings that reached the target and that none of its others
    beats: the logarithms of what is to be small. It is empty if there was none.
    """

    build: Parameters
    costs: tuple[tuple[float, ...], ...] = ()


def promising(
    axes: Mapping[str, Axis],
    known: Sequence[KnownBuild],
    pool: Sequence[Parameters],
    rng: np.random.Generator,
) -> Iterator[Parameters]:
    """Yield the builds of a pool, the one of the largest expected improvement first.

    Each is believed to come out as predicted before the next one is chosen, so that the builds of
    a block differ (Ginsbourger, Le Riche and Carraro, *Kriging is well-suited to parallelize
    optimization*, 2010).

    Parameters
    ----------
    axes
        Of the build parameters.
    known
        What was tried; at least one has reached the target.
    pool
        Distinct builds that were not tried.
    rng
        Draws the weights of two quantities, and where the fit of the model begins.
    """
    # Imported here: scikit-learn takes most of a second, and few commands tune.
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    points = _encoded(axes, [one.build for one in known])
    costs = _costs(known, rng)
    candidates = _encoded(axes, pool)
    lengths = np.full(points.shape[1], 0.5)
    kernel = ConstantKernel(1.0, (0.05, 20.0)) * Matern(lengths, (0.1, 10.0), nu=2.5)
    model = GaussianProcessRegressor(
        kernel + WhiteKernel(1e-3, (1e-5, 0.1)), normalize_y=True, n_restarts_optimizer=1,
        random_state=int(rng.integers(1 << 31)),
    )  # fmt: skip
    left = list(range(len(pool)))
    while left:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a parameter without effect has the longest length
            model.fit(points, costs)
        mean, deviation = model.predict(candidates[left], return_std=True)
        gains = _expected_improvement(costs.min() - mean, deviation)
        best = left.pop(int(gains.argmax()))
        yield pool[best]
        points = np.vstack([points, candidates[best]])
        costs = np.append(costs, mean[gains.argmax()])
        model.set_params(kernel=model.kernel_, optimizer=None)


def _expected_improvement(gain: Float64, deviation: Float64) -> Float64:
    deviation = np.maximum(deviation, _LEAST_DEVIATION)
    scaled = gain / deviation
    density = np.exp(-(scaled**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(gain * ndtr(scaled) + deviation * density)


def _encoded(axes: Mapping[str, Axis], builds: Sequence[Parameters]) -> Float64:
    """`(builds, coordinates)`: a range is one coordinate from 0 to 1, each choice has its own."""
    free = {name: axis for name, axis in axes.items() if not axis.is_fixed}
    rows = [[x for n, axis in free.items() for x in _place(axis, b.get(n))] for b in builds]
    return np.array(rows, dtype=np.float64)


def _place(axis: Axis, value: object) -> list[float]:
    if axis.values and not ascend(axis.values):
        return [_UNLIKE * (value == choice) for choice in axis.values]
    return [axis.share_of(value)]


def _costs(known: Sequence[KnownBuild], rng: np.random.Generator) -> Float64:
    """`(builds,)` one cost each: 0 to about 1, and `_MISSED`."""
    every = np.array([costs for one in known for costs in one.costs])
    low, spread = every.min(axis=0), np.maximum(np.ptp(every, axis=0), _LEAST_DEVIATION)
    weights = rng.dirichlet(np.ones(every.shape[1]))

    def joined(costs: tuple[float, ...]) -> float:
        weighted = weights * (np.array(costs) - low) / spread
        return float(weighted.max() + _ALL * weighted.sum())

    return np.array([min(map(joined, one.costs), default=_MISSED) for one in known])
