"""Blocks with a target: the settings of a built member that reach a recall, and their race."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Truth
from harness.contracts.definitions import timed_one_by_one
from harness.data.cache.cached import CachedDataset
from harness.data.truth.store import truth_of
from harness.measures.distances import distances_and_scales
from harness.measures.ladders import Asked, lowest_reaching
from harness.measures.recall import recall_matrix
from harness.measures.tuning import SAME_SIZE, judged, part_sizes, slower_ones
from harness.running.blocks import BlockSpec, Probe, RaceFor, Target
from harness.running.executors.member import Member, Watch
from harness.running.executors.setting import Setting
from harness.running.messages import Answered, TakeTurn, WarmUp

_MOST_SECONDS = 5.0
"""A setting so slow that its queries take longer is judged by those that it has answered."""

TOO_SLOW = 1.3
"""A setting that takes so many times as long as one of its index that reaches the target is asked
no further."""

FAR_TOO_SLOW = 2.0
"""As `TOO_SLOW`, beside one of another index, which was asked at another time."""

_PHASE = "warm-up"
_WARM_UP, _PROBE = -1, 0  # numbers of turns; those of rounds are larger


@dataclass(frozen=True)
class TargetSearch:
    """Finds the lowest settings of a built member that reach the target of its block.

    In a `race` it asks settings that are far slower than one that reaches the target no further.
    `reached` are those of other members and of earlier blocks, as `Target.begun`.
    """

    target: Target
    race: RaceFor | None
    dataset: CachedDataset
    order: NDArray[np.intp]
    truth: Truth
    reached: list[tuple[float, float]]

    @classmethod
    def of(
        cls, spec: BlockSpec, dataset: CachedDataset, order: NDArray[np.intp]
    ) -> TargetSearch | None:
        """Return the search of a block; None if it has no target."""
        if spec.target is None:
            return None
        # One pause would hold up all queries of a batch, so its times tell nothing so early.
        race = spec.target.race if timed_one_by_one(spec.mode, spec.threads) else None
        reached = list(spec.target.begun)
        return cls(spec.target, race, dataset, order, truth_of(dataset, spec.most_k), reached)

    def choose(self, member: Member, reference_seconds: float, watch: Watch) -> None:
        """Leave out all settings but the lowest that reach the target.

        The seconds are those of a query of the reference index now, NaN if it has failed.
        """
        others = [(size, times * reference_seconds) for size, times in self.reached]
        settings = member.alive_settings
        pace = _Pace(self.race, reference_seconds, others)
        fitting = [setting for setting in settings if self._fits(member, setting, watch)]
        places = [setting.spec.place for setting in fitting]
        chosen = lowest_reaching(places, lambda i: self._ask(member, fitting[i], pace, watch))
        kept = [fitting[number] for number in chosen]
        for setting in settings:
            setting.left_out = setting not in kept
        self.reached.extend((size, seconds / reference_seconds) for size, seconds in pace.reached)

    def _fits(self, member: Member, setting: Setting, watch: Watch) -> bool:
        """Whether the index is known to be small enough; its size may depend on the setting."""
        if math.isinf(self.target.most_index_bytes):
            return True
        member.take_index_bytes(setting, _PHASE, watch)
        if _size(setting) > self.target.most_index_bytes:
            setting.probe = _probe(member, setting, math.nan, 0, math.nan)
        return setting.is_alive and setting.probe is None

    def _ask(self, member: Member, setting: Setting, pace: _Pace, watch: Watch) -> Asked:
        """Ask growing parts of the tuning queries until it is clear, or it is too slow."""
        if math.isinf(self.target.most_index_bytes):  # else its size is known
            member.take_index_bytes(setting, _PHASE, watch)
        ids, times, wall = np.empty((0, setting.spec.k), dtype=np.int64), np.empty(0), 0.0
        for size in part_sizes(len(self.order)):
            while len(ids) < size and wall < _MOST_SECONDS and setting.is_alive:
                answer = self._answer(member, setting, (len(ids), size), watch)
                if answer is not None:
                    ids, wall = np.concatenate([ids, answer.ids]), wall + answer.wall
                    times = np.concatenate([times, answer.seconds])
            if not setting.is_alive:
                return Asked("failed")
            found = judged(self._recalls(ids), len(self.order), self.target.recall)
            is_useless = pace.makes_useless(setting, times)
            if found.reaches is not None or is_useless or len(ids) < size:
                break
        setting.pass_seconds = wall * len(self.order) / len(ids)
        seconds = wall / len(ids)
        probe = _probe(member, setting, found.recall, len(ids), seconds)
        setting.probe = replace(
            probe, too_slow=is_useless, reference_seconds=pace.reference_seconds
        )
        reaches = found.recall >= found.needed if found.reaches is None else found.reaches
        if is_useless and found.reaches is not False:
            return Asked("too slow", seconds)
        if reaches:
            pace.take(setting, times)
        return Asked("reaches" if reaches else "misses", seconds, is_useless)

    def _answer(
        self, member: Member, setting: Setting, queries: tuple[int, int], watch: Watch
    ) -> Answered | None:
        """Ask some queries of the order; None if the setting has failed."""
        start, stop = queries
        turn = _WARM_UP if start == 0 else _PROBE
        request = (
            WarmUp(setting.number, stop)
            if turn == _WARM_UP
            else TakeTurn(turn, setting.number, start, stop, _MOST_SECONDS)
        )
        reply = member.ask(request, _PHASE, watch, setting)
        return member.valid_answer(reply, setting, self.order[start:stop], turn)

    def _recalls(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """`(m,)` recall of the first queries of the order, whose ids these are."""
        data, queries = self.dataset, self.order[: len(ids)]
        base, asked = data.search_base, data.search_queries[queries]
        distances, scales = distances_and_scales(data.metric, base, asked, ids)
        truth = self.truth.distances[queries]
        return np.asarray(recall_matrix(data.metric, distances, scales, truth)[:, -1])


@dataclass
class _Pace:
    """The times of settings that reach the target: those that are far slower are useless.

    Times of settings of one member are compared for the same queries; `others` are the bytes and
    the typical seconds of a query of those of other indexes. Without a race none is useless.
    """

    race: RaceFor | None
    reference_seconds: float
    others: Sequence[tuple[float, float]]
    _own: list[tuple[float, NDArray[np.float64]]] = field(default_factory=list)

    @property
    def reached(self) -> list[tuple[float, float]]:
        """Of the member's settings that reach the target, as `others`."""
        return [(size, float(np.median(times))) for size, times in self._own]

    def take(self, setting: Setting, times: NDArray[np.float64]) -> None:
        """Take the seconds of each query of a setting that reaches the target."""
        self._own.append((_size(setting), times))

    def makes_useless(self, setting: Setting, times: NDArray[np.float64]) -> bool:
        """Whether a setting can win no more, by the seconds of its queries."""
        if self.race is None:
            return False
        most = math.inf if self.race == "time" else _size(setting) * SAME_SIZE
        typical = float(np.median(times))
        return any(
            _typical(times, others) > TOO_SLOW * _typical(others, times)
            for size, others in self._own
            if size <= most
        ) or any(typical > FAR_TOO_SLOW * other for size, other in self.others if size <= most)


