"""The supervisor: a process between the harness and a program that ends the whole process tree.

The kernel can end a child with its parent, but not the child's own children. The supervisor is the
subreaper of all of them, so none can escape. It kills them when the program ends or the harness
dies, and then exits with the program's status. It imports only the standard library, since it
starts with every program. It is never paused itself.
"""

from __future__ import annotations

import os
import resource
import signal
import time

from harness.running.processes.descendants import (
    PARENT_VARIABLE,
    adopt_orphans,
    descendants_of,
    end_with_parent,
    is_alive,
    mark_descendants,
    send_signal,
)

_ORPHANED = signal.SIGUSR1
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # they are for the program
_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)
_KILL_SECONDS = 10.0


def main(command: list[str]) -> None:
    """Run the command until it ends, or until the process that started this one ends."""
    signal.signal(_ORPHANED, lambda *_: _leave_with_parent())
    adopt_orphans()
    end_with_parent(_ORPHANED)
    mark_descendants()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    program = _start(command)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    exit_code = _exit_code_of(program)
    _end_all()
    _leave_as(exit_code)


def _start(command: list[str]) -> int:
    """Start the program as a child of this process."""
    os.environ[PARENT_VARIABLE] = str(os.getpid())
    return os.posix_spawnp(command[0], command, os.environ, setsigdef=_PYTHON_IGNORES)


def _exit_code_of(program: int) -> int:
    """Wait for the program; meanwhile reap adopted descendants that end."""
    while True:
        pid, status = os.wait()
        if pid == program:
            return os.waitstatus_to_exitcode(status)


def _leave_as(exit_code: int) -> None:
    """Exit with the program's status or signal."""
    if exit_code < 0:
        if -exit_code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-exit_code, signal.SIG_DFL)
        os.kill(os.getpid(), -exit_code)
    os._exit(exit_code)


def _leave_with_parent() -> None:
    _end_all()
    os._exit(1)


def _end_all() -> None:
    """Kill all descendants of this process, until there are none."""
    deadline = time.monotonic() + _KILL_SECONDS
    while (left := _living()) and time.monotonic() < deadline:
        send_signal(left, signal.SIGKILL)
        time.sleep(0.001)


def _living() -> list[int]:
    return [pid for pid in descendants_of(os.getpid()) if is_alive(pid)]
