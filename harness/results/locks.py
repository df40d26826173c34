"""Locks on pieces of work, so that two runs can share a folder; they end with their owner."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def try_lock(folder: Path, name: str) -> Iterator[bool]:
    """Try to hold the lock called `name` below `folder`; give whether it is held.

    The kernel releases the lock when the process ends, in whatever way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield _acquired(handle)
    finally:
        os.close(handle)


def _acquired(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def among_writers(folder: Path, when_alone: Callable[[], None]) -> Iterator[None]:
    """Be a writer of `folder` while the block runs; first call `when_alone` if there is no other.

    Half-written files of a killed writer can be recognised only while nobody else writes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "writers.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if _acquired(handle):
            when_alone()
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)
