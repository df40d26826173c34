"""NumPy's `.npz` files: one of the arrays is the table; pickles are never read."""

from __future__ import annotations

import lzma
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format

from harness.contracts import UserError, Vectors
from harness.data.formats.columns import chosen_column
from harness.data.formats.npy import UNREADABLE
from harness.files.space import require_memory
from harness.text import first_line

_UNREADABLE = (
    *UNREADABLE,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,  # a compression that zipfile does not know
    RuntimeError,  # a member with a password
)
_MOST_RATIO = 1033
"""Deflate, which `savez_compressed` uses, packs no tighter than 1032 to 1."""


@dataclass(frozen=True)
class _Array:
    """The header of a member."""

    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    header_bytes: int

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def is_table(self) -> bool:
        return len(self.shape) == 2 and self.dtype.kind in "fiu"

    def __str__(self) -> str:
        return f"{' x '.join(map(str, self.shape)) or 'one value'}, {self.dtype}"


def read_npz(path: Path, options: Mapping[str, Any]) -> Vectors:
    """Read the array that is a table of numbers.

    Parameters
    ----------
    path
        The file.
    options
        `column` names the array where there are several.

    Raises
    ------
    UserError
        If there is no such array, or the file is broken or claims more than it holds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = _arrays(archive)
            usable = [name for name, array in arrays.items() if array.is_table]
            there = {name: str(array) for name, array in arrays.items()}
            name = chosen_column(options.get("column"), usable, there, path, what="array")
            return Vectors(rows=_read(archive, arrays[name], path))
    except _UNREADABLE as error:
        raise _broken(path, first_line(error)) from error


def _arrays(archive: zipfile.ZipFile) -> dict[str, _Array]:
    members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    return {info.filename.removesuffix(".npy"): _header(archive, info) for info in members}


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Array:
    with archive.open(info) as stream:
        shape, _, dtype = _read_header(stream)
        return _Array(info, shape, dtype, stream.tell())


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy_format.read_magic(stream)
    if version == (1, 0):
        return npy_format.read_array_header_1_0(stream)
    return npy_format.read_array_header_2_0(stream)


def _read(archive: zipfile.ZipFile, array: _Array, path: Path) -> np.ndarray[Any, Any]:
    info = array.info
    claimed = array.bytes + array.header_bytes
    if claimed != info.file_size or claimed > _MOST_RATIO * max(1, info.compress_size):
        got = f"{array}: {claimed:,} bytes in a member of {info.file_size:,}"
        raise _broken(path, f"{got}, {info.compress_size:,} packed")
    require_memory(array.bytes, "the rows of the file", str(path))
    with archive.open(info) as stream:
        return np.asarray(npy_format.read_array(stream, allow_pickle=False))


def _broken(path: Path, got: str) -> UserError:
    return UserError(
        "cannot read the .npz file",
        where=str(path),
        expected="arrays of numbers, as numpy.savez writes them",
        got=got,
    )
