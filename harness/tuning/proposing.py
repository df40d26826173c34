"""Which builds to try next: those that a model of what was tried expects to improve most.

Bayesian optimisation by expected improvement (Jones, Schonlau and Welch, *Efficient Global
Optimization of Expensive Black-Box Functions*, 1998).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from harness.contracts.definitions import Parameters
from harness.registry.spaces import Axis
from harness.tuning.model import (
    Float64,
    KnownBuild,
    depth,
    encoded,
    fit,
    fitted,
    levelled,
    new_model,
    predicted,
)

_LEAST_DEVIATION = 1e-9

_NOT_ALL = 0.9
"""Of the time for a build: so long may one be expected to take, since some take longer."""

_LEAST_TIMED = 3
"""So many build times tell which builds take too long."""


@dataclass(frozen=True)
class Wanted:
    """What builds are proposed for: a sample of the rows, or all of them (None).

    No build is proposed that is expected to take longer than `most_seconds` on all rows.
    """

    all_rows: int
    sample_rows: int | None = None
    most_seconds: float = math.inf


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
    model, points, costs = fitted(axes, known, wanted.all_rows, rng)
    on_all = encoded(axes, [KnownBuild(build) for build in pool], wanted.all_rows)
    on_rows = on_all.copy()
    on_rows[:, -1] = depth(wanted.sample_rows, wanted.all_rows)
    left, price = list(range(len(pool))), np.ones(len(pool))
    seconds = _seconds_of(points, known, on_all)
    if seconds is not None:
        left = np.flatnonzero(seconds < _NOT_ALL * wanted.most_seconds).tolist()
        if all(one.sample_rows is None for one in known):  # with samples there is time for few
            price = seconds + np.median(seconds)
    is_whole = points[:, -1] == 0
    tried = points[is_whole] if is_whole.any() else points
    so_far = model.predict(tried).min()  # as expected, and not by luck
    while left:
        mean, deviation = predicted(model, on_all[left])
        gains = _expected_improvement(so_far - mean, deviation)
        found = int((gains / price[left]).argmax())
        best = left.pop(found)
        yield pool[best]
        points = np.vstack([points, on_rows[best]])
        costs = np.append(costs, model.predict(on_rows[[best]]))
        so_far = min(so_far, mean[found])
        model.set_params(kernel=model.kernel_, optimizer=None)
        fit(model, points, costs)


def _seconds_of(
    points: Float64, known: Sequence[KnownBuild], candidates: Float64
) -> Float64 | None:
    """The seconds that builds of all rows are expected to take; None if too little is known.

    Seconds of samples say how those on all rows differ, but not how long they are.
    """
    timed = [i for i, one in enumerate(known) if one.build_seconds]
    logs = [(math.log(known[i].build_seconds or math.nan),) for i in timed]
    on_all = levelled([replace(known[i], costs=(log,)) for i, log in zip(timed, logs, strict=True)])
    if len(timed) < _LEAST_TIMED or all(known[i].sample_rows is not None for i in timed):
        return None
    model = new_model(points, seed=0)
    fit(model, points[timed], np.array([one.costs[0][0] for one in on_all]))
    return np.asarray(np.exp(model.predict(candidates)))


def _expected_improvement(gain: Float64, deviation: Float64) -> Float64:
    deviation = np.maximum(deviation, _LEAST_DEVIATION)
    scaled = gain / deviation
    density = np.exp(-(scaled**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(gain * ndtr(scaled) + deviation * density)
