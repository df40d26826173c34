"""Estimate of a run: points counted from its plan, times and memory from stored results."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.contracts.definitions import Load, timed_one_by_one
from harness.registry.suites import Suite
from harness.results.point import BuildCost
from harness.results.store import ResultStore
from harness.running.blocks import (
    COST_OF_TURN_SECONDS,
    load_pass_seconds,
    load_passes,
    windows_and_passes,
)
from harness.running.environments.isolated import EnvironmentFailed
from harness.running.plan import DatasetFacts, PlannedPoint, missing_builds, retried

_START_SECONDS = 1.5
"""To start a worker, import its library, warm up and end it (1.3 s in the demo when quiet)."""

_STEPS_OF_A_BUILD = 4  # load, prepare, build and finish, each with the time-out to itself
_UNTIMED_SECONDS = 2.0  # the most of the pass with which each setting warms up


Asking = Literal["closed loop", "search", "rate"]
"""How queries are asked: one after the other, by the search for the highest rate, at a rate."""

_NEAREST: Mapping[Asking, Sequence[Asking]] = {
    "closed loop": ("closed loop", "search", "rate"),
    "search": ("search", "closed loop", "rate"),
    "rate": ("closed loop", "search", "rate"),
}
"""Of which points the seconds of a pass say most: a search comes near to the closed loop."""


@dataclass(frozen=True)
class Cost:
    """Cost of one build of an index: seconds without searching, and peak memory in bytes.

    `pass_seconds` are those of a pass over all queries; of the search for the highest rate, the
    mean of its passes.
    """

    build_seconds: float
    pass_seconds: float
    peak_bytes: float


@dataclass(frozen=True)
class Estimate:
    """Estimate of a run on one dataset.

    `kept` points are complete in the store; `refused` counts those that cannot run, by label and
    reason. `seconds` and `peak_bytes` (of a whole block) are of the `known` indexes, those whose
    algorithm has stored results on this dataset and machine. `bound_seconds` is what the time
    limits allow the `unknown` labels.
    """

    dataset: DatasetFacts
    points: int
    kept: int
    refused: Mapping[str, int]
    indexes: int
    known: int
    unknown: Sequence[str]
    builds: int
    blocks: int
    seconds: float
    bound_seconds: float
    peak_bytes: float
    environments: Sequence[str]


class History:
    """Costs of what is stored of a dataset, of one machine: of the point, else of its algorithm."""

    def __init__(self, store: ResultStore, dataset: str, machine: str) -> None:
        self._of_points: dict[str, Cost] = {}
        of_algorithms: dict[tuple[str, Asking], list[Cost]] = defaultdict(list)
        for header, builds in store.costs(dataset):
            identity = header.identity
            if identity.machine.short() == machine and builds:
                asking = _asking(identity.load)
                cost = _median([_cost_of(build, asking) for build in builds])
                self._of_points[identity.key] = cost
                of_algorithms[identity.algorithm, asking].append(cost)
        self._of_algorithms = {key: _median(costs) for key, costs in of_algorithms.items()}

    def of_point(self, point: PlannedPoint) -> Cost | None:
        """Return the cost of a point if it is stored."""
        return self._of_points.get(point.header.identity.key)

    def of(self, point: PlannedPoint) -> Cost | None:
        """Return the cost of a point, or the median of those of its algorithm.

        Of these, of points whose queries were asked in the same way, if there are any.
        """
        identity = point.header.identity
        nearest = ((identity.algorithm, one) for one in _NEAREST[_asking(identity.load)])
        known = [self._of_algorithms[key] for key in nearest if key in self._of_algorithms]
        return self.of_point(point) or next(iter(known), None)


def _asking(load: Load | None) -> Asking:
    if load is None:
        return "closed loop"
    return "search" if load.rate is None else "rate"


def estimate(
    dataset: DatasetFacts,
    points: Sequence[PlannedPoint],
    suite: Suite,
    store: ResultStore,
    history: History,
    again: frozenset[str] | None = frozenset(),
) -> Estimate:
    """Return the estimate for the points of one dataset; nothing is measured or written.

    Parameters
    ----------
    again
        Statuses of stored failures that would be tried again; None: everything would be.
    """
    runnable = [point for point in points if point.refusal is None]
    lacking = {p.header.identity.key: _lacking(p, suite, store, again) for p in runnable}
    indexes: dict[str, list[PlannedPoint]] = defaultdict(list)
    for point in runnable:
        if lacking[point.header.identity.key]:
            indexes[point.header.identity.build_key].append(point)
    costs = {key: [(p, history.of(p)) for p in members] for key, members in indexes.items()}
    known = {
        key: [(p, cost) for p, cost in found if cost]
        for key, found in costs.items()
        if all(cost for _, cost in found)
    }
    numbers = {
        key: {n for p in members for n in lacking[p.header.identity.key]}
        for key, members in indexes.items()
    }
    unknown = [key for key in indexes if key not in known]
    nq = runnable[0].header.nq if runnable else 0
    return Estimate(
        dataset=dataset,
        points=len(points),
        kept=sum(not builds for builds in lacking.values()),
        refused=Counter(f"{p.header.label}: {p.refusal}" for p in points if p.refusal is not None),
        indexes=len(indexes),
        known=len(known),
        unknown=sorted({indexes[key][0].header.label for key in unknown}),
        builds=sum(map(len, numbers.values())),
        blocks=len(set().union(*numbers.values())),
        seconds=sum(
            len(numbers[key]) * seconds for key, seconds in _seconds(known, suite, nq).items()
        ),
        bound_seconds=sum(
            len(numbers[key]) * suite.timeout * (_STEPS_OF_A_BUILD + len(indexes[key]))
            for key in unknown
        ),
        peak_bytes=sum(max(cost.peak_bytes for _, cost in found) for found in known.values()),
        environments=sorted(_environments_to_make(runnable)),
    )


def _lacking(
    point: PlannedPoint, suite: Suite, store: ResultStore, again: frozenset[str] | None
) -> set[int]:
    wanted = dict.fromkeys(range(suite.builds), suite.repeats)
    if again is None:
        return set(wanted)
    return set(missing_builds(store, point.header, wanted, retried(again)))


Known = Mapping[str, Sequence[tuple[PlannedPoint, Cost]]]


def _seconds(known: Known, suite: Suite, nq: int) -> dict[str, float]:
    """The seconds of one build of each index in their block, with the searches of its points."""
    every = [one for found in known.values() for one in found]
    if not every:
        return {}
    of_points = _under_load(every, suite, nq) if suite.mode == "load" else _plain(every, suite, nq)
    made = iter(of_points)
    return {
        key: _START_SECONDS
        + max(cost.build_seconds for _, cost in found)
        + sum(next(made) + min(cost.pass_seconds, _UNTIMED_SECONDS) for _, cost in found)
        for key, found in known.items()
    }


def _plain(every: Sequence[tuple[PlannedPoint, Cost]], suite: Suite, nq: int) -> list[float]:
    """The seconds of the passes of each point in a block."""
    window, passes = windows_and_passes(
        nq,
        [(suite.repeats, cost.pass_seconds) for _, cost in every],
        one_by_one=timed_one_by_one(suite.mode, suite.threads),
        least_seconds=suite.least_seconds,
        search_seconds=suite.search_seconds,
        timeout=suite.timeout,
    )
    turns = -(-nq // window) * COST_OF_TURN_SECONDS
    return [
        count * (cost.pass_seconds + turns) for count, (_, cost) in zip(passes, every, strict=True)
    ]


def _under_load(every: Sequence[tuple[PlannedPoint, Cost]], suite: Suite, nq: int) -> list[float]:
    """The seconds of the passes of each point in a block, all tries of a search among them."""
    limits = (suite.search_seconds, suite.timeout / 2)
    return [
        load_passes(nq, load, suite.repeats, cost.pass_seconds, *limits)
        * (load_pass_seconds(nq, load, cost.pass_seconds) + COST_OF_TURN_SECONDS)
        for point, cost in every
        if (load := point.header.identity.load) is not None
    ]


def _cost_of(build: BuildCost, asking: Asking) -> Cost:
    facts = build.facts
    typical = np.mean if asking == "search" else np.median  # the passes of a search differ
    walls = float(typical(build.walls)) if len(build.walls) else 0.0
    return Cost(facts.build_seconds + facts.prepare_seconds, walls, facts.peak_bytes or 0.0)


def _median(costs: Sequence[Cost]) -> Cost:
    names = ("build_seconds", "pass_seconds", "peak_bytes")
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in names))


def _environments_to_make(points: Iterable[PlannedPoint]) -> set[str]:
    return {
        ", ".join(point.definition.requires)
        for point in points
        if isinstance(point.environment, EnvironmentFailed)
    }
