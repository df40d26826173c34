"""Which builds to try next: those that a model of what was tried expects to improve most.

Bayesian optimisation by expected improvement (Jones, Schonlau and Welch, *Efficient Global
Optimization of Expensive Black-Box Functions*, 1998), with a Gaussian process of Matern kernel. Two
quantities are joined by random weights (Knowles, *ParEGO*, 2006). Builds on samples of the rows
tell of those on all rows (Klein et al., *Fast Bayesian Optimization of Machine Learning
Hyperparameters on Large Datasets*, 2017).
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

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

_LEAST_DEVIATION = 1e-9

_DEEP = math.log(100)

_LENGTHS = (0.3, 10.0)
"""Of the other coordinates, in shares of a range: with shorter ones nothing would be learned."""

_ROWS_ALIKE = (1.0, 10.0)
"""The length of the coordinate of the rows: a sample is never taken for unlike all rows."""

_NOT_ALL = 0.9
"""Of the time for a build: so long may one be expected to take, since some take longer."""

_LEAST_TIMED = 3
"""So many build times tell which builds take too long."""


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


@dataclass(frozen=True)
class Wanted:
    """What builds are proposed for: a sample of the rows, or all of them (None).

    No build is proposed that is expected to take longer than `most_seconds` on all rows.
    """

    all_rows: int
    sample_rows: int | None = None
    most_seconds: float = math.inf

    def depth(self, sample_rows: int | None) -> float:
        """Return the coordinate of the rows: 0 for all, 1 for a hundredth of them."""
        return 0.0 if sample_rows is None else math.log(self.all_rows / sample_rows) / _DEEP


def promising(
    axes: Mapping[str, Axis],
    known: Sequence[KnownBuild],
    pool: Sequence[Parameters],
    rng: np.random.Generator,
    wanted: Wanted,
) -> Iterator[Parameters]:
    """Yield the builds of a pool, the one of the largest expected improvement for its time first.

    Its time is that of the build and of a typical one, so that no build is chosen for being quick
    alone (expected improvement per second: Snoek, Larochelle and Adams, *Practical Bayesian
    Optimization of Machine Learning Algorithms*, 2012). With builds of samples it is not looked at.
    The improvement is that on all rows, also of builds that are to be made of a sample. Each is
    believed to come out as predicted before the next one is chosen, so that the builds of a block
    differ (Ginsbourger, Le Riche and Carraro, *Kriging is well-suited to parallelize optimization*,
    2010).

    Parameters
    ----------
    axes
        Of the build parameters.
    known
        What was tried; at least one has reached the target.
    pool
        Distinct builds that were not tried on these rows.
    rng
        Draws the weights of two quantities, and where the fit of the model begins.
    """
    points = _encoded(axes, known, wanted)
    costs = _costs(_levelled(known), rng)
    on_all = _encoded(axes, [KnownBuild(build) for build in pool], wanted)
    on_rows = on_all.copy()
    on_rows[:, -1] = wanted.depth(wanted.sample_rows)
    left, price = list(range(len(pool))), np.ones(len(pool))
    seconds = _seconds_of(points, known, on_all)
    if seconds is not None:
        left = np.flatnonzero(seconds < _NOT_ALL * wanted.most_seconds).tolist()
        if all(one.sample_rows is None for one in known):  # with samples there is time for few
            price = seconds + np.median(seconds)
    model = _model(points, seed=int(rng.integers(1 << 31)))
    is_whole = points[:, -1] == 0
    tried = points[is_whole] if is_whole.any() else points
    _fit(model, points, costs)
    so_far = model.predict(tried).min()  # as expected, and not by luck
    while left:
        mean, deviation = _predicted(model, on_all[left])
        gains = _expected_improvement(so_far - mean, deviation)
        found = int((gains / price[left]).argmax())
        best = left.pop(found)
        yield pool[best]
        points = np.vstack([points, on_rows[best]])
        costs = np.append(costs, model.predict(on_rows[[best]]))
        so_far = min(so_far, mean[found])
        model.set_params(kernel=model.kernel_, optimizer=None)
        _fit(model, points, costs)


def _predicted(model: GaussianProcessRegressor, points: Float64) -> tuple[Float64, Float64]:
    """The mean and its standard deviation, without the luck of a build that scikit-learn adds."""
    mean, deviation = model.predict(points, return_std=True)
    luck = model.kernel_.k2.noise_level * model._y_train_std**2
    return mean, np.sqrt(np.maximum(deviation**2 - luck, 0.0))


def _model(points: Float64, seed: int) -> GaussianProcessRegressor:
    # Imported here: scikit-learn takes most of a second, and few commands tune.
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    free = points.shape[1] - 1
    lengths = Matern([0.5] * free + [2.0], [_LENGTHS] * free + [_ROWS_ALIKE], nu=2.5)
    return GaussianProcessRegressor(
        ConstantKernel(1.0, (0.05, 20.0)) * lengths + WhiteKernel(1e-3, (1e-5, 0.1)),
        normalize_y=True, n_restarts_optimizer=1, random_state=seed,
    )  # fmt: skip


def _fit(model: GaussianProcessRegressor, points: Float64, values: Float64) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a parameter without effect has the longest length
        model.fit(points, values)


def _seconds_of(
    points: Float64, known: Sequence[KnownBuild], candidates: Float64
) -> Float64 | None:
    """The seconds that builds of all rows are expected to take; None if too little is known.

    Seconds of samples say how those on all rows differ, but not how long they are.
    """
    timed = [i for i, one in enumerate(known) if one.build_seconds]
    logs = [(math.log(known[i].build_seconds or math.nan),) for i in timed]
    levelled = _levelled(
        [replace(known[i], costs=(log,)) for i, log in zip(timed, logs, strict=True)]
    )
    if len(timed) < _LEAST_TIMED or all(known[i].sample_rows is not None for i in timed):
        return None
    model = _model(points, seed=0)
    _fit(model, points[timed], np.array([one.costs[0][0] for one in levelled]))
    return np.asarray(np.exp(model.predict(candidates)))


def _expected_improvement(gain: Float64, deviation: Float64) -> Float64:
    deviation = np.maximum(deviation, _LEAST_DEVIATION)
    scaled = gain / deviation
    density = np.exp(-(scaled**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(gain * ndtr(scaled) + deviation * density)


def _encoded(axes: Mapping[str, Axis], known: Sequence[KnownBuild], wanted: Wanted) -> Float64:
    """`(builds, coordinates)`: a range is one coordinate from 0 to 1, each choice has its own.

    The last coordinate is that of the rows.
    """
    free = {name: axis for name, axis in axes.items() if not axis.is_fixed}
    rows = [
        [x for n, axis in free.items() for x in _place(axis, one.build.get(n))]
        + [wanted.depth(one.sample_rows)]
        for one in known
    ]
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


def _levelled(known: Sequence[KnownBuild]) -> list[KnownBuild]:
    """The builds with the costs of each sample raised or lowered to the level of all rows.

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
