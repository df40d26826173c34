"""A member of a block: its worker, its settings, and their measurements so far."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from harness.contracts import FilteredQueries
from harness.contracts.definitions import Load
from harness.measures.load import (
    DROPPED,
    SEARCH_STEPS,
    WARM_UP_QUERIES,
    arrivals_sha256,
    next_rate,
    trials_of,
)
from harness.results.point import MOST_DIAGNOSTICS, BuildFacts, LoadShare, Status
from harness.running.blocks import Measured, MemberSpec, Probe, SettingSpec, TaskFailure
from harness.running.machine.facts import storable_bytes
from harness.running.messages import (
    Answered,
    Built,
    Close,
    Describe,
    Described,
    Done,
    Failed,
    Message,
    Phase,
    TakeTurn,
)
from harness.running.processes.child import Child, ChildGone
from harness.running.worker.answers import WrongAnswer, is_name, require_matching, require_valid
from harness.text import Json

_PHASES = ("prepare", "build")
_STATUSES: tuple[Status, ...] = ("error", "wrong_answer", "out_of_memory")
_LEAST_SECONDS = 1e-9
_TOLERATED_PROCESSORS = 0.5  # beyond those allotted: the worker's own threads, errors of counters
_TOLERATED_WORK = 3.0  # times what was timed: the queries that warm up, and the harness's own work
_UNTIMED_SECONDS = 0.02  # of a turn beside
_LEAVING_SECONDS = 5.0
_BROKEN = "broke the protocol of its channel"

Watch = Callable[["Member", bool], None]
"""Called again and again while a member works, and (True) after each of its turns."""


class NoSpace(Exception):
    """The members do not fit into memory together: the last one has to wait for another part."""


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
        closed_loop_rate = self._nq / max(self.pass_seconds, _LEAST_SECONDS)
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
        n = len(answer.seconds)
        sound = (
            answer.turn == turn
            and answer.seconds.shape == (n,)
            and answer.seconds.dtype == np.float64
            and answer.ids.shape == (n, self.spec.k)
            and answer.ids.dtype.kind == "i"
            and 1 <= n <= len(queries)
            and bool(np.isfinite(answer.seconds).all() and (answer.seconds >= 0).all())
            and 0 < answer.wall < float("inf")  # a clock that stands still is none
        )
        if not sound:
            raise ChildGone("error", f"{_BROKEN}: no answer to what was asked")
        if turn > 0 and self.spec.load is not None:
            self._check_load(answer)
        ids = answer.ids.astype(np.int64, copy=False)
        require_valid(ids, self._n)
        if self._filters is not None:
            require_matching(ids, self._filters.match(queries[:n], ids))

    def _check_load(self, answer: Answered) -> None:
        shape = answer.seconds.shape
        sound = (
            answer.service.shape == answer.outcomes.shape == shape == (self._nq,)
            and answer.service.dtype == np.float64
            and answer.outcomes.dtype == np.int8
            and bool(((answer.service >= 0) & (answer.service <= answer.seconds)).all())
            and bool(((answer.outcomes >= 0) & (answer.outcomes <= DROPPED)).all())
        )
        if not sound:
            raise ChildGone("error", f"{_BROKEN}: no outcome of what was asked")

    def take(self, answer: Answered, queries: NDArray[np.intp]) -> None:
        """Keep the times and ids of queries of the last pass."""
        self._times[-1][queries] = np.maximum(answer.seconds, _LEAST_SECONDS)
        self._walls[-1] += max(answer.wall, _LEAST_SECONDS)
        if answer.ids.dtype.itemsize > self._ids[-1].dtype.itemsize:
            self._ids[-1] = self._ids[-1].astype(answer.ids.dtype)
        self._ids[-1][queries] = answer.ids
        if self._rates:
            self._service[-1][queries] = answer.service
            self._outcomes[-1][queries] = answer.outcomes

    def mean_seconds(self, queries: NDArray[np.intp]) -> float:
        """Return the mean seconds of queries in the last pass; NaN unless all were answered."""
        return float(self._times[-1][queries].mean()) if self._times else math.nan

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
        used = self.processor_seconds / max(self.turn_seconds, _LEAST_SECONDS)
        facts = replace(
            build,
            index_bytes=self.index_bytes,
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
                raise ChildGone("error", f"{_BROKEN}: an unknown phase")
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
        return np.asarray(np.maximum(answer.seconds, _LEAST_SECONDS), dtype=np.float64)

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
        answer = self.ask(request, "search", watch, setting)
        setting.turns += 1
        setting.turn_seconds += time.monotonic() - began
        self.pause()
        setting.processor_seconds += self._processor_seconds_since()
        self.child.require_silent()
        watch(self, True)
        if isinstance(answer, Failed):
            self.fail_setting(answer, setting)
            return len(queries)
        if not isinstance(answer, Answered):
            raise unexpected(answer)
        try:
            setting.check(answer, queries, request.turn)
        except WrongAnswer as wrong:
            self.fail_setting(Failed("wrong_answer", str(wrong)), setting)
            return len(queries)
        answered = len(answer.seconds)
        setting.take(answer, queries[:answered])
        return answered

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
        """Fail one setting; the worker goes on."""
        status = status_of(told)
        setting.failure = setting.failure or self._failure(status, told.reason)

    def fail_all(self, told: Failed) -> None:
        """Fail every setting with the worker's message."""
        for setting in self.alive_settings:
            self.fail_setting(told, setting)

    def take_or_fail(self, answer: Message, kind: type[Message]) -> Message:
        """Return the reply if it is of the kind; otherwise fail every setting."""
        if isinstance(answer, Failed):
            self.fail_all(answer)
        elif not isinstance(answer, kind):
            raise unexpected(answer)
        return answer

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


