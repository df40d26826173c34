"""The folders in which workers run: one for each worker, removed at its end or by a later run."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.files.temporary import temporary_folder

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
        with temporary_folder(Path(tempfile.gettempdir()), "job") as folder:
            yield folder
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise NoRoom(error) from error
        raise
