"""Answers as they come from an adapter, checked before anything is computed from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class WrongAnswer(Exception):
    """An answer that breaks the contract; the message says which and how."""


def checked_ids(answers: Any, nq: int, k: int, n: int) -> NDArray[np.int64]:
    """Return answers as `(nq, k)` int64 ids.

    Parameters
    ----------
    answers
        A sequence of nq answers of `(k,)`, or an array `(nq, k)`.
    n
        The number of base rows.

    Raises
    ------
    WrongAnswer
        If an id is repeated, out of range or no integer, if the shape is wrong, or if padding
        stands before an id.
    """
    ids = _as_array(answers, nq, k)
    _require(ids >= -1, ids, "an id below -1")
    _require(ids < n, ids, f"an id beyond the last row, {n - 1}")
    padding = ids == -1
    _require(~(padding[:, :-1] & ~padding[:, 1:]), ids, "padding (-1) before an id")
    ordered = np.sort(ids, axis=1)
    repeated = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    _require(~repeated, ids, "an id more than once")
    return ids


def _as_array(answers: Any, nq: int, k: int) -> NDArray[np.int64]:
    if len(answers) != nq:
        raise WrongAnswer(f"{len(answers)} answers to {nq} queries")
    if isinstance(answers, np.ndarray):
        _check_one(answers, (nq, k), "the answer of query_batch")
        return answers.astype(np.int64)
    rows = [np.asarray(answer) for answer in answers]
    for i, row in enumerate(rows):
        _check_one(row, (k,), f"the answer to query {i}")
    return np.array(rows, dtype=np.int64).reshape(nq, k)


def _check_one(answer: NDArray[Any], shape: tuple[int, ...], name: str) -> None:
    if answer.dtype.kind not in "iu":
        raise WrongAnswer(f"{name} holds {answer.dtype}, integers are expected")
    if answer.shape != shape:
        raise WrongAnswer(f"{name} has shape {answer.shape}, {shape} is expected")


def _require(holds: NDArray[np.bool_], ids: NDArray[np.int64], what: str) -> None:
    if not holds.all():
        query = int(np.argmin(holds.all(axis=1)))
        shown = ", ".join(str(i) for i in ids[query][:12]) + (", ..." if ids.shape[1] > 12 else "")
        raise WrongAnswer(f"{what} in the answer to query {query}: [{shown}]")