def unexpected(message: Message) -> ChildGone:
    """Return the failure of a worker that sent an unexpected message."""
    kind = type(message).__name__
    return ChildGone("error", f"{_BROKEN}: {kind} came out of turn")


def status_of(failed: Failed) -> Status:
    """Return the status that a worker reports, "error" if it is none that a worker can know."""
    return next((status for status in _STATUSES if status == failed.status), "error")


def require_sound(built: Built, most_bytes: int) -> None:
    """Raise `ChildGone` if the figures that a worker reports for its build are impossible."""
    seconds = (built.prepare_seconds, built.build_seconds)
    seed = 0 if built.seed is None else built.seed
    if not (
        all(0 <= one < float("inf") for one in seconds)
        and 0 <= built.measured_index_bytes <= most_bytes
        and abs(seed) < 1 << 63
    ):
        raise ChildGone("error", f"{_BROKEN}: a build that cannot be")


def nested(tables: Mapping[str, NDArray[np.generic]]) -> dict[str, dict[str, NDArray[np.generic]]]:
    """Return `table/column` names as `{table: {column: values}}`.

    Raises
    ------
    ChildGone
        If a name or a column is none that can be stored, or there are too many.
    """
    found: dict[str, dict[str, NDArray[np.generic]]] = {}
    for name, values in tables.items():
        table, _, column = name.partition("/")
        if values.ndim != 1 or not (is_name(table) and is_name(column)):
            raise ChildGone("error", f"{_BROKEN}: an unknown diagnostic")
        found.setdefault(table, {})[column] = np.array(values)
    if len(tables) > MOST_DIAGNOSTICS:
        raise ChildGone("error", f"{_BROKEN}: {len(tables):,} diagnostics")
    return found


def settings_of(
    spec: MemberSpec, nq: int, n: int, filters: FilteredQueries | None
) -> tuple[Setting, ...]:
    """Return the settings of a member, none of them measured."""
    return tuple(Setting(i, setting, nq, n, filters) for i, setting in enumerate(spec.settings))


def alive(members: Sequence[Member]) -> Iterator[tuple[Member, Setting]]:
    """Yield every setting that has not failed, with its member, of members with a worker."""
    for member in members:
        if not member.gone:
            for setting in member.alive_settings:
                yield member, setting
