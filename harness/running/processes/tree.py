"""A child process with all its descendants, paused, resumed and ended as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import harness
from harness.running.processes.descendants import (
    PARENT_VARIABLE,
    adopt_orphans,
    children_of,
    descendants_of,
    is_alive,
    is_marked,
    processor_seconds,
    send_signal,
)

_TERM_SECONDS = 0.5
_KILL_SECONDS = 5.0
_LOOKING_SHARE = 0.02  # of the time may be spent on looking for new members
_LONGEST_PAUSE_SECONDS = 1.0
_SUPERVISOR_SOURCE = """
import sys
sys.path.insert(0, sys.argv[1])
from harness.running.processes.supervisor import main
main(sys.argv[2:])
"""
_HOME = str(Path(harness.__file__).resolve().parents[1])
_SUPERVISED = sys.platform == "linux"
_SUPERVISOR = (sys.executable, "-S", "-c", _SUPERVISOR_SOURCE, _HOME) if _SUPERVISED else ()

_started: set[int] = set()
"""The ids of `ProcessTree.process` of all trees that have not been ended."""
_starting = threading.Lock()


class ProcessTree:
    """A started program and all processes that it started.

    On Linux a supervisor runs between the harness and the program. It adopts processes whose parent
    has ended, so that all of them descend from it, and ends them if the harness is killed.
    `process` is then the supervisor, which exits with the program's status.

    Parameters
    ----------
    descriptors
        Open files that the program inherits.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        env: Mapping[str, str],
        descriptors: Sequence[int] = (),
    ) -> None:
        adopt_orphans()
        self._known: list[int] = []
        self._next_look = 0.0
        self._program: int | None = None
        self._paused: list[int] = []
        with _starting:
            self.process = subprocess.Popen(
                [*_SUPERVISOR, *command],
                cwd=folder,
                env={**env, PARENT_VARIABLE: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=descriptors,
            )
            _started.add(self.process.pid)

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self.process.poll()

    @property
    def is_paused(self) -> bool:
        """Whether `pause` was called, and `resume` not since."""
        return bool(self._paused)

    def pids(self) -> list[int]:
        """Return the ids of the tree, refreshed as often as is cheap."""
        now = time.monotonic()
        if now >= self._next_look:
            self._known = self.members()
            pause = (time.monotonic() - now) / _LOOKING_SHARE
            self._next_look = now + min(pause, _LONGEST_PAUSE_SECONDS)
        return self._known

    def members(self) -> list[int]:
        """Return the ids of the program and its descendants, without the supervisor."""
        if self.process.poll() is not None:
            return []  # the supervisor ends all of them before it leaves; its id may be another's
        own = [] if _SUPERVISED else [self.process.pid]
        return [pid for pid in [*own, *descendants_of(self.process.pid)] if is_alive(pid)]

    def processor_seconds(self) -> float:
        """Return the processor seconds of the processes that the tree has now."""
        return sum(processor_seconds(pid) for pid in self._known)

    def pause(self) -> None:
        """Stop every process of the tree.

        A process may start another one meanwhile, so this repeats until no new one is found.
        """
        paused: set[int] = set()
        while new := [pid for pid in self.members() if pid not in paused]:
            send_signal(new, signal.SIGSTOP)
            paused.update(new)
        self._paused = self._known = list(paused)

    def resume(self) -> None:
        """Resume every process of the tree."""
        send_signal(self._paused, signal.SIGCONT)
        self._paused = []

    def end(self) -> int:
        """End every process of the tree and return how many there were besides the program's."""
        members = self.members()
        leftover = max(0, len(members) - 1)
        self._signal(signal.SIGTERM)
        self.resume()
        self._wait(_TERM_SECONDS)
        self._signal(signal.SIGKILL)
        self._wait(_KILL_SECONDS)
        self.process.poll()
        _started.discard(self.process.pid)
        return leftover

    def _signal(self, number: signal.Signals) -> None:
        """Signal the program and its descendants; the supervisor exits after them."""
        send_signal(self.members(), number)

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)


def end_strays() -> None:
    """End processes that this process adopted because an adapter killed their supervisor.

    Its other children stay: whoever calls the harness from Python may start some at any time.
    """
    with _starting:
        children = [pid for pid in children_of(os.getpid()) if pid not in _started]
    strays = [pid for pid in children if is_marked(pid)]
    send_signal([*strays, *(p for pid in strays for p in descendants_of(pid))], signal.SIGKILL)
    for pid in strays:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue  # a grandchild: its own parent will collect it
