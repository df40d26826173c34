"""Child processes that leave nothing behind: started in a group of their own, ended to the last."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_TERM_SECONDS = 0.5
_KILL_SECONDS = 5.0


class ProcessTree:
    """A started program and everything that it started, however well that hides.

    The harness makes itself the reaper of orphans, so that a daemonised grandchild comes back as
    its child and is found; processes that were its children before are not touched.
    """

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        _adopt_orphans()
        self._before = {child.pid for child in _children()}
        self.process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self.process.poll()

    def pids(self) -> list[int]:
        """Return the ids of all processes of the tree that are alive."""
        return [process.pid for process in self._members()]

    def end(self) -> int:
        """End every process of the tree and return how many it was besides the main one."""
        leftover = {p.pid for p in self._members()} - {self.process.pid}
        self._signal(signal.SIGTERM)
        self._wait(_TERM_SECONDS)
        self._signal(signal.SIGKILL)
        self._wait(_KILL_SECONDS)
        self.process.poll()
        return len(leftover)

    def _members(self) -> list[psutil.Process]:
        found = {}
        for child in _children():
            if child.pid in self._before:
                continue
            for process in [child, *_descendants(child)]:
                found[process.pid] = process
        return [process for process in found.values() if _is_alive(process)]

    def _signal(self, number: signal.Signals) -> None:
        try:
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass
        for process in self._members():
            try:
                process.send_signal(number)
            except psutil.Error:
                continue

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._alive() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _alive(self) -> bool:
        self._reap()
        return self.process.poll() is None or bool(self._members())

    def _reap(self) -> None:
        """Collect adopted processes that have ended, so that no zombie stays."""
        for child in _children():
            if child.pid not in self._before and child.pid != self.process.pid:
                try:
                    os.waitpid(child.pid, os.WNOHANG)
                except ChildProcessError:
                    continue


@lru_cache(maxsize=1)
def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _children() -> list[psutil.Process]:
    try:
        return psutil.Process().children()
    except psutil.Error:
        return []


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
