"""A search setting of a member, with its measurements so far."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.contracts import FilteredQueries
from harness.contracts.algorithm import MOST_COMPARISONS_OF_A_ROW
from harness.contracts.definitions import Load
from harness.measures.load import (
    SEARCH_STEPS,
    WARM_UP_QUERIES,
    arrivals_sha256,
    next_rate,
    trials_of,
)
from harness.results.point import BuildFacts, LoadShare
from harness.running.blocks import Measured, MemberSpec, Probe, SettingSpec, TaskFailure
from harness.running.executors.replies import require_answer, require_outcomes
from harness.running.messages import Answered
from harness.running.worker.answers import require_matching, require_valid

LEAST_SECONDS = 1e-9
"""Of a time: a clock may not tick between two readings."""

_TOLERATED_PROCESSORS = 0.5  # beyond those allotted: the worker's own threads, errors of counters
_TOLERATED_WORK = 3.0  # times what was timed: the queries that warm up, and the harness's own work
_UNTIMED_SECONDS = 0.02  # of a turn beside
_MOST_COUNTED, _COUNTING_SECONDS = 1000, 2.0  # queries of which distance computations are counted


class Setting:
    """A search setting of a member, with its measurements so far."""

    def __init__(
        self,
        number: int,
        spec: SettingSpec,
        nq: int,
        n: int,
        filters: FilteredQueries | None = None,
    ) -> None:
        self.number = number
        self.spec = spec
        self._filters = filters
        self._nq, self._n = nq, n
        self.failure: TaskFailure | None = None
        self.left_out = False
        self.probe: Probe | None = None
        self.seconds_spent = 0.0
        self.pass_seconds = 0.0
        self.index_bytes = 0
        self.distance_computations: float | None = None
        self.turns = 0
        self.turn_seconds = 0.0
        self.processor_seconds = 0.0
        self.owed: list[tuple[int, int]] = []
        self._times: list[NDArray[np.float64]] = []
        self._walls: list[float] = []
        self._cycles: list[int] = []
        self._ids: list[NDArray[np.integer]] = []
        self._rates: list[float] = []
        self._load_seconds = 0.0
        self._service: list[NDArray[np.float32]] = []
        self._outcomes: list[NDArray[np.int8]] = []

    @property
    def is_alive(self) -> bool:
        """Whether it has not failed, and was not left out of a search for a target."""
        return self.failure is None and not self.left_out

    @property
    def passes(self) -> int:
        """How many passes have begun."""
        return len(self._times)

    def begin_pass(self, cycle: int) -> None:
        """Allocate arrays for one more pass."""
        if self.spec.load is not None:
            self._rates.append(self._next_rate(self.spec.load))
            self._load_seconds += (self._nq + WARM_UP_QUERIES) / self._rates[-1]
            self._service.append(np.zeros(self._nq, dtype=np.float32))
            self._outcomes.append(np.zeros(self._nq, dtype=np.int8))
        self._times.append(np.full(self._nq, np.nan))
        self._walls.append(0.0)
        self._cycles.append(cycle)
        self._ids.append(np.full((self._nq, self.spec.k), -1, dtype=np.int32))

    @property
    def cycle(self) -> int:
        """The cycle of the pass that has begun."""
        return self._cycles[-1]

    @property
    def rate(self) -> float | None:
        """Queries per second of the pass that has begun; None in all modes but `load`."""
        return self._rates[-1] if self._rates else None

    def has_time(self, search_seconds: float) -> bool:
        """Whether the search for the highest rate may go on; its next pass may be a slow one."""
        load = self.spec.load
        if load is None or load.rate is not None or not self._rates:
            return True
        next_seconds = (self._nq + WARM_UP_QUERIES) / self._next_rate(load)
        return self._load_seconds + next_seconds <= search_seconds

    def _next_rate(self, load: Load) -> float:
        """The rate that is given, or the next one of the search for the highest."""
        if load.p99_ms is None:
            assert load.rate is not None
            return load.rate
        trials, is_whole = trials_of(self._rates, self._times, load.p99_ms / 1e3)
        if not is_whole:
            return self._rates[-1]
        closed_loop_rate = self._nq / max(self.pass_seconds, LEAST_SECONDS)
        return next_rate(trials, closed_loop_rate)

    def check(self, answer: Answered, queries: NDArray[np.intp], turn: int) -> None:
        """Check the neighbours of a turn against the contract.

        Parameters
        ----------
        queries
            The numbers of the queries that were asked, in order; fewer may be answered.

        Raises
        ------
        ChildGone
            If the worker's side of the protocol is broken.
        WrongAnswer
            If the ids are no valid answer.
        """
        require_answer(answer, turn, len(queries), self.spec.k)
        if turn > 0 and self.spec.load is not None:
            require_outcomes(answer, self._nq)
        ids = answer.ids.astype(np.int64, copy=False)
        require_valid(ids, self._n)
        if self._filters is not None:
            require_matching(ids, self._filters.match(queries[: len(ids)], ids))

    def take(self, answer: Answered, queries: NDArray[np.intp]) -> None:
        """Keep the times and ids of queries of the last pass."""
        self._times[-1][queries] = np.maximum(answer.seconds, LEAST_SECONDS)
        self._walls[-1] += max(answer.wall, LEAST_SECONDS)
        if answer.ids.dtype.itemsize > self._ids[-1].dtype.itemsize:
            self._ids[-1] = self._ids[-1].astype(answer.ids.dtype)
        self._ids[-1][queries] = answer.ids
        if self._rates:
            self._service[-1][queries] = answer.service
            self._outcomes[-1][queries] = answer.outcomes

    def mean_seconds(self, queries: NDArray[np.intp]) -> float:
        """Return the mean seconds of queries in the last pass; NaN unless all were answered."""
        return float(self._times[-1][queries].mean()) if self._times else math.nan

    @property
    def is_filtered(self) -> bool:
        """Whether each query has a filter."""
        return self._filters is not None

    def queries_to_count(self) -> int:
        """Return for how many queries distance computations are counted: about two seconds'."""
        seconds = max(float(np.nanmean(self._times[0])), LEAST_SECONDS)
        return max(1, min(_MOST_COUNTED, self._nq, int(_COUNTING_SECONDS / seconds)))

    def take_count(self, count: int, queries: int) -> None:
        """Keep the distance computations of some queries, as the mean of one.

        Raises
        ------
        ValueError
            If no index compares so many.
        """
        most = MOST_COMPARISONS_OF_A_ROW * self._n * queries
        if not 0 <= count <= most:
            raise ValueError(
                f"distance_computations() is {count}, 0 to {most:,} can be for {queries:,} queries"
            )
        self.distance_computations = count / queries

    def end_pass(self) -> None:
        """Keep the ids of a pass only if they differ from those of the first."""
        if len(self._ids) > 1 and np.array_equal(self._ids[0], self._ids[-1]):
            self._ids[-1] = self._ids[0]

    def measured(
        self,
        build: BuildFacts,
        diagnostics: Mapping[str, Mapping[str, NDArray[np.generic]]],
        allotted: int,
        order_seed: int,
    ) -> Measured:
        """Return the measurements of a block of this seed, with warnings.

        These are about processes that worked more than they may, and a search that is not done.
        """
        same = all(ids is self._ids[0] for ids in self._ids)
        used = self.processor_seconds / max(self.turn_seconds, LEAST_SECONDS)
        facts = replace(
            build,
            index_bytes=self.index_bytes,
            distance_computations=self.distance_computations,
            repeats_asked=self.spec.repeats,
            processors_used=round(used, 2),
            warnings=(*build.warnings, *self._excesses(used, allotted)),
        )
        return Measured(
            times=np.stack(self._times),
            walls=np.array(self._walls),
            cycles=np.array(self._cycles, dtype=np.int16),
            neighbors=self._ids[0][None] if same else np.stack(self._ids),
            facts=facts,
            diagnostics=diagnostics,
            load=self._load_share(order_seed) if self._rates else None,
        )

    def _load_share(self, order_seed: int) -> LoadShare:
        count = WARM_UP_QUERIES + self._nq
        return LoadShare(
            rates=np.array(self._rates),
            arrivals_sha256=arrivals_sha256(count, order_seed, self._cycles),
            service=np.stack(self._service),
            outcomes=np.stack(self._outcomes),
        )

    def _excesses(self, used: float, allotted: int) -> Iterator[str]:
        """Yield warnings of work that the times do not show."""
        if used > allotted + _TOLERATED_PROCESSORS:
            yield f"it used {used:.1f} processors while it was searched, {allotted} were allotted"
        if self._rates:  # waiting for queries to be due keeps a processor busy as well
            yield from self._unfinished_search()
            return
        told, worked = sum(self._walls), self.processor_seconds
        if worked > _TOLERATED_WORK * allotted * told + self.turns * _UNTIMED_SECONDS:
            yield f"its processes worked {worked:.2g} s in turns of which it says {told:.2g} s"

    def _unfinished_search(self) -> Iterator[str]:
        load = self.spec.load
        if load is None or load.p99_ms is None:
            return
        trials, _ = trials_of(self._rates, self._times, load.p99_ms / 1e3)
        if len(trials) < SEARCH_STEPS:
            yield (
                f"the search for the highest rate tried {len(trials)} of {SEARCH_STEPS} rates "
                "within search_seconds"
            )


def settings_of(
    spec: MemberSpec, nq: int, n: int, filters: FilteredQueries | None
) -> tuple[Setting, ...]:
    """Return the settings of a member, none of them measured."""
    return tuple(Setting(i, setting, nq, n, filters) for i, setting in enumerate(spec.settings))
