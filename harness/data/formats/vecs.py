"""TEXMEX files `.fvecs .bvecs .ivecs`: each row is its dimension as int32, then its values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.contracts import UserError, Vectors
from harness.data.formats.exact import exact_blocks
from harness.data.rows import blocks

_MOST_DIMENSIONS = 1 << 24


def vecs_reader(code: str) -> Callable[[Path], Vectors]:
    """Return a reader for values of a NumPy type code; the rows are mapped, not read."""

    def read(path: Path) -> Vectors:
        dtype = np.dtype(code)
        size = path.stat().st_size
        dimension = _first_dimension(path, size)
        row_bytes = 4 + dimension * dtype.itemsize
        if not 1 <= dimension <= _MOST_DIMENSIONS or size % row_bytes:
            raise _broken(path, f"{size:,} bytes that are no whole rows of dimension {dimension}")
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
        raise _broken(path, f"{size} bytes")
    return int(np.fromfile(path, "<i4", 1)[0])


def _require_one_dimension(table: NDArray[np.uint8], dimension: int, path: Path) -> None:
    for block in blocks(table):
        found = np.ascontiguousarray(table[block, :4]).view("<i4")[:, 0]
        if (found != dimension).any():
            row = block.start + int(np.argmax(found != dimension))
            got = f"{dimension} in row 0, {found[row - block.start]} in row {row}"
            raise _broken(path, got)


def _broken(path: Path, got: str) -> UserError:
    return UserError(
        f"cannot read the {path.suffix} file",
        where=str(path),
        expected="rows that all begin with the same dimension, and nothing after the last",
        got=got,
    )
