"""The descendants of a process, those that outlive their parent too, found cheaply."""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

_PROC = "/proc"
_DEAD = frozenset("ZX")
_CPUCLOCK_SCHED = 2
_PART_BYTES = 1 << 16


def descendants_of(pid: int) -> list[int]:
    """Return the ids of children, their children and so on, including zombies.

    If the kernel lists the children of a thread, only these are read; otherwise all processes of
    the machine are read once.
    """
    children = _children()
    found: dict[int, None] = {}
    waiting = list(children(pid))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found[one] = None
            waiting.extend(children(one))
    return list(found)


def children_of(pid: int) -> list[int]:
    """Return the ids of the children of a process."""
    return list(_children()(pid))


def is_alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    if not _has_proc():
        import psutil  # an isolated environment may lack it, and Linux does without

        return psutil.pid_exists(pid)
    state, _ = _state_and_parent(pid)
    return state not in _DEAD


def processor_seconds(pid: int) -> float:
    """Return the seconds on a processor of all threads of a process, ended ones too; 0 if unknown.

    Read from the process's clock (`clock_getcpuclockid(3)`, whose formula is part of Linux's stable
    interface): `/proc` has a resolution of 10 ms and omits threads that have ended.
    """
    try:
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except (OSError, AttributeError):
        return 0.0  # it ended while we looked, or the system has no such clock


def send_signal(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each process that still exists and is ours."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _children() -> Callable[[int], list[int]]:
    return _listed_children if _kernel_lists_children() else _all_children().__getitem__


# All trees are looked through twice in every turn, with plain strings as paths and without buffers.


@cache
def _has_proc() -> bool:
    return Path("/proc/self").exists()


@cache
def _kernel_lists_children() -> bool:
    return Path(f"/proc/self/task/{threading.get_native_id()}/children").exists()


def _listed_children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"{_PROC}/{pid}/task"):  # noqa: PTH208
            found.extend(map(int, _contents(f"{_PROC}/{pid}/task/{thread}/children").split()))
    except OSError:
        return found  # it ended while we looked
    return found


def _contents(path: str) -> bytes:
    """The bytes of a file of /proc."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = b""
        while part := os.read(file, _PART_BYTES):
            found += part
        return found
    finally:
        os.close(file)


def _all_children() -> defaultdict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for pid, parent in _parents().items():
        found[parent].append(pid)
    return found


def _parents() -> dict[int, int]:
    if not _has_proc():
        import psutil

        return {p.pid: p.info["ppid"] for p in psutil.process_iter(["ppid"])}
    pids = [int(name) for name in os.listdir(_PROC) if name.isdigit()]  # noqa: PTH208
    return {pid: _state_and_parent(pid)[1] for pid in pids}


def _state_and_parent(pid: int) -> tuple[str, int]:
    """The state letter and the parent's id of a process; "X" and 0 if there is none."""
    try:
        fields = _contents(f"{_PROC}/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return "X", 0
    return (fields[0].decode(), int(fields[1])) if len(fields) > 1 else ("X", 0)


PARENT_VARIABLE = "ANNHARNESS_PARENT"
"""Names, in the environment, the process that a supervisor or a worker must not outlive."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def end_with_parent(number: signal.Signals) -> None:
    """Ask for a signal when the parent ends, and exit at once if it has ended already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != int(os.environ[PARENT_VARIABLE]):
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parents end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


# ---- the mark of what a supervisor started ------------------------------------------------------

_MOST_MARKED = 1 << 62


def mark_descendants() -> None:
    """Mark this process and all that will descend from it.

    The mark is a smaller hard limit of resident memory, which Linux has not enforced since 2.6.
    Unlike an environment or a session, a descendant cannot leave it: limits are inherited, and only
    a privileged process can raise a hard one.
    """
    if sys.platform == "linux":
        limit = max(0, min(_resident_limit(0) - 1, _MOST_MARKED))
        resource.setrlimit(resource.RLIMIT_RSS, (int(limit), int(limit)))


def is_marked(pid: int) -> bool:
    """Whether a process carries a mark that this process does not."""
    try:
        return _resident_limit(pid) < _resident_limit(0)
    except OSError:  # it has gone, or belongs to another user
        return False


def _resident_limit(pid: int) -> float:
    """The hard limit of a process, of this one for 0; infinite where there are no marks."""
    if sys.platform != "linux":
        return math.inf
    limit = resource.prlimit(pid, resource.RLIMIT_RSS)[1]
    return limit if limit >= 0 else math.inf
