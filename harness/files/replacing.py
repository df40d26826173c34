"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from harness.errors import UserError
from harness.files.paths import kind_of
from harness.files.temporary import temporary_file

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a full disk answers, a quota that is used up, and a file that is larger than allowed."""


@contextmanager
def replacing(path: Path, *, durable: bool = False, mode: int = 0o666) -> Iterator[Path]:
    """Give a temporary path beside `path`; if the block ends well it takes the place of `path`.

    Write into the file that is there: one that is put in its place is not locked.

    Parameters
    ----------
    path
        The file to write; its folder is made if missing.
    durable
        Wait until the disk has it, so that it outlives a power cut as well.
    mode
        Its permissions; the umask is taken away from them.

    Raises
    ------
    OSError
        If it cannot be written, or is there and no regular file: a pipe or a device such as
        /dev/stdout would be replaced. What stood there before is whole, and nothing is left behind.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EEXIST, f"this is {kind_of(path)}, no regular file", str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, "its folder is a file", str(path)) from error
    with temporary_file(path.parent, path.stem, mode) as temporary:
        yield temporary
        if durable:
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        temporary.replace(path)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Do as `replacing`, and raise a `UserError` if the file cannot be written."""
    try:
        with replacing(path) as temporary:
            yield temporary
    except OSError as error:
        is_full = error.errno in NO_SPACE or error.errno is None  # HDF5's errors have none
        raise UserError(
            f"cannot write the file: {error.strerror or error}",
            where=str(path),
            hint=f"{'free some space or ' * is_full}choose another place "
            "(ANNHARNESS_DATA for the cache)",
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with newlines as they are, whole or not at all, as `written_whole`."""
    with written_whole(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


@contextmanager
def written_hdf5(path: Path) -> Iterator[h5py.File]:
    """Give a new HDF5 file to fill, which is moved to `path` if the block succeeds.

    Raises
    ------
    UserError
        If the folder cannot be written to or the disk is full.
    """
    with written_whole(path) as temporary:
        try:
            # The temporary file is locked by us, and some file systems have no locks.
            with h5py.File(temporary, "w", locking=False) as file:
                yield file
        except RuntimeError as error:  # what closing a file raises when the disk is full
            if "errno" not in str(error):
                raise
            raise OSError(str(error)) from error
