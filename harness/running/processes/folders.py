"""The folders in which workers run: one for each worker, removed at its end or by a later run."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.results.locks import try_lock

_PREFIX = "annharness-job-"
_OWNER = "owner"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class NoRoom(Exception):
    """The folder for temporary files is full, which is no algorithm's failure."""

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
        If there is no room for it, at the start or later in the `with` statement.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            with try_lock(folder, _OWNER):
                yield folder
        finally:
            _remove(folder)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise NoRoom(error) from error
        raise


def _remove(folder: Path) -> None:
    """Remove a folder, or what an adapter has put in its place, without opening a pipe."""
    try:
        if stat.S_ISDIR(folder.lstat().st_mode):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            folder.unlink()
    except FileNotFoundError:
        return


def remove_abandoned() -> None:
    """Remove the folders of this user whose owner process has ended."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if folder.stat().st_uid == os.getuid() and folder.joinpath(f"{_OWNER}.lock").exists():
                with try_lock(folder, _OWNER) as held:
                    if held:
                        _remove(folder)
        except OSError:
            continue
