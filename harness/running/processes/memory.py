"""Memory of processes: private and shared bytes, without pages of files such as the base."""

from __future__ import annotations

import ctypes
from collections.abc import Collection
from pathlib import Path

from harness.running.processes.shared_memory import SharedFiles

_KIB = 1024


def private_bytes(pid: int | str = "self") -> int:
    """Return the resident private anonymous bytes of a process; 0 if they cannot be read.

    Cheap enough for polling: one line of `/proc/PID/status`, without a walk over page tables.
    """
    return _status_kib(pid, "RssAnon") * _KIB


def trimmed_anonymous_bytes() -> int:
    """Return this process's anonymous bytes exactly, by `smaps_rollup`; too slow for polling.

    Freed memory that the allocator keeps is first returned to the system; otherwise an index could
    grow into it without being counted.
    """
    _give_back_freed_memory()
    try:
        text = Path("/proc/self/smaps_rollup").read_text()
    except OSError:
        return private_bytes()
    for line in text.splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * _KIB
    return private_bytes()


def tree_bytes(pids: Collection[int], files: SharedFiles) -> int:
    """Return the bytes of several processes together: private and shared ones.

    Shared memory counts once: that of the process which maps most of it, or that of their files in
    memory if this is more, since files may be filled without being mapped.
    """
    private = sum(private_bytes(pid) for pid in pids)
    mapped = {pid: _status_kib(pid, "RssShmem") * _KIB for pid in pids}
    in_files = files.used(pids, [pid for pid, used in mapped.items() if used])
    return private + max(in_files, *mapped.values(), 0)


def _give_back_freed_memory() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
    if trim is not None:
        trim(0)


def killed_for_memory() -> int:
    """Return how many processes the kernel has killed so far for lack of memory."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def _status_kib(pid: int | str, field: str) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")  # names of any bytes
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0
