"""NumPy's `.npy` files, mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.contracts import UserError, Vectors


def read_npy(path: Path) -> Vectors:
    """Map the array of the file; nothing in it is ever executed.

    Raises
    ------
    UserError
        If it is no `.npy` file, holds pickled objects, or is shorter than its header says.
    """
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise UserError(
            "cannot read the .npy file",
            where=str(path),
            expected="one table of numbers, as numpy.save writes it",
            got=str(error).splitlines()[0] if str(error) else type(error).__name__,
        ) from error
    if not isinstance(rows, np.ndarray):
        rows.close()
        raise UserError("this is an .npz archive, not an .npy file", where=str(path))
    return Vectors(rows=rows)
