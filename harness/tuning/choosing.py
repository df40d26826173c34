"""Which of the builds that were tried is the best: what `tune` shows, and measures in the end."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable

import numpy as np

from harness.tuning.contenders import Contender
from harness.tuning.costs import best_of, known_builds, mean_cost
from harness.tuning.journal import Journal
from harness.tuning.model import build_id, expected_costs
from harness.tuning.trials import Goal, Trial

_NEAR = 0.1
"""By how much of its time a build may have been unlucky: one that was slower than the fastest by
more is not the best, whatever the model says."""


def best_so_far(
    journal: Journal, contender: Contender, goal: Goal, blocks: Collection[str] | None = None
) -> list[Trial]:
    """Return the best so far on all rows: none, one, or those of the frontier by their bytes.

    The best in time is the build that the model expects to be the fastest, of those that were not
    far slower than the fastest (see `_NEAR`). Where there is no model, and for other quantities, a
    build counts by the mean of the times that it was made. It has missed the target if it did so
    the last time. Of the best, the slowest trial is returned: the search setting that reached the
    target in all. On a frontier the last build counts.

    Parameters
    ----------
    blocks
        Only what these say; by default all.
    """
    told = [t for t in journal.of(contender.label) if blocks is None or t.block in blocks]
    own = [trial for trial in told if trial.sample_rows is None]
    newest = _newest(own)
    if goal.is_frontier:
        return best_of(goal, itertools.chain.from_iterable(newest.values()))
    made = [
        [trial for trial in own if trial.build == last.build and trial.times_reference]
        for [last] in newest.values()
        if last.times_reference
    ]
    if not made:
        return []
    made.sort(key=lambda trials: mean_cost(goal, trials))
    best = made[0]
    if is_by_model(contender, goal):
        most = (1 + _NEAR) * mean_cost(goal, best)[1]
        near = [trials[0].build for trials in made if mean_cost(goal, trials)[1] <= most]
        known = known_builds(goal, told)
        expected = expected_costs(contender.space.build, known, near, contender.facts.n)
        best = made[int(np.argmin(expected))]  # made is sorted, so these are its first
    return sorted(best, key=lambda trial: trial.times_reference or 0.0)[-1:]


def best_of_samples(journal: Journal, label: str, goal: Goal) -> list[Trial]:
    """Return the best of each sample of the rows."""
    samples = [best_of(goal, journal.on(label, rows)) for rows in journal.sample_rows(label)]
    return list(itertools.chain.from_iterable(samples))


def is_by_model(contender: Contender, goal: Goal) -> bool:
    """Whether the model tells which build is the best. Sizes need no model."""
    return contender.is_modelled and goal.minimize == ("query",)


def unsure(
    journal: Journal, contender: Contender, goal: Goal, best: Iterable[Trial]
) -> list[Trial]:
    """Return the earliest of the best so far that is to be built again: it was built only once.

    There is none if the model tells the best: it knows of the luck of builds, and learns more by
    others near it.
    """
    if is_by_model(contender, goal):
        return []
    own = (trial for trial in journal.on(contender.label) if trial.is_known)
    counts = Counter(build for _, build in {(t.block, build_id(t.build)) for t in own})
    once = [trial for trial in best if counts[build_id(trial.build)] == 1]
    return sorted(once, key=lambda trial: trial.spent_seconds)[:1]


def _newest(trials: Iterable[Trial]) -> dict[str, list[Trial]]:
    """The known trials of each build in the last block that has any."""
    found: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.is_known:
            own = found.setdefault(build_id(trial.build), [])
            if own and own[0].block != trial.block:
                own.clear()
            own.append(trial)
    return found
