"""Progress of long work: the type of the callable that it reports to."""

from __future__ import annotations

from typing import Literal, Protocol

Unit = Literal["rows", "bytes", "queries"]


class Progress(Protocol):
    """Called with the current work, how much is done and how much there is (0 if unknown)."""

    def __call__(self, what: str, done: int, total: int, unit: Unit = "rows") -> None: ...


def silent(what: str, done: int, total: int, unit: Unit = "rows") -> None:
    """Report nothing."""
