"""Stands between the harness and a program: should the harness die, all of the program ends.

It runs the program and leaves as that does. The kernel ends a child with its parent, but not the
child's own children; this process is the reaper of all of them, so none can hide from it, and has
nothing else to do. It loads nothing beyond the standard library, for it starts with every job.
"""

from __future__ import annotations

import os
import resource
import signal
import time

from harness.running.family import descendants_of, is_alive, send_signal
from harness.running.orphans import PARENT_VARIABLE, adopt_orphans, end_with_parent

_ORPHANED = signal.SIGUSR1
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # the program's business, as it leaves
_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)
_KILL_SECONDS = 10.0


def main(command: list[str]) -> None:
    """Run the command to its end, or to that of the process that started this one."""
    signal.signal(_ORPHANED, lambda *_: _end_all())
    adopt_orphans()
    end_with_parent(_ORPHANED)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    program = _start(command)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    _leave_as(_exit_code_of(program))


def _start(command: list[str]) -> int:
    """Start the program, whose parent is then this process."""
    os.environ[PARENT_VARIABLE] = str(os.getpid())
    return os.posix_spawnp(command[0], command, os.environ, setsigdef=_PYTHON_IGNORES)


def _exit_code_of(program: int) -> int:
    """Wait for the program; orphans that end meanwhile are collected."""
    while True:
        pid, status = os.wait()
        if pid == program:
            return os.waitstatus_to_exitcode(status)


def _leave_as(exit_code: int) -> None:
    """End as the program did; what it left running goes to the harness, which ends it and tells."""
    if exit_code < 0:
        if -exit_code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-exit_code, signal.SIG_DFL)
        os.kill(os.getpid(), -exit_code)
    os._exit(exit_code)


def _end_all() -> None:
    """Kill whatever descends from this process, until nothing does, and leave."""
    deadline = time.monotonic() + _KILL_SECONDS
    while (left := _living()) and time.monotonic() < deadline:
        send_signal(left, signal.SIGKILL)
        time.sleep(0.001)
    os._exit(1)


def _living() -> list[int]:
    return [pid for pid in descendants_of(os.getpid()) if is_alive(pid)]
