"""What comes from an adapter: its answers as arrays of ids, and its diagnostics.

The worker converts them. Whoever gets ids from a worker checks their values (`require_valid`,
`require_matching`): a worker shares its process with the adapter and is not trusted.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Table
from harness.results.point import MOST_DIAGNOSTICS
from harness.text import clean, is_clean


class WrongAnswer(Exception):
    """Returned neighbours that break the contract; the message says which and how."""


def are_lists(answers: object) -> bool:
    """Whether an adapter returns lists or tuples, which are converted in the timed region."""
    first = answers[0] if isinstance(answers, list) and answers else answers
    return type(first) in (list, tuple)


def ids_of(answers: object, nq: int, k: int) -> NDArray[np.int64]:
    """Return neighbours as `(nq, k)` int64 ids, without a check of their values.

    Parameters
    ----------
    answers
        A sequence of nq answers of `(k,)`, or an array `(nq, k)`: numpy arrays of integers, lists
        or tuples. Nothing else is an answer: what computes when it is read would be timed at 0.

    Raises
    ------
    WrongAnswer
        If the types or shapes are others.
    """
    if not isinstance(answers, np.ndarray | list | tuple):
        raise WrongAnswer(f"the answer is {type(answers).__name__}, an array is expected")
    if len(answers) != nq:
        raise WrongAnswer(f"{len(answers)} answers to {nq} queries")
    if isinstance(answers, np.ndarray):
        _check_one(answers, (nq, k), "the answer of query_batch")
        return _as_signed(answers)
    shape = (k,)
    for i, answer in enumerate(answers):
        sound = type(answer) is np.ndarray and answer.shape == shape and answer.dtype.kind in "iu"
        if not sound:
            _check_one(answer, shape, f"the answer to query {i}")
    signed = [_as_signed(a) if getattr(a, "dtype", None) == np.uint64 else a for a in answers]
    return np.array(signed, dtype=np.int64).reshape(nq, k)


def own_array(answer: object, name: str) -> NDArray[np.generic]:
    """Return a copy of an answer: an adapter may write the next one into the same array.

    Raises
    ------
    WrongAnswer
        If it is neither array, list nor tuple: what computes when it is read would be timed at 0.
    """
    return _as_array(answer, name).copy()


def _as_array(answer: object, name: str) -> NDArray[np.generic]:
    if type(answer) in (list, tuple):
        answer = np.array(answer)
    if type(answer) is not np.ndarray:
        raise WrongAnswer(f"{name} is {type(answer).__name__}, an array of integers is expected")
    return answer


def _as_signed(ids: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return ids as int64; the largest uint64, some libraries' "none", would become padding."""
    signed = ids.astype(np.int64)
    if ids.dtype == np.uint64 and (signed < 0).any():
        raise WrongAnswer(f"the id {ids.max()}: missing neighbours are -1, in a signed type")
    return signed


def _check_one(answer: object, shape: tuple[int, ...], name: str) -> None:
    ids = _as_array(answer, name)
    if ids.dtype.kind not in "iu":
        raise WrongAnswer(f"{name} holds {ids.dtype}, integers are expected")
    if ids.shape != shape:
        raise WrongAnswer(f"{name} has shape {ids.shape}, {shape} is expected")


def require_valid(ids: NDArray[np.int64], n: int) -> None:
    """Raise `WrongAnswer` unless `(nq, k)` ids are valid neighbours among n rows.

    Ids are row numbers, each at most once for a query; -1 pads the end of a row.
    """
    _require(ids >= -1, ids, "an id below -1")
    _require(ids < n, ids, f"an id beyond the last row, {n - 1}")
    padding = ids == -1
    _require(~(padding[:, :-1] & ~padding[:, 1:]), ids, "padding (-1) before an id")
    ordered = np.sort(ids, axis=1)
    repeated = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    _require(~repeated, ids, "an id more than once")


def require_matching(ids: NDArray[np.int64], match: NDArray[np.bool_]) -> None:
    """Raise `WrongAnswer` unless every one of `(nq, k)` ids matches the filter of its query."""
    _require(match, ids, "an id of a row that does not match the filter")


def checked_ids(answers: object, nq: int, k: int, n: int) -> NDArray[np.int64]:
    """Return neighbours as valid `(nq, k)` int64 ids among n rows.

    Raises
    ------
    WrongAnswer
        As `ids_of` and `require_valid` do.
    """
    ids = ids_of(answers, nq, k)
    require_valid(ids, n)
    return ids


def _require(holds: NDArray[np.bool_], ids: NDArray[np.int64], what: str) -> None:
    if not holds.all():
        query = int(np.argmin(holds.all(axis=1)))
        shown = ", ".join(str(i) for i in ids[query][:12]) + (", ..." if ids.shape[1] > 12 else "")
        raise WrongAnswer(f"{what} in the answer to query {query}: [{shown}]")


_NAME_CHARACTERS = 200
_MOST_BYTES = 64 << 20
_MOST_FLOAT_BYTES = 8  # a long double is another number on another machine


def is_name(name: object) -> bool:
    """Whether a table or a column can be called so: the name stands in a path of HDF5."""
    return (
        isinstance(name, str)
        and is_clean(name, _NAME_CHARACTERS)
        and bool(name.strip(". "))
        and not set(name) & set("/\n\t")
    )


def checked_tables(tables: Mapping[str, Table]) -> dict[str, NDArray[np.generic]]:
    """Flatten `{table: {column: values}}` to `table/column`.

    Raises
    ------
    ValueError
        If a name or a column is not what can be stored, or all of them are too many or too large.
    """
    flat: dict[str, NDArray[np.generic]] = {}
    for table, columns in tables.items():
        lengths = set()
        for column, values in columns.items():
            array = np.asarray(values)
            if array.ndim != 1 or array.dtype.kind not in "biufU":
                raise ValueError(
                    f"diagnostics table {table!r}, column {column!r}: one-dimensional numbers or "
                    f"text are expected, got {array.dtype} {array.shape}"
                )
            if array.dtype.kind == "f" and array.dtype.itemsize > _MOST_FLOAT_BYTES:
                array = array.astype(np.float64)
            lengths.add(len(array))
            flat[f"{_checked_name(table)}/{_checked_name(column)}"] = array
        if len(lengths) > 1:
            raise ValueError(f"diagnostics table {table!r} has columns of lengths {lengths}")
    if len(flat) > MOST_DIAGNOSTICS:
        raise ValueError(
            f"diagnostics of {len(flat):,} columns, at most {MOST_DIAGNOSTICS:,} are kept"
        )
    size = sum(values.nbytes for values in flat.values())
    if size > _MOST_BYTES:
        raise ValueError(f"diagnostics of {size:,} bytes, at most {_MOST_BYTES:,} are kept")
    return flat


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not is_name(name):
        raise ValueError(
            f"diagnostics: {clean(repr(name), _NAME_CHARACTERS)} is no name for a table or a column"
        )
    return name
