"""Locks on files: one process at a time. They are free when their holder ends, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_warned_of: set[int] = set()
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS)
"""What the file systems of some networks and containers answer that have no locks."""


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Lock a file, made if it is missing, and give True; give False if another process holds it.

    Where the file system has no locks, a warning says so and the answer is True.
    """
    with _opened(path) as handle:
        held = acquire(handle)
        if held is None:
            _warn_once(path.parent)
        yield held is not False


@contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Lock a file, made if it is missing, as soon as no other process holds it.

    `waiting` is called once if another process does. Where the file system has no locks, a warning
    says so.
    """
    with _opened(path) as handle:
        held = acquire(handle)
        if held is None:
            _warn_once(path.parent)
        elif not held:
            if waiting is not None:
                waiting()
            acquire(handle, wait=True)
        yield


def acquire(handle: int, *, wait: bool = False) -> bool | None:
    """Lock an open file; return False if another process holds it, None if there are no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return None
    return True


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield handle
    finally:
        os.close(handle)


def _warn_once(folder: Path) -> None:
    device = folder.stat().st_dev
    if device not in _warned_of:
        _warned_of.add(device)
        warnings.warn(
            f"the file system of {folder} has no locks: two runs into one folder at the same time "
            "are not protected from each other",
            stacklevel=4,
        )
