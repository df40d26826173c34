"""The local executor: runs blocks, and programs that do not measure, in child processes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from harness.files.temporary import remove_abandoned
from harness.results.identity import Machine
from harness.running.blocks import BlockOutcome, BlockSpec, Origin, ProgramOutcome, TaskFailure
from harness.running.executors.block import BlockRun
from harness.running.executors.compiled_code import compiled_folder
from harness.running.executors.replies import status_of
from harness.running.executors.rounds import OnPhase
from harness.running.machine.facts import (
    machine_provenance,
    source_provenance,
    this_machine,
    usable_memory_bytes,
)
from harness.running.messages import Done, Failed, Message, Phase, Report, Start
from harness.running.processes.child import Child, ChildGone, ChildSpec
from harness.text import Json

_LOOK_SECONDS = 0.05
_WAITING_SECONDS = 0.5


Follow = Callable[[BlockSpec, str, str, str | None], None]
"""Gets a block that is being measured, and what `OnPhase` gets."""


class Executor(Protocol):
    """Measures blocks, here or on a cluster."""

    @property
    def machine(self) -> Machine:
        """The machine that measures, part of the keys of all points."""
        ...

    def run_blocks(
        self, blocks: Iterator[BlockSpec | None], follow: Follow
    ) -> Iterator[tuple[BlockSpec, BlockOutcome | None]]:
        """Measure blocks and yield the outcome of each part with its block.

        A block has one part, if all members fit into memory together. None follows the last part.

        Parameters
        ----------
        blocks
            Asked for the next block when it can begin. None: nothing can begin just now.
        follow
            Told what happens.
        """
        ...


@dataclass(frozen=True)
class ProgramSpec:
    """A program that does not measure, for one worker.

    `module` holds its `main`; `spec` is its input, as plain data; `tasks` are those that it
    reports on, each within `timeout` seconds. `origin` is that of the adapter that it loads,
    `python` is as in `AdapterSpec`.
    """

    module: str
    spec: Json
    tasks: tuple[str, ...]
    timeout: float
    origin: Origin
    python: str | None = None


OnTask = Callable[[str, str | None], None]
"""Gets what a program does, and the task that it does it for, if any."""


class LocalExecutor:
    """Runs blocks and programs in child processes of this machine.

    Parameters
    ----------
    cache
        The cache folder, which keeps what numba compiles.
    examine
        Called once, before the first block; what it returns is stored with every result.
    """

    def __init__(self, cache: Path, examine: Callable[[], Json] | None = None) -> None:
        self._cache = cache
        self._examine = examine
        self._conditions: Json | None = None
        remove_abandoned(Path(tempfile.gettempdir()))  # a killed run may have left large indexes

    @property
    def machine(self) -> Machine:
        """This machine."""
        return this_machine()

    def run_blocks(
        self, blocks: Iterator[BlockSpec | None], follow: Follow
    ) -> Iterator[tuple[BlockSpec, BlockOutcome | None]]:
        """Measure one block after another."""
        for spec in blocks:
            if spec is None:
                time.sleep(_WAITING_SECONDS)
                continue
            for outcome in self.run_block(spec, partial(follow, spec)):
                yield spec, outcome
            yield spec, None

    def run_block(self, spec: BlockSpec, on_phase: OnPhase) -> Iterator[BlockOutcome]:
        """Measure a block; no process of an adapter is left afterwards, whatever it does."""
        conditions = self._examined()
        for outcome in BlockRun(spec, self._cache, on_phase).parts():
            outcome.provenance = {
                "machine": machine_provenance(),
                "conditions": dict(conditions),
                "source": source_provenance(),
                "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }
            yield outcome

    def run_program(self, spec: ProgramSpec, on_task: OnTask) -> ProgramOutcome:
        """Run a program to its end; this always returns, and no process is left."""
        outcome = ProgramOutcome()
        limit = usable_memory_bytes()
        compiled = compiled_folder(self._cache, spec.origin)
        child = Child(ChildSpec(spec.module, 1, limit, None, spec.python, compiled))
        try:
            _Following(child, spec, limit, on_task, outcome).follow()
        finally:
            child.end()
            outcome.log_tail = child.log_tail
        return outcome

    def _examined(self) -> Json:
        if self._conditions is None:
            self._conditions = self._examine() if self._examine is not None else {}
        return self._conditions


class _Following:
    """Follows one program from its first message to its last."""

    def __init__(
        self, child: Child, spec: ProgramSpec, limit: int, on_task: OnTask, outcome: ProgramOutcome
    ) -> None:
        self._child = child
        self._spec = spec
        self._limit = limit
        self._on_task = on_task
        self._outcome = outcome
        self._phase, self._task = "load", None  # type: str, str | None
        self._next_look = 0.0

    def follow(self) -> None:
        """Receive messages until the program is done or exceeds a limit."""
        try:
            self._child.send(Start(self._spec.spec))
            began, active = time.monotonic(), self._task
            while not isinstance(message := self._next(began), Done):
                self._take(message)
                if self._task != active:  # messages do not extend a task's time
                    began, active = time.monotonic(), self._task
        except ChildGone as gone:
            reason = gone.reason if gone.status == "timeout" else f"{gone.reason} in {self._phase}"
            self._blame(TaskFailure(gone.status, reason, self._phase))

    def _next(self, began: float) -> Message:
        try:
            return self._child.receive(began + self._spec.timeout, self._watch)
        except TimeoutError:
            reason = f"{self._phase} took longer than the timeout of {self._spec.timeout:g} s"
            raise ChildGone("timeout", reason) from None

    def _take(self, message: Message) -> None:
        if isinstance(message, Phase):
            self._phase, self._task = message.phase, self._known(message.task)
            self._on_task(self._phase, self._task)
        elif isinstance(message, Report) and message.task in self._spec.tasks:
            self._outcome.reports[message.task] = message.found
        elif isinstance(message, Failed):
            failure = TaskFailure(status_of(message), message.reason, self._phase)
            task = self._known(message.task)
            for key in self._spec.tasks if task is None else [task]:
                self._outcome.failed[key] = failure
        else:
            raise ChildGone("error", f"{type(message).__name__} came out of turn")

    def _known(self, task: str | None) -> str | None:
        return task if task in self._spec.tasks else None

    def _watch(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        if self._child.look_at_memory() > self._limit:
            peak, limit = self._child.peak_bytes / 2**20, self._limit / 2**20
            text = f"{peak:,.0f} MiB, more than the limit of {limit:,.0f} MiB,"
            raise ChildGone("out_of_memory", text)

    def _blame(self, failure: TaskFailure) -> None:
        """Fail the active task, or all of them if none was active."""
        for key in self._spec.tasks if self._task is None else [self._task]:
            if key not in self._outcome.reports:
                self._outcome.failed.setdefault(key, failure)
