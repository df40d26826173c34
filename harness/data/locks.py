"""One process at a time for one thing in the cache."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from harness.contracts import UserError
from harness.data.cache import cache_subfolder


@contextmanager
def locked(name: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock called `name`; wait while another process holds it.

    The kernel releases it when the holder ends, in whatever way, so no stale lock can remain.

    Parameters
    ----------
    name
        What is locked, fit for a file name.
    waiting
        Called once if another process holds the lock.
    """
    path = cache_subfolder("locks") / f"{name}.lock"
    try:
        handle = path.open("w")
    except OSError as error:
        raise UserError(f"cannot lock the cache: {error.strerror}", where=str(path)) from error
    with handle:
        _acquire(handle, waiting)
        yield


def _acquire(handle: IO[str], waiting: Callable[[], None] | None) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if waiting is not None:
            waiting()
        fcntl.flock(handle, fcntl.LOCK_EX)