def _typical(times: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """The median of the times of queries that both have: a pause changes few of them."""
    return float(np.median(times[: len(others)]))


def _size(setting: Setting) -> float:
    return setting.index_bytes or math.inf  # 0 if it is not known


def _probe(member: Member, setting: Setting, recall: float, queries: int, seconds: float) -> Probe:
    build_seconds = member.built.build_seconds if member.built is not None else math.nan
    return Probe(recall, queries, seconds, setting.index_bytes, build_seconds)


def race_for(target: Target | None) -> Race | None:
    """Return the race of the settings of a block; None if there is none."""
    if target is None or target.race is None:
        return None
    return Race(by_size=target.race == "time and bytes")


@dataclass
class Race:
    """Leaves out settings that are clearly slower than the fastest of their block.

    `by_size`: than the fastest of those that are no larger.
    """

    by_size: bool = False
    _logs: dict[str, list[float]] = field(default_factory=dict)
    _rounds: int = 0

    def after_round(self, settings: Sequence[Setting], queries: NDArray[np.intp]) -> None:
        """Take the times of a round, of the settings that took part in it."""
        for setting in settings:
            logs = self._logs.setdefault(setting.spec.key, [])
            logs.extend([math.nan] * (self._rounds - len(logs)))  # rounds of cycles it was not in
            logs.append(math.log(setting.mean_seconds(queries)))
        self._rounds += 1
        every = np.full((len(settings), self._rounds), math.nan)
        for row, setting in zip(every, settings, strict=True):
            row[:] = self._logs[setting.spec.key]
        sizes = np.array([_size(setting) for setting in settings])
        for number in slower_ones(every, sizes if self.by_size else None):
            settings[number].left_out = True
