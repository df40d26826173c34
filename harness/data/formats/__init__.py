"""Readers and writers of vector files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.contracts import UserError, Vectors
from harness.data.formats.hdf5 import read_hdf5
from harness.data.formats.npy import read_npy

Reader = Callable[[Path], Vectors]

READERS: dict[str, Reader] = {"hdf5": read_hdf5, "npy": read_npy}
_ENDINGS = {".hdf5": "hdf5", ".h5": "hdf5", ".npy": "npy"}


def format_of(path: Path) -> str | None:
    """Return the format that the file's name tells, None if it tells none."""
    return _ENDINGS.get(path.suffix.lower())


def read_vectors(path: Path, format_name: str) -> Vectors:
    """Read a file in a named format.

    Raises
    ------
    UserError
        If the format is not known or the file is not in it.
    """
    if format_name not in READERS:
        raise UserError(
            f"unknown format {format_name!r}", expected="one of " + ", ".join(sorted(READERS))
        )
    return READERS[format_name](path)
