"""Plain binary rows: big-ann's `.fbin`, TEXMEX's `.fvecs`, MNIST's IDX, and their kin."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Vectors
from harness.data.formats.vector_columns import exact_blocks
from harness.data.rows import blocks
from harness.errors import BrokenFile
from harness.files.space import require_memory

_BIN = "uint32 n, uint32 d, then n x d values and nothing after them"
_VECS = "rows that all begin with the same dimension, and nothing after the last"
_IDX = "an IDX file (.gz or not) whose length fits its header"
_HEADER_BYTES = 8


def bin_reader(code: str) -> Callable[[Path], Vectors]:
    """Return a reader for values of a NumPy type code; the rows are mapped, not read."""

    def read(path: Path) -> Vectors:
        dtype = np.dtype(code)
        size = path.stat().st_size
        if size < _HEADER_BYTES:
            raise _broken(path, _BIN, f"{size} bytes")
        n, d = (int(value) for value in np.fromfile(path, "<u4", 2))
        claimed = _HEADER_BYTES + n * d * dtype.itemsize
        if claimed != size or n * d == 0:
            raise _broken(path, _BIN, f"{n:,} rows of dimension {d:,} in a file of {size:,} bytes")
        rows = np.memmap(path, dtype, "r", offset=_HEADER_BYTES, shape=(n, d))
        return Vectors(rows=rows.view(np.ndarray))

    return read


def bin_writer(code: str) -> Callable[[Path, Vectors], None]:
    """Return a writer for values of a NumPy type code."""

    def write(path: Path, vectors: Vectors) -> None:
        with path.open("wb") as out:
            out.write(np.array(vectors.rows.shape, "<u4").tobytes())
            for block in exact_blocks(vectors.rows, code, path):
                out.write(block.data)

    return write


_MOST_DIMENSIONS = 1 << 24


def vecs_reader(code: str) -> Callable[[Path], Vectors]:
    """Return a reader for values of a NumPy type code; the rows are mapped, not read."""

    def read(path: Path) -> Vectors:
        dtype = np.dtype(code)
        size = path.stat().st_size
        dimension = _first_dimension(path, size)
        row_bytes = 4 + dimension * dtype.itemsize
        if not 1 <= dimension <= _MOST_DIMENSIONS or size % row_bytes:
            raise _broken(
                path, _VECS, f"{size:,} bytes that are no whole rows of dimension {dimension}"
            )
        table = np.memmap(path, np.uint8, "r", shape=(size // row_bytes, row_bytes))
        _require_one_dimension(table.view(np.ndarray), dimension, path)
        record = np.dtype([("dimension", "<i4"), ("values", dtype, (dimension,))])
        records = np.memmap(path, record, "r", shape=(size // row_bytes,))
        return Vectors(rows=records["values"].view(np.ndarray))

    return read


def vecs_writer(code: str) -> Callable[[Path, Vectors], None]:
    """Return a writer for values of a NumPy type code."""

    def write(path: Path, vectors: Vectors) -> None:
        dimension = vectors.rows.shape[1]
        record = np.dtype([("dimension", "<i4"), ("values", code, (dimension,))])
        with path.open("wb") as out:
            for block in exact_blocks(vectors.rows, code, path):
                records = np.empty(len(block), record)
                records["dimension"] = dimension
                records["values"] = block
                out.write(records.data.cast("B") if len(records) else b"")

    return write


def _first_dimension(path: Path, size: int) -> int:
    if size < 4:
        raise _broken(path, _VECS, f"{size} bytes")
    return int(np.fromfile(path, "<i4", 1)[0])


def _require_one_dimension(table: NDArray[np.uint8], dimension: int, path: Path) -> None:
    for block in blocks(table):
        found = np.ascontiguousarray(table[block, :4]).view("<i4")[:, 0]
        if (found != dimension).any():
            row = block.start + int(np.argmax(found != dimension))
            got = f"{dimension} in row 0, {found[row - block.start]} in row {row}"
            raise _broken(path, _VECS, got)


DEFLATE_RATIO = 1033
"""Deflate packs no tighter than 1032 to 1, so a header that claims more is wrong."""

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(code): number for number, code in _TYPES.items()}
_MAX_DIMENSIONS = 8


def read_idx(path: Path) -> Vectors:
    """Read an IDX file as a table, item by row.

    Raises
    ------
    UserError
        If it is no IDX file or its length is not what its header says.
    """
    try:
        with _opened(path) as stream:
            dtype, shape, header_bytes = _header(stream, path)
            rows = _values(stream, path, dtype, shape, header_bytes)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise _broken(path, _IDX, str(error) or "a file that ends early") from error
    return Vectors(rows=rows.reshape(shape[0], -1) if shape[0] else rows.reshape(0, 1))


def write_idx(path: Path, vectors: Vectors) -> None:
    """Write the rows, in float32 if IDX lacks their type."""
    rows = np.asarray(vectors.rows)
    dtype = rows.dtype.newbyteorder(">") if rows.dtype.itemsize > 1 else rows.dtype
    if dtype not in _CODES:
        dtype = np.dtype(">f4")
    header = struct.pack(">HBB", 0, _CODES[dtype], 2) + struct.pack(">2I", *rows.shape)
    with path.open("wb") as out:
        out.write(header)
        for block in blocks(rows):
            out.write(np.ascontiguousarray(rows[block], dtype=dtype).data)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not packed:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as unpacked:
            yield unpacked  # type: ignore[misc]


def _header(stream: IO[bytes], path: Path) -> tuple[np.dtype, tuple[int, ...], int]:
    zero, code, count = struct.unpack(">HBB", stream.read(4))
    if zero != 0 or code not in _TYPES or not 1 <= count <= _MAX_DIMENSIONS:
        raise _broken(path, _IDX, "another kind of file")
    shape = struct.unpack(f">{count}I", stream.read(4 * count))
    return np.dtype(_TYPES[code]), shape, 4 + 4 * count


def _values(
    stream: IO[bytes], path: Path, dtype: np.dtype, shape: tuple[int, ...], header_bytes: int
) -> NDArray[np.generic]:
    claimed = math.prod(shape) * dtype.itemsize
    packed = isinstance(stream, gzip.GzipFile)
    stored = path.stat().st_size
    most = stored * DEFLATE_RATIO if packed else stored
    if claimed + header_bytes > most or (not packed and claimed + header_bytes != stored):
        raise _broken(path, _IDX, f"a header that claims {claimed:,} bytes, a file of {stored:,}")
    require_memory(claimed, "the rows of the file", str(path))
    values = np.empty(math.prod(shape), dtype)
    _fill(stream, values.data.cast("B"), path)
    return values


def _fill(stream: IO[bytes], target: memoryview, path: Path) -> None:
    done = 0
    while done < len(target):
        chunk = stream.read(min(1 << 22, len(target) - done))
        if not chunk:
            raise _broken(path, _IDX, f"{done:,} bytes of values instead of {len(target):,}")
        target[done : done + len(chunk)] = chunk
        done += len(chunk)
    if stream.read(1):
        raise _broken(path, _IDX, "more values than its header says")


def _broken(path: Path, expected: str, got: str) -> BrokenFile:
    return BrokenFile(
        f"cannot read the {path.suffix} file", where=str(path), expected=expected, got=got
    )
