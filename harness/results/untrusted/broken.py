"""The one exception for stored files that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.contracts import UserError
from harness.text import clean

MOST_BYTES = 4 << 30
"""Of a stored file, and of the arrays in it; larger files are not read."""

_REASON_CHARACTERS = 300


class BrokenResult(UserError):
    """A stored file that cannot be used; it is reported and skipped, never deleted.

    `str` gives the path and the reason in one line.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = clean(" ".join(reason.split()), _REASON_CHARACTERS)
        super().__init__(
            "a stored file cannot be used",
            where=clean(path),
            got=self.reason,
            hint="remove it and run its suite again",
        )

    def require_damage(self) -> None:
        """Raise what kept the file from being read, unless it is the file that is at fault."""
        cause = self.__cause__
        if isinstance(cause, MemoryError):
            raise cause
        if isinstance(cause, OSError) and cause.errno is not None:  # HDF5's own errors have none
            raise cause

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise whatever reading a file raises as `BrokenResult`.

    h5py, numpy, zlib and json have more than ten kinds of exceptions for damaged files.
    """
    try:
        if not path.is_file():  # to open a pipe would block
            raise ValueError("no file" if not path.exists() else "no regular file")
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path.stat().st_size:,} bytes, at most {MOST_BYTES:,} are read")
        yield
    except BrokenResult:
        raise
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BrokenResult(path, reason or str(error) or type(error).__name__) from error
