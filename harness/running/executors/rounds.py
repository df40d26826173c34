"""The rounds of a block: the order of the turns, and their outcomes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.contracts.definitions import timed_one_by_one
from harness.running.blocks import (
    TURN_SECONDS,
    BlockSpec,
    load_passes,
    shuffled,
    takes_part,
    windows_and_passes,
)
from harness.running.executors.member import Member, NoSpace, Watch, alive
from harness.running.executors.setting import Setting
from harness.running.executors.targets import race_for
from harness.running.messages import UNLIMITED_SECONDS, TakeTurn
from harness.running.processes.child import ChildGone

_REFERENCE_QUERIES = 50
_SLOW_TURN = 2.0  # a turn ends after so many times the time that a window should take

OnPhase = Callable[[str, str, str | None], None]
"""Gets the title of a member, what it does, and the key of the setting if it is a single one."""

Lose = Callable[[Member, ChildGone | None], None]
"""Ends a member: failed, or set aside until another part if it only lacked memory (None)."""


class Rounds:
    """Runs the rounds of one part of a block.

    Attributes
    ----------
    window
        Queries of a window.
    """

    def __init__(
        self,
        spec: BlockSpec,
        order: NDArray[np.intp],
        rng: np.random.Generator,
        watch: Watch,
        lose: Lose,
        on_phase: OnPhase,
    ) -> None:
        self._spec = spec
        self._order = order
        self._rng = rng
        self._watch = watch
        self._lose = lose
        self._on_phase = on_phase
        self._one_by_one = timed_one_by_one(spec.mode, spec.threads)
        self._turns = 0
        self._reference_times: list[float] = []
        self.window = 1
        self._cycle = ""
        self._race = race_for(spec.target)

    def reference_times(self) -> NDArray[np.float64]:
        """Return the seconds per query of the reference index in each of its turns."""
        return np.array(self._reference_times)

    def run(self, reference: Member, members: Sequence[Member]) -> None:
        """Give turns until every setting has made its passes."""
        settings = [setting for _, setting in alive(members)]
        self.window, counts = self._windows_and_passes(settings)
        passes = {id(setting): count for setting, count in zip(settings, counts, strict=True)}
        cycles = max(passes.values())
        for member in members:
            if not member.gone:
                member.begin_rounds()
        for cycle in range(cycles):
            if not any(True for _ in alive(members)):
                break
            self._cycle = f"cycle {cycle + 1} of {cycles}"
            taking = [
                (member, setting)
                for member, setting in alive(members)
                if takes_part(cycle, cycles, passes[id(setting)])
                and setting.has_time(self._spec.search_seconds)
            ]
            self._run_cycle(cycle, reference, taking)

    def _windows_and_passes(self, settings: Sequence[Setting]) -> tuple[int, list[int]]:
        spec, nq = self._spec, len(self._order)
        if spec.mode == "load":
            limits = (spec.search_seconds, spec.timeout / 2)
            return nq, [
                load_passes(nq, load, setting.spec.repeats, setting.pass_seconds, *limits)
                for setting in settings
                if (load := setting.spec.load) is not None
            ]
        return windows_and_passes(
            nq,
            [(setting.spec.repeats, setting.pass_seconds) for setting in settings],
            one_by_one=self._one_by_one,
            least_seconds=spec.least_seconds,
            search_seconds=spec.search_seconds,
            timeout=spec.timeout,
        )

    def _run_cycle(
        self, cycle: int, reference: Member, taking: Sequence[tuple[Member, Setting]]
    ) -> None:
        """Run all windows once, then the queries that slow settings have not answered yet."""
        for _, setting in taking:
            setting.begin_pass(cycle)
        for start in range(0, len(self._order), self.window):
            stop = min(start + self.window, len(self._order))
            self._round(reference, taking, (start, stop))
            if self._race is not None:
                self._race.after_round(_settings_at_work(taking), self._order[start:stop])
        while owing := [one for one in _at_work(taking) if one[1].owed]:
            self._round(reference, owing, None)
        for _, setting in _at_work(taking):
            setting.end_pass()

    def _round(
        self,
        reference: Member,
        taking: Sequence[tuple[Member, Setting]],
        window: tuple[int, int] | None,
    ) -> None:
        """Give each setting one turn, in a random order; None: on the queries left over.

        The reference has one turn in every window of every cycle, since its times are stored so.
        """
        for i in shuffled(len(taking) + (window is not None), self._rng):
            self._on_phase("", self._cycle, None)
            if i == len(taking):
                self._reference_turn(reference)
                continue
            member, setting = taking[i]
            if member.gone or not setting.is_alive:
                continue
            start, stop = window if window is not None else setting.owed.pop(0)
            self._turn(member, setting, start, stop)

    def _turn(self, member: Member, setting: Setting, start: int, stop: int) -> None:
        limit = _SLOW_TURN * TURN_SECONDS if self._one_by_one else UNLIMITED_SECONDS
        self._turns += 1
        request = TakeTurn(
            self._turns, setting.number, start, stop, limit, setting.rate, setting.cycle
        )
        try:
            answered = member.turn(request, setting, self._order[start:stop], self._watch)
        except ChildGone as gone:
            self._lose(member, gone)
        except NoSpace:
            self._lose(member, None)
        else:
            if answered < stop - start:
                setting.owed.append((start + answered, stop))

    def _reference_turn(self, reference: Member) -> None:
        """A turn of the reference index; if it has failed, the block continues without it."""
        self._turns += 1
        seconds = reference_seconds(
            reference, self._turns, len(self._order), self._watch, self._lose
        )
        if math.isfinite(seconds):
            self._reference_times.append(seconds)


def reference_seconds(
    reference: Member, turn: int, queries: int, watch: Watch, lose: Lose
) -> float:
    """Return the typical time of a query in a turn of the reference index; NaN if it has failed."""
    if reference.gone:
        return math.nan
    request = TakeTurn(turn, 0, 0, min(_REFERENCE_QUERIES, queries), UNLIMITED_SECONDS)
    try:
        return float(np.median(reference.time_turn(request, reference.settings[0], watch)))
    except ChildGone as gone:
        lose(reference, gone)
        return math.nan


def _settings_at_work(taking: Sequence[tuple[Member, Setting]]) -> list[Setting]:
    return [setting for _, setting in _at_work(taking)]


def _at_work(
    taking: Sequence[tuple[Member, Setting]],
) -> Iterator[tuple[Member, Setting]]:
    return ((m, s) for m, s in taking if not m.gone and s.is_alive)
