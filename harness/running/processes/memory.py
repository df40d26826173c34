"""Memory of a tree of processes: private and shared bytes, and files held in memory."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

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


_BLOCK = 512  # of `st_blocks`
_MAPPED_FOR_WRITING = re.compile(rb"^\S+ .w.s \S+ \S+ \S+\s+(/.+)$", re.MULTILINE)
_ESCAPED = re.compile(r"\\(\d{3})")
_ACCESS = os.O_WRONLY | os.O_RDWR
_HOME = Path("/dev/shm")

Inode = tuple[int, int]


class SharedFiles:
    """The files in memory of a tree of processes, from the creation of this object on."""

    def __init__(self) -> None:
        self._before = _names()
        self._seen: dict[Inode, Path] = {}

    def used(self, pids: Iterable[int], mapping: Iterable[int]) -> int:
        """Return the bytes that the files hold now.

        `mapping` are those of the processes that have shared memory mapped: looking for files among
        all that a process maps takes milliseconds.
        """
        held = dict(one for pid in pids for one in self._held(pid))
        for pid in mapping:
            self._look_at_maps(pid)
        for inode, path in list(self._seen.items()):
            size = _size_of(path, inode)
            if size is None:
                del self._seen[inode]
            else:
                held[inode] = size
        return sum(held.values())

    def remove(self) -> int:
        """Remove the files that the processes left in /dev/shm; return how many.

        Call it after the processes have ended. Files of other programs are kept.
        """
        left = [p for inode, p in self._seen.items() if _size_of(p, inode) is not None]
        ours = [path for path in left if path.parent == _HOME and path.name not in self._before]
        for path in ours:
            with suppress(OSError):
                path.unlink()
        return len(ours)

    def _held(self, pid: int) -> Iterator[tuple[Inode, int]]:
        """The files that a process has open for writing, with their bytes."""
        for descriptor, target in _descriptors(pid):
            name = target.removesuffix(" (deleted)")
            if not _in_memory(name) or not _for_writing(pid, descriptor):
                continue
            with suppress(OSError):
                status = os.stat(f"/proc/{pid}/fd/{descriptor}")  # noqa: PTH116 - is polled
                inode = (status.st_dev, status.st_ino)
                self._seen.setdefault(inode, Path(name))
                yield inode, status.st_blocks * _BLOCK

    def _look_at_maps(self, pid: int) -> None:
        for name in _mapped(pid):
            with suppress(OSError):
                status = os.stat(name)  # noqa: PTH116 - is polled
                self._seen.setdefault((status.st_dev, status.st_ino), Path(name))


def _names() -> frozenset[str]:
    try:
        return frozenset(os.listdir(_HOME))  # noqa: PTH208
    except OSError:
        return frozenset()


def _size_of(path: Path, inode: Inode) -> int | None:
    """The bytes of a file, None if it does not exist any more."""
    try:
        status = path.lstat()
    except (OSError, ValueError):
        return None
    return status.st_blocks * _BLOCK if (status.st_dev, status.st_ino) == inode else None


def _descriptors(pid: int) -> Iterator[tuple[str, str]]:
    try:
        names = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208 - is polled
    except OSError:
        return
    for name in names:
        with suppress(OSError):
            yield name, os.readlink(f"/proc/{pid}/fd/{name}")  # noqa: PTH115 - is polled


def _for_writing(pid: int, descriptor: str) -> bool:
    """Whether a descriptor is open for writing: a dataset read from a tmpfs does not count."""
    try:
        with open(f"/proc/{pid}/fdinfo/{descriptor}", "rb") as file:  # noqa: PTH123 - is polled
            flags = next(line.split()[1] for line in file if line.startswith(b"flags:"))
    except (OSError, StopIteration):
        return False
    return bool(int(flags, 8) & _ACCESS)


def _mapped(pid: int) -> Iterator[str]:
    """The paths of files in memory that a process has mapped for writing and sharing."""
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:  # noqa: PTH123 - is polled
            maps = file.read()
    except OSError:
        return
    for found in _MAPPED_FOR_WRITING.findall(maps):
        name = os.fsdecode(found)
        if _in_memory(name):
            yield name


def _in_memory(name: str) -> bool:
    return name.startswith(("/memfd:", *_tmpfs_mounts()))


@lru_cache(maxsize=1)
def _tmpfs_mounts() -> tuple[str, ...]:
    """The folders on which a tmpfs is mounted, each with a slash at its end."""
    try:
        lines = Path("/proc/self/mounts").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ()
    fields = [line.split(" ") for line in lines]
    folders = [_unescaped(one[1]) for one in fields if len(one) > 2 and one[2] == "tmpfs"]
    return tuple(f"{folder.rstrip('/')}/" for folder in folders)


def _unescaped(name: str) -> str:
    return _ESCAPED.sub(lambda digits: chr(int(digits[1], 8)), name)
