"""The workers of a block: their start, memory and end."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from harness.contracts import FilteredQueries
from harness.running.blocks import AdapterSpec, BlockSpec, MemberSpec, SettingSpec
from harness.running.executors.compiled_code import compiled_folder
from harness.running.executors.member import Member, NoSpace
from harness.running.executors.setting import Setting, settings_of
from harness.running.machine.cpus import allotted_cpus, worker_cpus
from harness.running.machine.facts import usable_memory_bytes
from harness.running.messages import Start
from harness.running.processes.child import Child, ChildGone, ChildSpec
from harness.running.processes.tree import end_strays
from harness.running.worker.adapters import ROWS as REFERENCE_ROWS
from harness.running.worker.member_program import MemberStart

_PROGRAM = "harness.running.worker.member_program"
_LOOK_SECONDS = 0.05
_SEARCH_LOOK_SECONDS = 0.5  # memory is checked less often while queries are timed
_TURNS_LOOK_SECONDS = 0.2  # a look takes as long as half a turn
_REFERENCE_TIMEOUT_SECONDS = 120.0  # a suite cannot limit it

REFERENCE = MemberSpec(
    title="reference",
    adapter=AdapterSpec("harness.running.worker.adapters", "Reference"),
    build={},
    settings=(SettingSpec("reference", {}, 10, 1),),
)


class Workers:
    """All members of a block that have a worker, the reference among them.

    Parameters
    ----------
    cache
        The cache folder, which keeps what numba compiles.
    n, nq
        Rows and queries of the dataset.
    filters
        Those of the queries; None if they have none.
    """

    def __init__(
        self, spec: BlockSpec, cache: Path, n: int, nq: int, filters: FilteredQueries | None = None
    ) -> None:
        self._spec = spec
        self._cache = cache
        self._n, self._nq = n, nq
        self._filters = filters
        self._limit = spec.memory_bytes or usable_memory_bytes()
        self._running: list[Member] = []
        self._next_look = 0.0

    def start(self, spec: MemberSpec) -> Member:
        """Start a worker, which then loads."""
        if spec is REFERENCE:
            return self._started(spec, settings_of(spec, self._nq, REFERENCE_ROWS, None))
        return self._started(spec, settings_of(spec, self._nq, self._n, self._filters))

    def start_again(self, member: Member) -> None:
        """Give a member that has lost its worker a new one."""
        other = self._started(member.spec, member.settings)
        member.replace_worker(other)
        if not member.gone:
            self._running[self._running.index(other)] = member

    def _started(self, spec: MemberSpec, settings: tuple[Setting, ...]) -> Member:
        block = self._spec
        is_reference, origin = spec is REFERENCE, spec.origin
        threads = 1 if is_reference else max(block.build_threads, block.threads)
        child = Child(
            ChildSpec(
                program=_PROGRAM,
                threads=threads,
                memory_bytes=self._limit,
                cpus=worker_cpus(1 if is_reference else block.build_threads, int(block.id, 16)),
                python=spec.adapter.python,
                compiled=None if origin is None else compiled_folder(self._cache, origin),
            )
        )
        timeout = _REFERENCE_TIMEOUT_SECONDS if is_reference else block.timeout
        member = Member(spec, child, settings, timeout)
        self._running.append(member)
        own = block.only([spec])
        if is_reference:
            own = replace(own, mode="single", threads=1, build_threads=1)
        cpus = worker_cpus(own.threads, int(block.id, 16)) or allotted_cpus()
        try:
            child.send(Start(MemberStart(own, cpus).to_json()))
        except ChildGone as gone:
            self.lose(member, gone)
        return member

    def are_roomy(self) -> bool:
        """Whether most of the memory is free."""
        return self._used() < self._limit / 4

    def _used(self) -> int:
        return sum(member.used_bytes for member in self._running)

    def watch(self, member: Member, after_turn: bool) -> None:
        """Check the memory of a member as often as its phase allows, or after a turn.

        Raises
        ------
        ChildGone
            If it takes more than the limit by itself.
        NoSpace
            If it takes more than the others leave.
        """
        now = time.monotonic()
        due = member.looked_at + _TURNS_LOOK_SECONDS if after_turn else self._next_look
        if now < due:
            return
        searching = member.phase == "search"
        self._next_look = now + (_SEARCH_LOOK_SECONDS if searching else _LOOK_SECONDS)
        member.used_bytes, member.looked_at = member.child.look_at_memory(), now
        if member.spec is REFERENCE:
            return
        others = [other for other in self._running if other is not member]
        rest = sum(other.used_bytes for other in others)
        if member.used_bytes + rest <= self._limit:
            return
        has_company = any(other.spec is not REFERENCE for other in others)
        if has_company and member.used_bytes <= self._limit:
            raise NoSpace
        peak, limit = member.child.peak_bytes / 2**20, self._limit / 2**20
        beside = f" beside {rest / 2**20:,.0f} MiB of others" if rest > self._limit / 10 else ""
        reason = f"{peak:,.0f} MiB{beside}, more than the limit of {limit:,.0f} MiB,"
        raise ChildGone("out_of_memory", reason)

    def lose(self, member: Member, gone: ChildGone | None) -> None:
        """End a member that failed; without a failure it is measured in another part."""
        if gone is not None:
            member.fail(gone)
        member.crowded_out = gone is None
        member.gone = True
        self.end(member)

    def end(self, member: Member) -> None:
        """End a member's processes, whatever state it is in."""
        if member in self._running:
            self._running.remove(member)
        member.child.end()
        end_strays()

    def end_all(self) -> None:
        """End all processes that still run."""
        for member in list(self._running):
            self.end(member)
