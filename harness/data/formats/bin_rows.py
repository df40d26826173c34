"""big-ann files `.fbin .u8bin .i8bin .ibin`: uint32 n, uint32 d, then the rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.contracts import UserError, Vectors
from harness.data.formats.exact import exact_blocks

_HEADER_BYTES = 8


def bin_reader(code: str) -> Callable[[Path], Vectors]:
    """Return a reader for values of a NumPy type code; the rows are mapped, not read."""

    def read(path: Path) -> Vectors:
        dtype = np.dtype(code)
        size = path.stat().st_size
        if size < _HEADER_BYTES:
            raise _broken(path, f"{size} bytes")
        n, d = (int(value) for value in np.fromfile(path, "<u4", 2))
        claimed = _HEADER_BYTES + n * d * dtype.itemsize
        if claimed != size or n * d == 0:
            raise _broken(path, f"{n:,} rows of dimension {d:,} in a file of {size:,} bytes")
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


def _broken(path: Path, got: str) -> UserError:
    return UserError(
        f"cannot read the {path.suffix} file",
        where=str(path),
        expected="uint32 n, uint32 d, then n x d values and nothing after them",
        got=got,
    )
