"""How long work tells how far it is: one callable, which a terminal bar or a test may be."""

from __future__ import annotations

from typing import Literal, Protocol

Unit = Literal["rows", "bytes", "queries"]


class Progress(Protocol):
    """Called with what is being done, how much is done and how much there is (0 if unknown)."""

    def __call__(self, what: str, done: int, total: int, unit: Unit = "rows") -> None: ...


def silent(what: str, done: int, total: int, unit: Unit = "rows") -> None:
    """Tell nobody."""
