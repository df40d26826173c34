"""Where adapters keep files that an index needs while it lives."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path

JOB_FOLDER_VARIABLE = "ANNHARNESS_JOB"
"""Names, in a worker's environment, the folder that goes with the worker; set by the harness."""


class TemporaryFolder:
    """A new folder, which goes away with this object, and with the worker even if it is killed.

    Parameters
    ----------
    prefix
        Begins the name of the folder.

    Attributes
    ----------
    name
        The path of the folder.
    """

    def __init__(self, prefix: str = "tmp") -> None:
        self.name = tempfile.mkdtemp(prefix=prefix, dir=os.environ.get(JOB_FOLDER_VARIABLE))
        weakref.finalize(self, shutil.rmtree, self.name, ignore_errors=True)


def bytes_below(folder: str | Path) -> int:
    """Return the bytes of all files below a folder: what a database of files takes."""
    files = Path(folder).rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())
