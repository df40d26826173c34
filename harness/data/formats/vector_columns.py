"""Which column or array holds the vectors, and conversion of its values without loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeGuard

import numpy as np
from numpy.typing import DTypeLike, NDArray

from harness.contracts import UserError
from harness.data.rows import blocks
from harness.text import clean

_SHOWN = 12
_LONGEST_NAME = 60
_HINT = "annharness data add ... --column NAME; in an entry, options: {column: NAME}"


def chosen_column(
    wanted: object,
    usable: Sequence[str],
    there: Mapping[str, str],
    path: Path,
    *,
    what: str = "column",
    hint_if_none: str | None = None,
) -> str:
    """Return the name of the column to read.

    Parameters
    ----------
    wanted
        What the user names, or None: then there must be one that is usable.
    usable
        The names of those that could hold vectors; one that occurs twice cannot be named.
    there
        All that the file has, each with what it holds, for the message.
    what
        What the file's format calls them.
    hint_if_none
        What to do if none is usable.

    Raises
    ------
    UserError
        If none is usable, or several are and none is named; it says which there are.
    """
    if wanted is None and len(usable) == 1:
        return usable[0]
    if wanted is not None and usable.count(str(wanted)) == 1:
        return str(wanted)
    names = [f"{clean(name, _LONGEST_NAME)} ({kind})" for name, kind in there.items()]
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    raise UserError(
        f"which {what} holds the vectors?" if usable else f"no {what} holds vectors",
        where=str(path),
        expected=f"vectors in {wanted!r}" if wanted is not None else f"one {what} of vectors",
        got=(", ".join(names[:_SHOWN]) or f"no {what}s") + more,
        hint=_HINT if usable else hint_if_none,
    )


def as_table(
    lists: Sequence[object], path: Path, first: int, dimension: int = 0
) -> NDArray[np.float32]:
    """Return lists of numbers, all of one length, as rows of float32.

    Parameters
    ----------
    lists
        What was read as lists; anything may be among them.
    first
        The number of the first one in the file, for the message.
    dimension
        How long they have to be; 0: as long as the first of them.

    Raises
    ------
    UserError
        If one is no list of numbers or has another length; it names the row.
    """
    for row, values in enumerate(lists, first):
        if not _are_numbers(values):
            raise _odd(path, row, dimension, "something else")
        dimension = dimension or len(values)
        if len(values) != dimension:
            raise _odd(path, row, dimension, f"{len(values):,} numbers")
    try:
        table = np.array(lists, dtype=np.float64)
    except OverflowError as error:
        raise _odd(path, first, dimension, f"in this row or one after it: {error}") from error
    with np.errstate(over="ignore"):
        return table.astype(np.float32)


def _are_numbers(values: object) -> TypeGuard[list[float]]:
    return isinstance(values, list) and bool(values) and set(map(type, values)) <= {int, float}


def _odd(path: Path, row: int, dimension: int, got: str) -> UserError:
    return UserError(
        "the vectors are not lists of numbers of one length",
        where=f"{path}, row {row:,}",
        expected=f"a list of {dimension or 'some'} numbers",
        got=got,
    )


def exact_blocks(
    rows: NDArray[np.generic], dtype: DTypeLike, path: Path
) -> Iterator[NDArray[np.generic]]:
    """Yield the rows by blocks in another type, C-contiguous.

    Raises
    ------
    UserError
        If a value is not the same in that type.
    """
    wanted = np.dtype(dtype)
    for block in blocks(rows):
        given = rows[block]
        with np.errstate(invalid="ignore", over="ignore"):
            taken = np.ascontiguousarray(given, dtype=wanted)
        if wanted.kind != "f" and not np.array_equal(taken, given):
            raise UserError(
                "the values do not fit the format",
                where=str(path),
                expected=f"whole numbers of type {wanted.name}",
                got=f"values from {np.min(given)} to {np.max(given)} of type {rows.dtype}",
                hint="choose a format of floats, such as .npy, .fvecs or .fbin",
            )
        yield taken
