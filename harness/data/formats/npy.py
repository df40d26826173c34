"""NumPy's `.npy` files, mapped."""

from __future__ import annotations

import tokenize
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from harness.contracts import UserError, Vectors
from harness.data.rows import blocks
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
        raise UserError(
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
