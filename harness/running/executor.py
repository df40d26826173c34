"""Where jobs run. The first executor is this machine: one child process at a time."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import harness
from harness.contracts.folders import JOB_FOLDER_VARIABLE
from harness.results.point import Build
from harness.running.job import EVENTS_FILE, Job
from harness.running.job_folders import (
    NO_ROOM_STATUS,
    job_folder,
    remove_abandoned,
    require_room,
)
from harness.running.memory import killed_for_memory, tree_private_bytes
from harness.running.processes import ProcessTree
from harness.running.threads import pool_environment

_POLL_SECONDS = 0.05
_SEARCH_MEMORY_SECONDS = 0.5  # memory is polled less often while queries are timed
_LOG_BYTES = 16_000
_FLOOD_BYTES = 10 << 20
_HOUSE = ".house"


@dataclass(frozen=True)
class TaskFailure:
    """How a search setting failed; `phase` is what went on when it did."""

    status: str
    reason: str
    phase: str


@dataclass
class Outcome:
    """What became of a job.

    `finished` and `failed` are by the key of the task; a task in neither was not its own fault:
    the process died while another was searched, and it can be tried again. Programs that do not
    measure put what they found, as plain data, into `reports` instead of `finished`.
    """

    finished: dict[str, Build] = field(default_factory=dict)
    reports: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, TaskFailure] = field(default_factory=dict)
    log_tail: str = ""
    peak_bytes: int = 0
    seconds: float = 0.0


PhaseListener = Callable[[str, str | None], None]


class Executor(Protocol):
    """Runs jobs; a cluster engine can stand in for the local one."""

    def run(self, job: Job, on_phase: PhaseListener) -> Outcome:
        """Run one job to its end. `on_phase` gets the phase and the key of the task, if any."""
        ...


class LocalExecutor:
    """Runs each job in a fresh process of this machine.

    Parameters
    ----------
    cache
        Folder for compiled code (numba's), which outlives the jobs.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        remove_abandoned()

    def run(self, job: Job, on_phase: PhaseListener) -> Outcome:
        """Run one job; whatever the adapter does, this returns and no process is left."""
        with job_folder() as folder:
            return _Watch(replace(job, folder=str(folder)), on_phase, self._cache).run()


class _Watch:
    """One child process, watched from its start to its end."""

    def __init__(self, job: Job, on_phase: PhaseListener, cache: Path) -> None:
        self.job = job
        self.on_phase = on_phase
        self.folder = Path(job.folder)
        self.outcome = Outcome()
        self.phase = "load"
        self.task: str | None = None
        self.phase_began = time.monotonic()
        self.task_seconds: dict[str, float] = {}
        self.done = False
        self._environment = child_environment(job, cache)
        self._events = _EventReader(self.folder / EVENTS_FILE)
        self._log = bytearray()
        self._log_bytes = 0
        self._killed_before = killed_for_memory()

    def run(self) -> Outcome:
        began = time.monotonic()
        python = self.job.python or sys.executable
        command = [python, "-m", "harness.running.child", str(self.job.write())]
        tree = ProcessTree(command, self.folder, self._environment)
        verdict: TaskFailure | None = None
        try:
            verdict = self._watch(tree)
        finally:
            leftover = tree.end()
            self._drain(tree)
        self._read_events()
        self.outcome.seconds = time.monotonic() - began
        self.outcome.log_tail = self._log[-_LOG_BYTES:].decode(errors="replace")
        if not self.done:
            if tree.exit_code == NO_ROOM_STATUS:
                require_room(self.folder)
            self._blame(verdict or self._how_it_ended(tree))
        self._warn(leftover)
        return self.outcome

    def _watch(self, tree: ProcessTree) -> TaskFailure | None:
        """Follow the process until it ends or breaks a limit; return how it broke one."""
        assert tree.process.stdout is not None
        pipe = tree.process.stdout.fileno()
        os.set_blocking(pipe, False)
        next_memory = 0.0
        while tree.exit_code is None and not self.done:
            self._wait_for_output(pipe)
            self._read_events()
            now = time.monotonic()
            if now >= next_memory:
                pause = _SEARCH_MEMORY_SECONDS if self.phase == "search" else _POLL_SECONDS
                next_memory = now + pause
                if self._too_much_memory(tree):
                    return self._out_of_memory()
            if self._seconds_used(now) > self.job.timeout:
                return self._timed_out()
        return None

    def _wait_for_output(self, pipe: int) -> None:
        readable, _, _ = select.select([pipe], [], [], _POLL_SECONDS)
        if readable and not self._read_pipe(pipe):
            time.sleep(_POLL_SECONDS)  # closed by the child, which lives on

    def _read_pipe(self, pipe: int) -> bool:
        try:
            chunk = os.read(pipe, 1 << 16)
        except BlockingIOError:
            return True
        self._log_bytes += len(chunk)
        self._log += chunk
        del self._log[: -2 * _LOG_BYTES]
        return bool(chunk)

    def _drain(self, tree: ProcessTree) -> None:
        """Take what is left in the pipe; it is bounded, for all writers are gone."""
        assert tree.process.stdout is not None
        with tree.process.stdout as pipe:
            while select.select([pipe], [], [], 0)[0] and self._read_pipe(pipe.fileno()):
                pass

    def _read_events(self) -> None:
        for event in self._events.new():
            handler = getattr(self, "_on_" + str(event.get("event")), None)
            if handler is not None:
                handler(event)

    def _on_phase(self, event: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if self.task is not None:
            spent = self.task_seconds.get(self.task, 0.0)
            self.task_seconds[self.task] = spent + now - self.phase_began
        self.phase, self.task, self.phase_began = event["phase"], event.get("task"), now
        self.on_phase(self.phase, self.task)

    def _on_failed(self, event: Mapping[str, Any]) -> None:
        failure = TaskFailure(event["status"], event["reason"], event["phase"])
        keys = [task.key for task in self.job.tasks] if event["task"] is None else [event["task"]]
        for key in keys:
            self.outcome.failed[key] = failure

    def _on_finished(self, event: Mapping[str, Any]) -> None:
        key = event["task"]
        self.outcome.finished[key] = read_build(self.folder / event["file"], self.job)

    def _on_report(self, event: Mapping[str, Any]) -> None:
        self.outcome.reports[event["task"]] = event["found"]

    def _on_done(self, event: Mapping[str, Any]) -> None:
        self.done = True

    def _too_much_memory(self, tree: ProcessTree) -> bool:
        used = tree_private_bytes(tree.pids())
        self.outcome.peak_bytes = max(self.outcome.peak_bytes, used)
        return used > self.job.memory_bytes

    def _seconds_used(self, now: float) -> float:
        before = self.task_seconds.get(self.task, 0.0) if self.task else 0.0
        return before + now - self.phase_began

    def _out_of_memory(self) -> TaskFailure:
        peak, limit = self.outcome.peak_bytes / 2**20, self.job.memory_bytes / 2**20
        reason = f"{peak:,.0f} MiB in {self.phase}, more than the limit of {limit:,.0f} MiB"
        return TaskFailure("out_of_memory", reason, self.phase)

    def _timed_out(self) -> TaskFailure:
        reason = f"{self.phase} took longer than the timeout of {self.job.timeout:g} s"
        return TaskFailure("timeout", reason, self.phase)

    def _how_it_ended(self, tree: ProcessTree) -> TaskFailure:
        code = tree.exit_code
        if code is not None and code < 0:
            if code == -signal.SIGKILL and killed_for_memory() > self._killed_before:
                reason = (
                    f"the kernel ended it in {self.phase}, for the machine's memory had run out"
                )
                return TaskFailure("out_of_memory", reason, self.phase)
            name = signal.Signals(-code).name
            return TaskFailure("crashed", f"ended by {name} in {self.phase}", self.phase)
        reason = f"left with exit status {code} in {self.phase}, before it was done"
        return TaskFailure("crashed", reason, self.phase)

    def _blame(self, failure: TaskFailure) -> None:
        """The setting that was at work failed; before any was, all did."""
        guilty = [self.task] if self.task else [task.key for task in self.job.tasks]
        for key in guilty:
            if key not in self.outcome.finished and key not in self.outcome.reports:
                self.outcome.failed.setdefault(key, failure)

    def _warn(self, leftover: int) -> None:
        warnings = []
        if leftover:
            warnings.append(f"{leftover} processes were left running and ended")
        if self._log_bytes > _FLOOD_BYTES:
            warnings.append(f"{self._log_bytes / 2**20:,.0f} MiB of output")
        for key, build in self.outcome.finished.items():
            facts = {
                **build.facts,
                "warnings": [*build.facts["warnings"], *warnings],
                "peak_bytes": self.outcome.peak_bytes,
            }
            self.outcome.finished[key] = replace(build, facts=facts)


class _EventReader:
    """Reads the whole lines that were added since the last time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> list[dict[str, Any]]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                text = file.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [event for line in whole.splitlines() if (event := _event_in(line)) is not None]


def _event_in(line: bytes) -> dict[str, Any] | None:
    """The event of a line; None if it is none, because a disk was full or an adapter wrote here."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def child_environment(job: Job, cache: Path) -> dict[str, str]:
    """Return the environment of a worker: pools sized, hashing fixed, the harness importable."""
    return {
        **os.environ,
        **pool_environment(max(job.build_threads, job.threads)),
        "PYTHONPATH": os.pathsep.join(_import_paths(job)),
        "PATH": os.pathsep.join(_program_paths(job)),
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "NUMBA_CACHE_DIR": str(cache / "numba"),
        JOB_FOLDER_VARIABLE: job.folder,
    }


def _program_paths(job: Job) -> list[str]:
    """Where an adapter finds programs: those of its own environment first."""
    own = [] if job.python is None else [str(Path(job.python).parent)]
    return [*own, os.environ.get("PATH", os.defpath)]


def _import_paths(job: Job) -> list[str]:
    """Where a worker finds the harness: beside all else, or, in an isolated environment, alone.

    An installed harness lies in the folder of all that is installed beside it, which an isolated
    worker must not see: it gets a folder with nothing but a link to the harness.
    """
    package = Path(harness.__file__).resolve().parent
    if job.python is None:
        return [*filter(None, [os.environ.get("PYTHONPATH", "")]), str(package.parent)]
    house = Path(job.folder) / _HOUSE
    house.mkdir()
    (house / package.name).symlink_to(package, target_is_directory=True)
    return [str(house)]


def read_build(path: Path, job: Job) -> Build:
    """Return what a worker handed over for one search setting."""
    with np.load(path, allow_pickle=False) as arrays:
        diagnostics: dict[str, dict[str, Any]] = {}
        for name in arrays.files:
            if name.startswith("diagnostics/"):
                _, table, column = name.split("/", 2)
                diagnostics.setdefault(table, {})[column] = arrays[name]
        return Build(
            number=job.build_number,
            times=arrays["times"],
            walls=arrays["walls"],
            yardsticks=arrays["yardsticks"],
            neighbors=arrays["neighbors"],
            distances=arrays["distances"],
            scales=arrays["scales"],
            facts=json.loads(str(arrays["facts"])),
            diagnostics=diagnostics,
        )
