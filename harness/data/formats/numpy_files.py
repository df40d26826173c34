"""NumPy's `.npy` files, mapped, and `.npz`, of which one array is the table; never pickles."""

from __future__ import annotations

import lzma
import math
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from harness.contracts import Vectors
from harness.contracts.definitions import Parameters
from harness.data.formats.vector_columns import chosen_column
from harness.data.rows import blocks
from harness.errors import BrokenFile
from harness.files.space import require_memory
from harness.text import first_line

# NumPy reads the header as a Python literal, so a damaged one fails in many ways.
UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    SyntaxError,
    OverflowError,
    MemoryError,
    RecursionError,
    tokenize.TokenError,
)


def read_npy(path: Path) -> Vectors:
    """Map the array of the file; nothing in it is ever executed.

    Raises
    ------
    UserError
        If it is no `.npy` file, holds pickled objects, or is shorter than its header says.
    """
    try:
        rows = npy_format.open_memmap(path, mode="r")
    except UNREADABLE as error:
        raise BrokenFile(
            "cannot read the .npy file",
            where=str(path),
            expected="one table of numbers, as numpy.save writes it",
            got=first_line(error),
        ) from error
    return Vectors(rows=rows)


def write_npy(path: Path, vectors: Vectors) -> None:
    """Write the rows in their own type."""
    rows = vectors.rows
    header = {
        "descr": npy_format.dtype_to_descr(rows.dtype),
        "fortran_order": False,
        "shape": rows.shape,
    }
    with path.open("wb") as out:
        npy_format.write_array_header_1_0(out, header)
        for block in blocks(rows):
            out.write(np.ascontiguousarray(rows[block]).data)


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
    dtype: np.dtype
    header_bytes: int

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def is_table(self) -> bool:
        return len(self.shape) == 2 and self.dtype.kind in "fiu"

    def __str__(self) -> str:
        return f"{' x '.join(map(str, self.shape)) or 'one value'}, {self.dtype}"


def read_npz(path: Path, options: Parameters) -> Vectors:
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


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy_format.read_magic(stream)
    if version == (1, 0):
        return npy_format.read_array_header_1_0(stream)
    return npy_format.read_array_header_2_0(stream)


def _read(archive: zipfile.ZipFile, array: _Array, path: Path) -> NDArray[np.generic]:
    info = array.info
    claimed = array.bytes + array.header_bytes
    if claimed != info.file_size or claimed > _MOST_RATIO * max(1, info.compress_size):
        got = f"{array}: {claimed:,} bytes in a member of {info.file_size:,}"
        raise _broken(path, f"{got}, {info.compress_size:,} packed")
    require_memory(array.bytes, "the rows of the file", str(path))
    with archive.open(info) as stream:
        return np.asarray(npy_format.read_array(stream, allow_pickle=False))


def _broken(path: Path, got: str) -> BrokenFile:
    return BrokenFile(
        "cannot read the .npz file",
        where=str(path),
        expected="arrays of numbers, as numpy.savez writes them",
        got=got,
    )
