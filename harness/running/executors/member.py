"""A member of a block: its worker, what it is asked, and how it fails."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.results.point import BuildFacts, Status
from harness.running.blocks import MemberSpec, TaskFailure
from harness.running.executors.replies import status_of, unexpected
from harness.running.executors.setting import LEAST_SECONDS, Setting
from harness.running.machine.facts import storable_bytes
from harness.running.messages import (
    Answered,
    Built,
    Close,
    CountDistances,
    Counted,
    Describe,
    Described,
    Done,
    Failed,
    Message,
    Phase,
    TakeTurn,
)
from harness.running.processes.child import Child, ChildGone
from harness.running.worker.answers import WrongAnswer
from harness.text import Json

_PHASES = ("prepare", "build")
_LEAVING_SECONDS = 5.0

Reply = TypeVar("Reply", bound=Message)
Watch = Callable[["Member", bool], None]
"""Called again and again while a member works, and (True) after each of its turns."""


class NoSpace(Exception):
    """The members do not fit into memory together: the last one has to wait for another part."""


@dataclass
class Member:
    """A member whose worker runs, or is paused."""

    spec: MemberSpec
    child: Child
    settings: tuple[Setting, ...]
    timeout: float
    built: Built | None = None
    used_bytes: int = 0
    looked_at: float = -math.inf
    diagnostics: dict[str, dict[str, NDArray[np.generic]]] = field(default_factory=dict)
    libraries: Json = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    gone: bool = False
    crowded_out: bool = False
    phase: str = "load"
    active: Setting | None = None
    _processor_seconds: float = 0.0

    @property
    def alive_settings(self) -> list[Setting]:
        """The settings that have neither failed nor been left out."""
        return [setting for setting in self.settings if setting.is_alive]

    def pause(self) -> None:
        """Stop its processes, if its entry is pausable."""
        if self.spec.pausable:
            self.child.tree.pause()

    def begin_rounds(self) -> None:
        """Start to count processor time, so that building is not included."""
        self._processor_seconds_since()

    def resume(self) -> None:
        """Resume its processes."""
        if self.child.tree.is_paused:
            self.child.tree.resume()

    def ask(self, request: Message, phase: str, watch: Watch, active: Setting | None) -> Message:
        """Send a request and return the reply, which may be `Failed`.

        Raises
        ------
        ChildGone
            If it ended, hung or broke the protocol. `fail` then blames the active setting.
        """
        self.phase, self.active = "wait", None
        if self.child.tree.exit_code is not None:
            raise self.child.gone()
        self.phase, self.active = phase, active
        began = time.monotonic()
        self.resume()
        try:
            self.child.send(request)
            return self._answer(watch, began)
        finally:
            if active is not None:
                active.seconds_spent += time.monotonic() - began

    def _answer(self, watch: Watch, began: float) -> Message:
        spent = self.active.seconds_spent if self.active is not None else 0.0
        deadline = began + self.timeout - spent
        expected = list(_PHASES) if self.phase == "prepare" else []
        while True:
            try:
                message = self.child.receive(deadline, lambda: watch(self, False))
            except TimeoutError:
                reason = f"{self.phase} took longer than the timeout of {self.timeout:g} s"
                raise ChildGone("timeout", reason) from None
            if not isinstance(message, Phase):
                return message
            if message.phase not in expected:  # each begins once, so that no time-out is put off
                raise ChildGone.broken("an unknown phase")
            expected.remove(message.phase)
            self.phase, deadline = message.phase, time.monotonic() + self.timeout
            watch(self, False)

    def wait_for_load(self, watch: Watch) -> Message:
        """Return its reply to `Start`, which was sent when it was started."""
        self.phase, self.active = "load", None
        return self._answer(watch, time.monotonic() - self.child.seconds)

    def ask_to_leave(self) -> bool:
        """Ask the worker to close; return whether it confirms."""
        self.phase, self.active = "close", None
        try:
            self.resume()
            self.child.count_leftover()
            self.child.send(Close())
            answer = self.child.receive(time.monotonic() + _LEAVING_SECONDS, lambda: None)
        except (ChildGone, TimeoutError):
            return False
        return isinstance(answer, Done)

    def replace_worker(self, other: Member) -> None:
        """Take over the worker of another member that has loaded the same."""
        self.child, self.gone, self.built = other.child, other.gone, None
        self.phase, self.active = other.phase, None

    def time_turn(self, request: TakeTurn, setting: Setting, watch: Watch) -> NDArray[np.float64]:
        """Give a setting a turn and return only the seconds `(n,)` of the queries."""
        answer = self.ask(request, "search", watch, None)
        self.pause()
        if not isinstance(answer, Answered):
            raise unexpected(answer)
        setting.check(answer, np.arange(request.start, request.stop), request.turn)
        return np.asarray(np.maximum(answer.seconds, LEAST_SECONDS), dtype=np.float64)

    def turn(
        self, request: TakeTurn, setting: Setting, queries: NDArray[np.intp], watch: Watch
    ) -> int:
        """Give a setting its turn; return how many of the queries it answered.

        Raises
        ------
        ChildGone
            If the worker ended, hung or broke the protocol.
        """
        if not self.spec.pausable:
            self._processor_seconds_since()  # what it did in the turns of others is not counted
        began = time.monotonic()
        reply = self.ask(request, "search", watch, setting)
        setting.turns += 1
        setting.turn_seconds += time.monotonic() - began
        self.pause()
        setting.processor_seconds += self._processor_seconds_since()
        self.child.require_silent()
        watch(self, True)
        answer = self.valid_answer(reply, setting, queries, request.turn)
        if answer is None:
            return len(queries)
        answered = len(answer.seconds)
        setting.take(answer, queries[:answered])
        return answered

    def valid_answer(
        self, reply: Message, setting: Setting, queries: NDArray[np.intp], turn: int
    ) -> Answered | None:
        """Return a reply that answers queries; otherwise fail the setting and return None.

        Raises
        ------
        ChildGone
            If the worker broke the protocol.
        """
        if isinstance(reply, Answered):
            try:
                setting.check(reply, queries, turn)
                return reply
            except WrongAnswer as wrong:
                reply = Failed("wrong_answer", str(wrong))
        if not isinstance(reply, Failed):
            raise unexpected(reply)
        self.fail_setting(reply, setting)
        return None

    def take_index_bytes(self, setting: Setting, phase: str, watch: Watch) -> None:
        """Ask for the size of the index under a setting, and store it if a machine could hold it.

        Raises
        ------
        ChildGone
            As `ask`.
        """
        answer = self.ask(Describe(setting.number), phase, watch, setting)
        if isinstance(answer, Failed):
            return self.fail_setting(answer, setting)
        if not isinstance(answer, Described):
            raise unexpected(answer)
        stated, most = answer.index_bytes, storable_bytes()
        if not 0 <= stated <= most:
            reason = f"index_bytes() is {stated}, 0 to {most:,} can be (memory and disk)"
            return self.fail_setting(Failed("error", reason), setting)
        setting.index_bytes = stated
        return None

    def count_distances(self, setting: Setting, watch: Watch) -> None:
        """Ask how many rows a setting compares with some queries, and keep the mean if it can be.

        Raises
        ------
        ChildGone
            As `ask`.
        """
        asked = setting.queries_to_count()
        answer = self.ask(CountDistances(setting.number, asked), "finish", watch, setting)
        if isinstance(answer, Failed):
            return self.fail_setting(answer, setting)
        if not isinstance(answer, Counted):
            raise unexpected(answer)
        if answer.distance_computations is None:
            return None
        try:
            setting.take_count(answer.distance_computations, asked)
        except ValueError as error:
            self.fail_setting(Failed("error", str(error)), setting)
        return None

    def _processor_seconds_since(self) -> float:
        """Seconds on a processor since the last call; it is paused, or cannot be."""
        before = self._processor_seconds
        self._processor_seconds = self.child.tree.processor_seconds()
        return max(0.0, self._processor_seconds - before)

    def fail(self, gone: ChildGone) -> None:
        """Fail the active setting, or all of them if none was active; the worker is lost."""
        status, reason = gone.status, gone.reason
        if status in ("crashed", "out_of_memory"):
            reason = f"{reason} in {self.phase}"
        failure = self._failure(status, reason)
        for setting in self.alive_settings if self.active is None else [self.active]:
            setting.failure = setting.failure or failure
        self.gone = True

    def fail_setting(self, told: Failed, setting: Setting) -> None:
        """Fail one setting; the worker continues."""
        status = status_of(told)
        setting.failure = setting.failure or self._failure(status, told.reason)

    def take_or_fail(self, reply: Message, kind: type[Reply]) -> Reply | None:
        """Return a reply of the kind; None if the worker failed, and with it every setting."""
        if isinstance(reply, kind):
            return reply
        if not isinstance(reply, Failed):
            raise unexpected(reply)
        for setting in self.alive_settings:
            self.fail_setting(reply, setting)
        return None

    def _failure(self, status: Status, reason: str) -> TaskFailure:
        return TaskFailure(
            status=status,
            reason=reason,
            phase=self.phase,
            log_tail=self.child.log_tail,
            peak_bytes=self.child.peak_bytes,
            seconds=self.child.seconds,
        )

    def left_over(self) -> MemberSpec | None:
        """Return the member with the settings that have neither failed nor finished."""
        left = tuple(setting.spec for setting in self.alive_settings)
        return replace(self.spec, settings=left) if left else None

    def facts(self) -> BuildFacts:
        """Return the figures of the build, without those of a setting."""
        assert self.built is not None
        return BuildFacts(
            seed=self.built.seed,
            prepare_seconds=self.built.prepare_seconds,
            build_seconds=self.built.build_seconds,
            measured_index_bytes=self.built.measured_index_bytes,
            # Adapters of other harnesses know their index size only from this growth.
            index_bytes_are_measured=self.spec.adapter.foreign is not None,
            libraries=self.libraries,
            warnings=(*self.warnings, *self.child.warnings()),
            peak_bytes=self.child.peak_bytes,
        )


def alive(members: Sequence[Member]) -> Iterator[tuple[Member, Setting]]:
    """Yield every setting that has not failed, with its member, of members with a worker."""
    for member in members:
        if not member.gone:
            for setting in member.alive_settings:
                yield member, setting
