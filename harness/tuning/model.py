"""The model of what was tried: a Gaussian process over builds, and what it expects of others.

Its kernel is that of Matern. Two quantities are joined by random weights (Knowles, *ParEGO*, 2006).
Builds on samples of the rows tell of those on all rows (Klein et al., *Fast Bayesian Optimization
of Machine Learning Hyperparameters on Large Datasets*, 2017).
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.contracts.definitions import Parameters
from harness.registry.spaces import Axis, ascend

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

Float64 = NDArray[np.float64]

_MISSED = 1.0
"""The cost of a build that failed or missed the target, as of the slowest; others cost 0 to 1."""

_ALL = 0.05
"""The weight of the sum of all quantities beside the one that is worst: nothing is for nothing."""

_UNLIKE = 0.7
"""The coordinate of a choice: two choices are about as far apart as the ends of a range."""

_LEAST_SPREAD = 1e-9

_DEEP = math.log(100)
"""The coordinate of the rows is 0 for all of them, and 1 for a hundredth."""

_LENGTHS = (0.3, 10.0)
"""Of the other coordinates, in shares of a range: with shorter ones nothing would be learned."""

_ROWS_ALIKE = (1.0, 10.0)
"""The length of the coordinate of the rows: a sample is never taken for unlike all rows."""


def build_id(build: Parameters) -> str:
    """Return a text that is equal for equal builds."""
    return json.dumps(build, sort_keys=True)


@dataclass(frozen=True)
class KnownBuild:
    """A build that was tried.

    `costs` has a row for each of its settings that reached the target and that none of its others
    beats: the logarithms of what is to be small. It is empty if there was none. `sample_rows` are
    those of the sample of which it was built, None if of all rows. `build_seconds` is None if it
    is not known.
    """

    build: Parameters
    costs: tuple[tuple[float, ...], ...] = ()
    sample_rows: int | None = None
    build_seconds: float | None = None


def expected_costs(
    axes: Mapping[str, Axis],
    known: Sequence[KnownBuild],
    builds: Sequence[Parameters],
    all_rows: int,
) -> Float64:
    """Return `(builds,)` what each is expected to cost on all rows, without the luck of a build.

    All that was tried tells of each build, so that a lucky one is not taken for a good one.

    Parameters
    ----------
    axes
        Of the build parameters.
    known
        What was tried, with costs of one quantity; at least one has reached the target.
    """
    model, _, _ = fitted(axes, known, all_rows, np.random.default_rng(0))
    return np.asarray(model.predict(encoded(axes, [KnownBuild(b) for b in builds], all_rows)))


def fitted(
    axes: Mapping[str, Axis], known: Sequence[KnownBuild], all_rows: int, rng: np.random.Generator
) -> tuple[GaussianProcessRegressor, Float64, Float64]:
    """Return the model of what was tried, with the points and the costs that it was fitted to.

    Costs of samples are levelled and those of two quantities joined. `rng` draws the weights of the
    two, and where the fit begins.
    """
    points = encoded(axes, known, all_rows)
    costs = _joined_costs(levelled(known), rng)
    model = new_model(points, seed=int(rng.integers(1 << 31)))
    fit(model, points, costs)
    return model, points, costs


def predicted(model: GaussianProcessRegressor, points: Float64) -> tuple[Float64, Float64]:
    """Return means and standard deviations, without the luck of a build that scikit-learn adds."""
    mean, deviation = model.predict(points, return_std=True)
    luck = model.kernel_.k2.noise_level * model._y_train_std**2
    return mean, np.sqrt(np.maximum(deviation**2 - luck, 0.0))


def new_model(points: Float64, seed: int) -> GaussianProcessRegressor:
    """Return a model for `(builds, coordinates)` points that is not fitted yet."""
    # Imported here: scikit-learn takes most of a second, and few commands tune.
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    free = points.shape[1] - 1
    lengths = Matern([0.5] * free + [2.0], [_LENGTHS] * free + [_ROWS_ALIKE], nu=2.5)
    return GaussianProcessRegressor(
        ConstantKernel(1.0, (0.05, 20.0)) * lengths + WhiteKernel(1e-3, (1e-5, 0.1)),
        normalize_y=True, n_restarts_optimizer=1, random_state=seed,
    )  # fmt: skip


def fit(model: GaussianProcessRegressor, points: Float64, values: Float64) -> None:
    """Fit the model to the values at points."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a parameter without effect has the longest length
        model.fit(points, values)


def encoded(axes: Mapping[str, Axis], known: Sequence[KnownBuild], all_rows: int) -> Float64:
    """Return `(builds, coordinates)`: a range is one from 0 to 1, each choice has its own.

    The last coordinate is the `depth` of the rows.
    """
    free = {name: axis for name, axis in axes.items() if not axis.is_fixed}
    rows = [
        [x for n, axis in free.items() for x in _place(axis, one.build.get(n))]
        + [depth(one.sample_rows, all_rows)]
        for one in known
    ]
    return np.array(rows, dtype=np.float64)


def depth(sample_rows: int | None, all_rows: int) -> float:
    """Return the coordinate of the rows: 0 for all (None), 1 for a hundredth of them."""
    return 0.0 if sample_rows is None else math.log(all_rows / sample_rows) / _DEEP


def _place(axis: Axis, value: object) -> list[float]:
    if axis.values and not ascend(axis.values):
        return [_UNLIKE * (value == choice) for choice in axis.values]
    return [axis.share_of(value)]


def _joined_costs(known: Sequence[KnownBuild], rng: np.random.Generator) -> Float64:
    """Return `(builds,)` one cost each: 0 to about 1, and `_MISSED`.

    `rng` draws the weights of two quantities.
    """
    every = np.array([costs for one in known for costs in one.costs])
    low, spread = every.min(axis=0), np.maximum(np.ptp(every, axis=0), _LEAST_SPREAD)
    weights = rng.dirichlet(np.ones(every.shape[1]))

    def joined(costs: tuple[float, ...]) -> float:
        weighted = weights * (np.array(costs) - low) / spread
        return float(weighted.max() + _ALL * weighted.sum())

    return np.array([min(map(joined, one.costs), default=_MISSED) for one in known])


def levelled(known: Sequence[KnownBuild]) -> list[KnownBuild]:
    """Return the builds with the costs of each sample at the level of all rows.

    The level is told by the builds that were made of both; if there is none, by the best of each.
    """
    sizes = sorted({one.sample_rows or math.inf for one in known if one.costs}, reverse=True)
    lowest = {
        size: {
            build_id(one.build): np.min(one.costs, axis=0)
            for one in known
            if one.costs and (one.sample_rows or math.inf) == size
        }
        for size in sizes
    }

    def raised(one: KnownBuild) -> KnownBuild:
        own, whole = lowest[one.sample_rows or math.inf], lowest[sizes[0]]
        both = [whole[build] - own[build] for build in own if build in whole]
        bests = [np.min([*found.values()], axis=0) for found in (whole, own)]
        level = np.mean(both, axis=0) if both else bests[0] - bests[1]
        return replace(one, costs=tuple(tuple(costs + level) for costs in np.array(one.costs)))

    return [raised(one) if one.costs else one for one in known]
