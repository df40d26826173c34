"""Checks of what a worker replies, which is not trusted: the kind and the values of messages."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from harness.measures.load import DROPPED
from harness.results.point import MOST_DIAGNOSTICS, Status
from harness.running.messages import Answered, Built, Failed, Message
from harness.running.processes.child import ChildGone
from harness.running.worker.answers import is_name

_STATUSES: tuple[Status, ...] = ("error", "wrong_answer", "out_of_memory")


def unexpected(message: Message) -> ChildGone:
    """Return the failure of a worker that sent an unexpected message."""
    kind = type(message).__name__
    return ChildGone.broken(f"{kind} came out of turn")


def status_of(failed: Failed) -> Status:
    """Return the status that a worker reports, "error" if it is none that a worker can know."""
    return next((status for status in _STATUSES if status == failed.status), "error")


def require_sound(built: Built, most_bytes: int) -> None:
    """Raise `ChildGone` if the figures that a worker reports for its build are impossible."""
    seconds = (built.prepare_seconds, built.build_seconds)
    seed = 0 if built.seed is None else built.seed
    if not (
        all(0 <= one < float("inf") for one in seconds)
        and 0 <= built.measured_index_bytes <= most_bytes
        and abs(seed) < 1 << 63
    ):
        raise ChildGone.broken("a build that cannot be")


def nested(tables: Mapping[str, NDArray[np.generic]]) -> dict[str, dict[str, NDArray[np.generic]]]:
    """Return `table/column` names as `{table: {column: values}}`.

    Raises
    ------
    ChildGone
        If a name or a column is none that can be stored, columns differ in length, or there are too
        many.
    """
    found: dict[str, dict[str, NDArray[np.generic]]] = {}
    for name, values in tables.items():
        table, _, column = name.partition("/")
        if values.ndim != 1 or not (is_name(table) and is_name(column)):
            raise ChildGone.broken("an unknown diagnostic")
        found.setdefault(table, {})[column] = np.array(values)
    if len(tables) > MOST_DIAGNOSTICS:
        raise ChildGone.broken(f"{len(tables):,} diagnostics")
    return found


def require_answer(answer: Answered, turn: int, asked: int, k: int) -> None:
    """Raise `ChildGone` unless a reply holds k ids and a time for each of some queries.

    Parameters
    ----------
    turn
        The turn that was asked for.
    asked
        How many queries were asked; fewer may be answered.
    """
    n = len(answer.seconds)
    sound = (
        answer.turn == turn
        and answer.seconds.shape == (n,)
        and answer.seconds.dtype == np.float64
        and answer.ids.shape == (n, k)
        and answer.ids.dtype.kind == "i"
        and 1 <= n <= asked
        and bool(np.isfinite(answer.seconds).all() and (answer.seconds >= 0).all())
        and 0 < answer.wall < float("inf")  # a clock that stands still is none
    )
    if not sound:
        raise ChildGone.broken("no answer to what was asked")


def require_outcomes(answer: Answered, nq: int) -> None:
    """Raise `ChildGone` unless a reply under load says what became of each of `nq` queries."""
    shape = answer.seconds.shape
    sound = (
        answer.service.shape == answer.outcomes.shape == shape == (nq,)
        and answer.service.dtype == np.float64
        and answer.outcomes.dtype == np.int8
        and bool(((answer.service >= 0) & (answer.service <= answer.seconds)).all())
        and bool(((answer.outcomes >= 0) & (answer.outcomes <= DROPPED)).all())
    )
    if not sound:
        raise ChildGone.broken("no outcome of what was asked")
