"""Measures one block on this machine: builds the members, lets them take turns, collects."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from harness.data.cache.cached import open_cached
from harness.running.blocks import BlockOutcome, BlockSpec, shuffled
from harness.running.executors.building import Building, Waiting
from harness.running.executors.member import Member, NoSpace, alive
from harness.running.executors.replies import nested
from harness.running.executors.rounds import OnPhase, Rounds
from harness.running.executors.setting import Setting
from harness.running.executors.targets import TargetSearch
from harness.running.executors.workers import Workers
from harness.running.messages import Finish, Finished
from harness.running.processes.child import ChildGone

_MOST_WARNINGS = 20


class BlockRun:
    """The measurement of one block.

    Parameters
    ----------
    cache
        The cache folder, which keeps what numba compiles.
    on_phase
        Follows what happens.
    """

    def __init__(self, spec: BlockSpec, cache: Path, on_phase: OnPhase) -> None:
        self._spec = spec
        self._on_phase = on_phase
        dataset = open_cached(Path(spec.dataset))
        nq = len(dataset.queries)
        self._order = spec.order(nq)
        self._rng = np.random.default_rng(int(spec.id, 16))
        self._workers = Workers(spec, cache, len(dataset.base), nq, dataset.filters)
        search = TargetSearch.of(spec, dataset, self._order)
        self._building = Building(self._workers, self._order, on_phase, search)

    def parts(self) -> Iterator[BlockOutcome]:
        """Measure everything and yield what was measured together: one part, if memory allows.

        Every part has its own turns of the reference index, through which they can be compared.
        """
        waiting = [
            Waiting(self._spec.members[i]) for i in shuffled(len(self._spec.members), self._rng)
        ]
        try:
            for part in range(1 << 16):
                if not waiting:
                    return
                began = time.monotonic()
                name = self._spec.id if part == 0 else f"{self._spec.id}-{part}"
                outcome = BlockOutcome(name, self._spec.number, self._spec.order_seed)
                waiting = self._measure_part(waiting, outcome)
                outcome.seconds = time.monotonic() - began
                yield outcome
        finally:
            self._workers.end_all()

    def _measure_part(self, waiting: Sequence[Waiting], outcome: BlockOutcome) -> list[Waiting]:
        """Build as many members as fit together and measure them; return those that are left."""
        reference = self._building.built_reference()
        together, left = self._building.build_up(waiting)
        if any(True for _ in alive(together)):
            rounds = Rounds(
                self._spec,
                self._order,
                self._rng,
                self._workers.watch,
                self._workers.lose,
                self._on_phase,
            )
            rounds.run(reference, together)
            outcome.window, outcome.reference_times = rounds.window, rounds.reference_times()
        for member in together:
            self._finish(member)
        for member in [reference, *together]:
            self._close(member)
        for member in together:
            self._collect(member, outcome)
            rest = member.left_over() if member.gone else None
            if rest is not None:
                left = [*left, Waiting(rest, alone=member.crowded_out)]
        return left

    def _finish(self, member: Member) -> None:
        """Ask for index size and diagnostics, after the turns."""
        if member.gone or not member.alive_settings:
            return
        self._on_phase(member.spec.title, "finish", None)
        try:
            for setting in member.alive_settings:
                member.take_index_bytes(setting, "finish", self._workers.watch)
                if self._counts(setting):
                    member.count_distances(setting, self._workers.watch)
            answer = member.ask(Finish(), "finish", self._workers.watch, None)
            found = member.take_or_fail(answer, Finished)
            if found is not None:
                member.diagnostics = nested(found.diagnostics)
                member.libraries = found.libraries
                member.warnings.extend(found.warnings[:_MOST_WARNINGS])
        except ChildGone as gone:
            self._workers.lose(member, gone)
        except NoSpace:
            self._workers.lose(member, None)

    def _counts(self, setting: Setting) -> bool:
        """Whether distance computations are asked for: not of a search for a target's settings."""
        counted = setting.is_alive and setting.passes > 0
        return counted and not setting.is_filtered and self._spec.target is None

    def _close(self, member: Member) -> None:
        """Close a worker, whose measurements are all received."""
        if not member.gone:
            if member.ask_to_leave():
                member.child.leave()
            else:
                member.warnings.append("it did not leave when it was asked to")
        self._workers.end(member)

    def _collect(self, member: Member, outcome: BlockOutcome) -> None:
        for setting in member.settings:
            if setting.probe is not None:
                outcome.probes[setting.spec.key] = setting.probe
            if setting.failure is not None:
                outcome.failed[setting.spec.key] = setting.failure
            elif not member.gone and setting.passes:
                done = setting.measured(
                    member.facts(), member.diagnostics, self._spec.threads, self._spec.order_seed
                )
                outcome.finished[setting.spec.key] = done
