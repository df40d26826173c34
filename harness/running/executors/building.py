"""Builds the members of a block one after another, as many as fit together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.running.blocks import MemberSpec
from harness.running.executors.member import Member, NoSpace
from harness.running.executors.replies import require_sound
from harness.running.executors.rounds import OnPhase, reference_seconds
from harness.running.executors.setting import Setting
from harness.running.executors.targets import TargetSearch
from harness.running.executors.workers import REFERENCE, Workers
from harness.running.machine.facts import allotted_cores, storable_bytes
from harness.running.messages import BuildIndex, Built, Ready, WarmUp
from harness.running.processes.child import ChildGone

_LONG_BUILD_SECONDS = 1800.0
_MOST_LOADED_AHEAD = 4
_MOST_TOGETHER = 100  # each has three open files


@dataclass(frozen=True)
class Waiting:
    """A member that is still to be measured.

    `member` is set once its worker has started; `alone`: it needs the memory of a part to itself.
    """

    spec: MemberSpec
    member: Member | None = None
    alone: bool = False


class Building:
    """Builds the members of a block.

    Parameters
    ----------
    order
        The queries in the order in which they are asked.
    on_phase
        Follows what happens.
    search
        Chooses the settings of a built member, in a block with a target.
    """

    _reference: Member

    def __init__(
        self,
        workers: Workers,
        order: NDArray[np.intp],
        on_phase: OnPhase,
        search: TargetSearch | None = None,
    ) -> None:
        self._workers = workers
        self._search = search
        self._order = order
        self._on_phase = on_phase

    def built_reference(self) -> Member:
        """Return the reference index, built and paused."""
        member = self._reference = self._workers.start(REFERENCE)
        if self._loaded(member):
            self._build(member)
        failure = member.settings[0].failure
        if failure is not None:
            raise RuntimeError(f"the reference index: {failure.reason}\n{failure.log_tail}")
        return member

    def build_up(self, waiting: Sequence[Waiting]) -> tuple[list[Member], list[Waiting]]:
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
                ahead = 1  # workers loaded ahead took the memory
                continue
            del left[0]
            if self._is_long(member):
                # Members built earlier wait for the next part: a kill must not lose the long build.
                standing = [other for other in together if other.built and not other.gone]
                left = [*(Waiting(other.spec, other) for other in standing), *left]
                together = [other for other in together if other not in standing]
            together.append(member)
            if self._is_long(member) or first.alone or len(together) == _MOST_TOGETHER:
                break
        return together, self._unloaded(left)

    def _may_join(self, together: Sequence[Member], one: Waiting) -> bool:
        """Whether a member may be measured beside others: not if one of them cannot be paused."""
        every = [one.spec, *(member.spec for member in together)]
        return not together or (not one.alone and all(spec.pausable for spec in every))

    def _is_long(self, member: Member) -> bool:
        return member.built is not None and member.built.build_seconds > _LONG_BUILD_SECONDS

    def _load_ahead(self, left: Sequence[Waiting], most: int) -> list[Waiting]:
        """Load the next members, several at once, if the first of them is not loaded.

        Loading is not timed, so it may overlap; all of it ends before anything is built.
        """
        if left[0].member is not None:
            return list(left)
        roomy = left[0].spec.pausable and self._workers.are_roomy()
        count = most if roomy else 1
        new = [one for one in left[:count] if one.member is None and one.spec.pausable]
        specs = [one.spec for one in new] or [left[0].spec]
        loading: list[Member] = []
        loaded: dict[int, Member] = {}
        for spec in specs:
            if len(loading) == max(2, allotted_cores()):
                self._take_loaded(loading.pop(0), loaded)
            loading.append(self._workers.start(spec))
        for member in loading:
            self._take_loaded(member, loaded)
        return [replace(one, member=loaded.get(id(one.spec), one.member)) for one in left]

    def _take_loaded(self, member: Member, loaded: dict[int, Member]) -> None:
        if self._loaded(member):
            loaded[id(member.spec)] = member

    def _unloaded(self, left: Sequence[Waiting]) -> list[Waiting]:
        """End the workers that were loaded ahead but are not built in this part."""
        for one in left:
            if one.member is not None and one.member.built is None:
                self._workers.end(one.member)
        return [replace(o, member=o.member if o.member and o.member.built else None) for o in left]

    def _loaded(self, member: Member) -> bool:
        """Wait until a worker has loaded, or failed, and pause it; False if memory ran out."""
        if member.gone:
            return True
        self._on_phase(member.spec.title, "load", None)
        try:
            answer = member.wait_for_load(self._workers.watch)
            member.take_or_fail(answer, Ready)
            member.pause()
        except NoSpace:
            self._workers.end(member)
            return False
        except ChildGone as gone:
            self._workers.lose(member, gone)
        return True

    def _build_unless_full(self, member: Member) -> bool:
        """Build and warm up a loaded member; False if it needs memory that others hold."""
        try:
            if member.built is None:
                self._build(member)
        except NoSpace:
            self._workers.end(member)
            return False
        return True

    def _build(self, member: Member) -> None:
        """Build, warm up every setting, and pause.

        A setting whose warm-up ends the worker has failed; the others get a new worker.
        """
        while not member.gone and member.alive_settings:
            try:
                self._build_once(member)
                member.pause()
                return
            except ChildGone as gone:
                guilty = member.active
                if self._search is not None:
                    member.active = None  # a further build to search costs more than it may find
                self._workers.lose(member, gone)
                if guilty is not None and member.alive_settings:
                    self._start_again(member)

    def _start_again(self, member: Member) -> None:
        self._workers.start_again(member)
        if not member.gone and not self._loaded(member):
            raise NoSpace

    def _build_once(self, member: Member) -> None:
        self._on_phase(member.spec.title, "build", None)
        answer = member.ask(BuildIndex(), "prepare", self._workers.watch, None)
        built = member.take_or_fail(answer, Built)
        if built is None:
            return
        require_sound(built, storable_bytes())
        member.built = built
        if self._search is not None and member.spec is not REFERENCE:
            self._on_phase(member.spec.title, "search", None)
            member.pause()
            seconds = reference_seconds(
                self._reference, 0, len(self._order), self._workers.watch, self._workers.lose
            )
            self._search.choose(member, seconds, self._workers.watch)
        else:
            for setting in member.alive_settings:
                self._on_phase(member.spec.title, "warm-up", setting.spec.key)
                self._warm_up(member, setting)
        member.used_bytes = member.child.look_at_memory()

    def _warm_up(self, member: Member, setting: Setting) -> None:
        request = WarmUp(setting.number, len(self._order))
        reply = member.ask(request, "warm-up", self._workers.watch, setting)
        answer = member.valid_answer(reply, setting, self._order, -1)
        if answer is not None:
            setting.pass_seconds = answer.wall * len(self._order) / len(answer.seconds)
