"""Child processes that leave nothing behind: started in a group of their own, ended to the last."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import harness
from harness.running.family import descendants_of, is_alive, send_signal
from harness.running.orphans import PARENT_VARIABLE, adopt_orphans

_TERM_SECONDS = 0.5
_KILL_SECONDS = 5.0
_LOOKING_SHARE = 0.02  # of the time may be spent on looking for new members
_LONGEST_PAUSE_SECONDS = 1.0
_WARDEN_SOURCE = """
import sys
sys.path.insert(0, sys.argv[1])
from harness.running.warden import main
main(sys.argv[2:])
"""
_HOME = str(Path(harness.__file__).resolve().parents[1])
_WARDEN = (sys.executable, "-S", "-c", _WARDEN_SOURCE, _HOME) if sys.platform == "linux" else ()


class ProcessTree:
    """A started program and everything that it started, however well that hides.

    The harness makes itself the reaper of orphans, so that a daemonised grandchild comes back as
    its child and is found; processes that were its children before are not touched. On Linux a
    warden stands between, which ends them all should the harness be killed: `process` is then the
    warden, and leaves as the program does.
    """

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        adopt_orphans()
        self._before = frozenset(descendants_of(os.getpid()))
        self._known: list[int] = []
        self._next_look = 0.0
        self.process = subprocess.Popen(
            [*_WARDEN, *command],
            cwd=folder,
            env={**env, PARENT_VARIABLE: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._program = None if _WARDEN else self.process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self.process.poll()

    def pids(self) -> list[int]:
        """Return the ids of the program and all its own, looked for anew as often as is cheap."""
        now = time.monotonic()
        if now >= self._next_look:
            self._known = self._own_members()
            pause = (time.monotonic() - now) / _LOOKING_SHARE
            self._next_look = now + min(pause, _LONGEST_PAUSE_SECONDS)
        return self._known

    def end(self) -> int:
        """End every process of the tree and return how many it was besides the program's own."""
        leftover = {*self._own_members()} - {self._program}
        self._signal(signal.SIGTERM)
        self._wait(_TERM_SECONDS)
        self._signal(signal.SIGKILL)
        self._wait(_KILL_SECONDS)
        self.process.poll()
        return len(leftover)

    def _own_members(self) -> list[int]:
        """The living processes of the tree but for the warden."""
        if self._program is None:  # the warden's first child: others come when parents have ended
            self._program = next(iter(descendants_of(self.process.pid)), None)
        return [pid for pid in self._members() if pid == self._program or pid != self.process.pid]

    def _members(self) -> list[int]:
        return [pid for pid in self._ours() if is_alive(pid)]

    def _ours(self) -> list[int]:
        """The ids of the tree's processes, dead ones that nobody has collected among them."""
        return [pid for pid in descendants_of(os.getpid()) if pid not in self._before]

    def _signal(self, number: signal.Signals) -> None:
        try:
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass
        send_signal(self._members(), number)

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._alive() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _alive(self) -> bool:
        """Whether any member lives; adopted ones that have ended are collected."""
        running = self.process.poll() is None
        ours = self._ours()
        for pid in ours:
            if pid != self.process.pid:
                _reap(pid)
        return running or any(is_alive(pid) for pid in ours)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # a grandchild: its own parent will
