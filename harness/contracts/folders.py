"""Temporary folders for adapters whose index keeps files."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
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


def bytes_below(folder: str | Path) -> int:
    """Return the bytes of all files below a folder, for `index_bytes`."""
    files = Path(folder).rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())
