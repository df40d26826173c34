"""The folders in which workers run: each its job's own, and none left behind for long."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.results.locks import try_lock

NO_ROOM_STATUS = 74
"""The exit status of a worker that could not write what the harness itself has to write."""

_PREFIX = "annharness-job-"
_OWNER = "owner"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_ENOUGH_BYTES = 16 << 20


class NoRoom(Exception):
    """The folder for temporary files takes no more: the fault of no algorithm."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or str(error))
        self.path = Path(tempfile.gettempdir())
        self.reason = str(self)


@contextmanager
def job_folder() -> Iterator[Path]:
    """Give an empty folder that is removed at the end, or by a later run if this one is killed.

    Raises
    ------
    NoRoom
        If there is no room for it, at the start or later in the block.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            with try_lock(folder, _OWNER):
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise NoRoom(error) from error
        raise


def remove_abandoned() -> None:
    """Remove the folders of this user whose owner is gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if folder.stat().st_uid == os.getuid() and folder.joinpath(f"{_OWNER}.lock").exists():
                with try_lock(folder, _OWNER) as held:
                    if held:
                        shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue


def require_room(folder: Path) -> None:
    """Write and remove 16 MiB: raise `OSError` if that fails."""
    path = folder / "room"
    try:
        path.write_bytes(bytes(_ENOUGH_BYTES))
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def leaving_if_full() -> Iterator[None]:
    """In a worker: leave with a status of its own if what stands in the block finds no room."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        print(f"annharness: no room to write: {error}", flush=True)
        os._exit(NO_ROOM_STATUS)
