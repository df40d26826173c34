"""What trials cost, in the quantities that are to be small: for the best, and for the model."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np

from harness.measures.tuning import time_size_frontier
from harness.registry.schema.suite import Minimize
from harness.tuning.model import KnownBuild, build_id
from harness.tuning.trials import Goal, Trial


def best_of(goal: Goal, trials: Iterable[Trial]) -> list[Trial]:
    """Return the best of trials: none, one, or those of the frontier by their bytes.

    Times are those relative to the reference index, which is in every block, so trials of several
    blocks can be compared.
    """
    measured = [trial for trial in trials if trial.times_reference is not None]
    if not goal.is_frontier:
        return sorted(measured, key=lambda trial: _cost(trial, goal))[:1]
    times = [trial.times_reference or math.nan for trial in measured]
    sizes = [trial.bytes_per_vector or math.nan for trial in measured]  # NaN if it is not known
    found = time_size_frontier(np.log(np.array(times, dtype=np.float64)), np.array(sizes))
    return [measured[i] for i in found]


def _cost(trial: Trial, goal: Goal) -> tuple[float, float]:
    """What is to be small, and the time where that is equal."""
    small = {"query": 0.0, "bytes": trial.bytes_per_vector, "build": trial.build_seconds}
    known = small[goal.minimize[0]]
    return math.inf if known is None else known, trial.times_reference or math.inf


def mean_cost(goal: Goal, trials: Iterable[Trial]) -> tuple[float, float]:
    """Return the means over measured trials: of what is to be small, and of the time."""
    small, times = np.mean([_cost(trial, goal) for trial in trials], axis=0)
    return float(small), float(times)


def known_builds(goal: Goal, trials: Sequence[Trial]) -> list[KnownBuild]:
    """Return what is known of each build, in order, once per block with a known trial."""
    made = itertools.groupby(
        (trial for trial in trials if trial.is_known),
        key=lambda trial: (trial.block, build_id(trial.build)),
    )
    return [_known_build(goal, list(own)) for _, own in made]


def _known_build(goal: Goal, trials: Sequence[Trial]) -> KnownBuild:
    """Return what is known of a build by its trials in one block, for proposals.

    A setting that left the race, or was too slow for it, counts too, by its rough speed: it says
    which builds are slow.
    """
    costs = (
        tuple(_log_cost(trial, quantity) for quantity in goal.minimize)
        for trial in trials
        if trial.reached or trial.status == "too_slow"
    )
    return KnownBuild(
        trials[0].build,
        tuple(one for one in costs if np.isfinite(one).all()),
        trials[0].sample_rows,
        trials[0].build_seconds,
    )


def _log_cost(trial: Trial, quantity: Minimize) -> float:
    costs = {
        "query": trial.times_reference or trial.rough_times_reference,
        "bytes": trial.bytes_per_vector,
        "build": trial.build_seconds,
    }
    return math.log(costs[quantity] or math.nan)
