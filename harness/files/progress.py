"""Progress of long work: the type of the callable that it reports to, and plain lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, Protocol, TextIO

from harness.text import clean

_SECONDS_BETWEEN_LINES = 1.75  # with the tick it makes two seconds at most
_TICK_SECONDS = 0.25
_LOADING_SECONDS = 1.0  # has passed before the first work begins
UNNAMED = "working"
"""What is done before anything is reported."""

Unit = Literal["rows", "bytes", "queries"]


class Progress(Protocol):
    """Called with the current work, how much is done and how much there is (0 if unknown)."""

    def __call__(self, what: str, done: int, total: int, unit: Unit = "rows") -> None: ...


def silent(what: str, done: int, total: int, unit: Unit = "rows") -> None:
    """Report nothing."""


@contextmanager
def shown_lines(out: TextIO) -> Iterator[ProgressLines]:
    """Give a callable that writes progress as lines, also while no progress is reported."""
    lines = ProgressLines(out)
    with ticking(_TICK_SECONDS, lines.tick):
        yield lines


@contextmanager
def ticking(seconds: float, call: Callable[[], None]) -> Iterator[None]:
    """Call something repeatedly, from another thread, until the `with` statement ends."""
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(seconds):
            call()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class ProgressLines:
    """Writes the current work and its duration when nothing was written for two seconds."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._what, self._share = UNNAMED, ""
        self._began = time.monotonic()
        self._told = self._began - _LOADING_SECONDS
        self._lock = threading.Lock()

    def __call__(self, what: str, done: int, total: int, unit: Unit = "rows") -> None:
        with self._lock:
            if what != self._what:
                self._began = time.monotonic()
            self._what = what
            self._share = f" {100 * done // total} %" if total else ""
        self.tick()

    def say(self, line: str) -> None:
        """Write a line at once."""
        with self._lock:
            self._write(line)

    def tick(self) -> None:
        """Write the current work if two seconds have passed."""
        with self._lock:
            now = time.monotonic()
            if now - self._told >= _SECONDS_BETWEEN_LINES:
                self._write(f"{self._what}{self._share}, {now - self._began:.0f} s")

    def _write(self, line: str) -> None:
        self._told = time.monotonic()
        print(clean(line), file=self._out, flush=True)
