"""What the harness gives an adapter: temporary folders, and a number of threads."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

JOB_FOLDER_VARIABLE = "ANNHARNESS_JOB"
"""Environment variable of a worker: the folder that is removed when the worker ends."""


class TemporaryFolder:
    """A new folder that is removed with this object, or when the worker ends or is killed.

    Parameters
    ----------
    prefix
        First part of the folder's name.

    Attributes
    ----------
    name
        The path of the folder.
    """

    def __init__(self, prefix: str = "tmp") -> None:
        self.name = tempfile.mkdtemp(prefix=prefix, dir=os.environ.get(JOB_FOLDER_VARIABLE))
        weakref.finalize(self, shutil.rmtree, self.name, ignore_errors=True)


def bytes_below(path: str | Path) -> int:
    """Return the bytes of all files below a folder, or of a file, for `index_bytes`.

    Links are not followed: what they lead to may be counted already. Files that go away while they
    are counted are none.
    """
    total = 0
    top = Path(path)
    for below in (top, *([] if top.is_symlink() else top.rglob("*"))):
        with suppress(FileNotFoundError):
            found = below.lstat()
            total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total


_ALLOTTED: ContextVar[int] = ContextVar("allotted_threads", default=1)


def allotted_threads() -> int:
    """Return the size of the thread pool that an adapter may use, in `fit` and in searches.

    The harness sizes the pools of OpenMP, BLAS, numba and other libraries that it knows; an
    adapter asks only where its library keeps a pool of its own. One query at a time gets 1, in
    every client. Outside the harness it is 1.
    """
    return _ALLOTTED.get()


@contextmanager
def threads_allotted(threads: int) -> Iterator[None]:
    """Set what `allotted_threads` returns in this thread. Used by the harness, not by adapters."""
    token = _ALLOTTED.set(threads)
    try:
        yield
    finally:
        _ALLOTTED.reset(token)
