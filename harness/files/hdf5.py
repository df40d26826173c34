"""Writing of HDF5 files: whole or not at all, with a `UserError` for a full disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from harness.files.replacing import written_whole


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
