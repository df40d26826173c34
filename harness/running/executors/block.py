"""Measures one block on this machine: builds the members, lets them take turns, collects."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.data.cached import open_cached
from harness.measures.speed import query_order
from harness.running.blocks import (
    AdapterSpec,
    BlockSpec,
    MemberSpec,
    SettingSpec,
    shuffled,
)
from harness.running.executors.member import (
    Member,
    NoSpace,
    Setting,
    alive,
    bounded,
    nested,
    require_sound,
    settings_of,
    unexpected,
)
from harness.running.executors.outcomes import BlockOutcome
from harness.running.executors.rounds import OnPhase, Rounds
from harness.running.machine.cpus import allotted_cpus, worker_cpus
from harness.running.machine.facts import allotted_cores, storable_bytes, usable_memory_bytes
from harness.running.messages import (
    Answered,
    BuildIndex,
    Built,
    Describe,
    Described,
    Failed,
    Finish,
    Finished,
    Message,
    Ready,
    Start,
    WarmUp,
)
from harness.running.processes.child import Child, ChildGone, ChildSpec
from harness.running.processes.descendants import children_of
from harness.running.processes.tree import end_strays
from harness.running.worker.answers import WrongAnswer
from harness.running.worker.measuring import MemberStart
from harness.running.worker.reference import ROWS as REFERENCE_ROWS

_PROGRAM = "harness.running.worker.measuring"
_MOST_WARNINGS = 20
_LOOK_SECONDS = 0.05
_SEARCH_LOOK_SECONDS = 0.5  # memory is looked at less often while queries are timed
_LONG_BUILD_SECONDS = 1800.0
_MOST_LOADED_AHEAD = 4
_MOST_TOGETHER = 100  # each has three open files
_REFERENCE_TIMEOUT_SECONDS = 120.0  # it is not the suite's to limit

REFERENCE = MemberSpec(
    title="reference",
    adapter=AdapterSpec("harness.running.worker.reference", "Reference"),
    build={},
    settings=(SettingSpec("reference", {}, 10, 1),),
)


@dataclass(frozen=True)
class _Waiting:
    """A member that is still to be measured.

    `member` is there if its worker is; `alone` says that it needs the memory of a part to itself.
    """

    spec: MemberSpec
    member: Member | None = None
    alone: bool = False


class BlockRun:
    """One block on its way.

    Parameters
    ----------
    cache
        Folder for compiled code (numba's), which outlives the workers.
    on_phase
        Follows what goes on.
    """

    def __init__(self, spec: BlockSpec, cache: Path, on_phase: OnPhase) -> None:
        self._spec = spec
        self._cache = cache
        self._on_phase = on_phase
        dataset = open_cached(Path(spec.dataset))
        self._n, self._nq = len(dataset.base), len(dataset.queries)
        self._order = query_order(self._nq)
        self._rng = np.random.default_rng(int(spec.id, 16))
        self._limit = spec.memory_bytes or usable_memory_bytes()
        self._before = frozenset(children_of(os.getpid()))
        self._running: list[Member] = []  # all that have a worker, the reference among them
        self._next_look = 0.0

    def parts(self) -> Iterator[BlockOutcome]:
        """Measure everything and yield what was measured together: one part, if memory allows.

        Every part has its own turns of the reference index, through which they can be compared.
        """
        waiting = [
            _Waiting(self._spec.members[i]) for i in shuffled(len(self._spec.members), self._rng)
        ]
        try:
            for part in range(1 << 16):
                if not waiting:
                    return
                began = time.monotonic()
                name = self._spec.id if part == 0 else f"{self._spec.id}-{part}"
                outcome = BlockOutcome(name, self._spec.number)
                waiting = self._measure_part(waiting, outcome)
                outcome.seconds = time.monotonic() - began
                yield outcome
        finally:
            for member in list(self._running):
                self._end(member)

    def _measure_part(self, waiting: Sequence[_Waiting], outcome: BlockOutcome) -> list[_Waiting]:
        """Build as many members as fit together and measure them; return those that are left."""
        reference = self._built_reference()
        together, left = self._build_up(waiting)
        if any(True for _ in alive(together)):
            rounds = Rounds(
                self._spec, self._order, self._rng, self._watch, self._lose, self._on_phase
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
                left = [*left, _Waiting(rest, alone=member.crowded_out)]
        return left

    # ---- building -----------------------------------------------------------------------------

    def _built_reference(self) -> Member:
        member = self._started(REFERENCE, settings_of(REFERENCE, self._nq, REFERENCE_ROWS))
        if self._loaded(member):
            self._build(member)
        failure = member.settings[0].failure
        if failure is not None:
            raise RuntimeError(f"the reference index: {failure.reason}\n{failure.log_tail}")
        return member

    def _build_up(self, waiting: Sequence[_Waiting]) -> tuple[list[Member], list[_Waiting]]:
        """Build members one after another until one does not fit, or is to be measured alone."""
        together: list[Member] = []
        left, ahead = list(waiting), _MOST_LOADED_AHEAD
        while left and self._may_join(together, left[0]):
            left = self._load_ahead(left, ahead)
            first, member = left[0], left[0].member
            if member is None or not self._build_unless_full(member):
                left = self._unloaded([replace(first, member=None), *left[1:]])
                if together:
                    break
                ahead = 1  # those that were loaded ahead were in its way
                continue
            del left[0]
            if self._is_long(member):
                # What stands already waits for the next part; a kill must not cost the long build.
                standing = [other for other in together if other.built and not other.gone]
                left = [*(_Waiting(other.spec, other) for other in standing), *left]
                together = [other for other in together if other not in standing]
            together.append(member)
            if self._is_long(member) or first.alone or len(together) == _MOST_TOGETHER:
                break
        return together, self._unloaded(left)

    def _may_join(self, together: Sequence[Member], one: _Waiting) -> bool:
        """Whether a member may be measured beside others: not if one of them cannot be paused."""
        every = [one.spec, *(member.spec for member in together)]
        return not together or (not one.alone and all(spec.pausable for spec in every))

    def _is_long(self, member: Member) -> bool:
        return member.built is not None and member.built.build_seconds > _LONG_BUILD_SECONDS

    def _load_ahead(self, left: Sequence[_Waiting], most: int) -> list[_Waiting]:
        """Load the next members, if the first of them is not loaded, so many of them at once.

        Loading is not timed, so it may overlap; all of it is over before anything is built.
        """
        if left[0].member is not None:
            return list(left)
        roomy = left[0].spec.pausable and self._used() < self._limit / 4
        count = most if roomy else 1
        new = [one for one in left[:count] if one.member is None and one.spec.pausable]
        specs = [one.spec for one in new] or [left[0].spec]
        loading: list[Member] = []
        loaded: dict[int, Member] = {}
        for spec in specs:
            if len(loading) == max(2, allotted_cores()):
                self._take_loaded(loading.pop(0), loaded)
            loading.append(self._started(spec, settings_of(spec, self._nq, self._n)))
        for member in loading:
            self._take_loaded(member, loaded)
        return [replace(one, member=loaded.get(id(one.spec), one.member)) for one in left]

    def _take_loaded(self, member: Member, loaded: dict[int, Member]) -> None:
        if self._loaded(member):
            loaded[id(member.spec)] = member

    def _unloaded(self, left: Sequence[_Waiting]) -> list[_Waiting]:
        """End the workers that were loaded ahead and are not built now."""
        for one in left:
            if one.member is not None and one.member.built is None:
                self._end(one.member)
        return [replace(o, member=o.member if o.member and o.member.built else None) for o in left]

    def _started(self, spec: MemberSpec, settings: tuple[Setting, ...]) -> Member:
        """Start a worker and let it load."""
        block = self._spec
        is_reference = spec is REFERENCE
        threads = 1 if is_reference else max(block.build_threads, block.threads)
        child = Child(
            ChildSpec(
                program=_PROGRAM,
                threads=threads,
                memory_bytes=self._limit,
                cpus=worker_cpus(1 if is_reference else block.build_threads),
                python=spec.adapter.python,
                cache=self._cache,
            )
        )
        timeout = _REFERENCE_TIMEOUT_SECONDS if is_reference else block.timeout
        member = Member(spec, child, settings, timeout)
        self._running.append(member)
        own = block.only([spec])
        if is_reference:
            own = replace(own, mode="single", threads=1, build_threads=1)
        cpus = worker_cpus(own.threads) or allotted_cpus()
        try:
            child.send(Start(MemberStart(own, cpus).to_json()))
        except ChildGone as gone:
            self._lose(member, gone)
        return member

    def _loaded(self, member: Member) -> bool:
        """Wait until a worker has loaded, or failed, and pause it; False for want of memory."""
        if member.gone:
            return True
        self._on_phase(member.spec.title, "load", None)
        try:
            answer = member.wait_for_load(self._watch)
            self._take_or_fail(member, answer, Ready)
            member.pause()
        except NoSpace:
            self._end(member)
            return False
        except ChildGone as gone:
            self._lose(member, gone)
        return True

    def _build_unless_full(self, member: Member) -> bool:
        """Build and warm up a loaded member; False if it needs memory that others hold."""
        try:
            if member.built is None:
                self._build(member)
        except NoSpace:
            self._end(member)
            return False
        return True

    def _build(self, member: Member) -> None:
        """Build, warm up every setting, and pause.

        A setting whose warm-up takes the worker down has failed; the others get a new worker.
        """
        while not member.gone and member.alive_settings:
            try:
                self._build_once(member)
                member.pause()
                return
            except ChildGone as gone:
                guilty = member.active
                self._lose(member, gone)
                if guilty is not None and member.alive_settings:
                    self._start_again(member)

    def _start_again(self, member: Member) -> None:
        other = self._started(member.spec, member.settings)
        member.replace_worker(other)
        if not member.gone:
            self._running[self._running.index(other)] = member
            if not self._loaded(member):
                raise NoSpace

    def _build_once(self, member: Member) -> None:
        self._on_phase(member.spec.title, "build", None)
        answer = member.ask(BuildIndex(), "prepare", self._watch, None)
        built = self._take_or_fail(member, answer, Built)
        if not isinstance(built, Built):
            return
        require_sound(built, storable_bytes())
        member.built = built
        for setting in member.alive_settings:
            self._on_phase(member.spec.title, "warm-up", setting.spec.key)
            self._warm_up(member, setting)
        member.used_bytes = member.child.look_at_memory()

    def _warm_up(self, member: Member, setting: Setting) -> None:
        answer = member.ask(WarmUp(setting.number), "warm-up", self._watch, setting)
        if isinstance(answer, Failed):
            return member.fail_setting(answer, setting)
        if not isinstance(answer, Answered):
            raise unexpected(answer)
        try:
            setting.check(answer, self._nq, -1)
        except WrongAnswer as wrong:
            return member.fail_setting(Failed("wrong_answer", str(wrong)), setting)
        setting.pass_seconds = answer.wall * self._nq / len(answer.seconds)
        return None

    def _take_or_fail(self, member: Member, answer: Message, kind: type[Message]) -> Message:
        """Return the answer if it is of the kind; fail every setting if it tells of a failure."""
        if isinstance(answer, Failed):
            member.fail_all(answer)
        elif not isinstance(answer, kind):
            raise unexpected(answer)
        return answer

    # ---- memory -------------------------------------------------------------------------------

    def _used(self) -> int:
        return sum(member.used_bytes for member in self._running)

    def _watch(self, member: Member, at_once: bool) -> None:
        """Look at the memory of a member, at once or as often as its phase allows.

        Raises
        ------
        ChildGone
            If it takes more than the limit by itself.
        NoSpace
            If it takes more than the others leave.
        """
        now = time.monotonic()
        if now < self._next_look and not at_once:
            return
        searching = member.phase == "search"
        self._next_look = now + (_SEARCH_LOOK_SECONDS if searching else _LOOK_SECONDS)
        member.used_bytes = member.child.look_at_memory()
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

    # ---- the end ------------------------------------------------------------------------------

    def _finish(self, member: Member) -> None:
        """Ask for what explains the index, once the turns are over."""
        if member.gone or not member.alive_settings:
            return
        self._on_phase(member.spec.title, "finish", None)
        try:
            for setting in member.alive_settings:
                answer = member.ask(Describe(setting.number), "finish", self._watch, setting)
                if isinstance(answer, Failed):
                    member.fail_setting(answer, setting)
                elif isinstance(answer, Described):
                    self._take_index_bytes(member, setting, answer.index_bytes)
                else:
                    raise unexpected(answer)
            answer = member.ask(Finish(), "finish", self._watch, None)
            found = self._take_or_fail(member, answer, Finished)
            if isinstance(found, Finished):
                member.diagnostics = nested(found.diagnostics)
                member.libraries = bounded(found.libraries)
                member.warnings.extend(found.warnings[:_MOST_WARNINGS])
        except ChildGone as gone:
            self._lose(member, gone)
        except NoSpace:
            self._lose(member, None)

    def _take_index_bytes(self, member: Member, setting: Setting, index_bytes: int) -> None:
        """Take the size that the adapter states, if a machine can hold it."""
        most = storable_bytes()
        if 0 <= index_bytes <= most:
            setting.index_bytes = index_bytes
        else:
            reason = f"index_bytes() is {index_bytes}, 0 to {most:,} can be (memory and disk)"
            member.fail_setting(Failed("error", reason), setting)

    def _close(self, member: Member) -> None:
        """Let a worker leave; what it was measured for is here already."""
        if not member.gone:
            if member.ask_to_leave():
                member.child.leave()
            else:
                member.warnings.append("it did not leave when it was asked to")
        self._end(member)

    def _lose(self, member: Member, gone: ChildGone | None) -> None:
        """End a member that failed; without a failure it comes again in another part."""
        if gone is not None:
            member.fail(gone)
        member.crowded_out = gone is None
        member.gone = True
        self._end(member)

    def _end(self, member: Member) -> None:
        """End a member's processes, whatever state it is in."""
        if member in self._running:
            self._running.remove(member)
        member.child.end()
        end_strays({*self._before, *(other.child.tree.process.pid for other in self._running)})

    def _collect(self, member: Member, outcome: BlockOutcome) -> None:
        for setting in member.settings:
            if setting.failure is not None:
                outcome.failed[setting.spec.key] = setting.failure
            elif not member.gone:
                allotted = self._spec.threads
                done = setting.measured(member.facts(), member.diagnostics, allotted)
                outcome.finished[setting.spec.key] = done
