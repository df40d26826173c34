"""How long work tells how far it is: one callable, which a terminal bar or a test may be."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and how much there is (0 if unknown)."""


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""
