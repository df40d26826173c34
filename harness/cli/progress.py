"""Progress of long work: bars with a clock on a terminal, otherwise a line every two seconds."""

from __future__ import annotations

import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from harness.cli.terminal import Terminal
from harness.files.progress import Progress as Teller
from harness.files.progress import Unit
from harness.text import clean

_SECONDS_BETWEEN_LINES = 1.75  # with the tick it makes two seconds at most
_TICK_SECONDS = 0.25
_LOADING_SECONDS = 1.0  # has passed before the first work begins
_UNNAMED = "working"


@contextmanager
def shown_progress() -> Iterator[Teller]:
    """Give a callable that shows progress on standard error; each warning is a line."""
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            with _shown_bars() if sys.stderr.isatty() else shown_lines(sys.stderr) as progress:
                yield progress
    finally:
        for one in caught:
            warnings.showwarning(one.message, one.category, one.filename, one.lineno)


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


@contextmanager
def _shown_bars() -> Iterator[Teller]:
    console = Terminal(stderr=True)
    what = TextColumn("{task.description}", markup=False)
    left = TimeRemainingColumn()
    of_bytes = Progress(
        what,
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
        left,
        console=console,
        transient=True,
    )
    count = MofNCompleteColumn()
    of_rows = Progress(
        what, BarColumn(), count, TimeElapsedColumn(), left, console=console, transient=True
    )
    bars = _Bars(of_bytes, of_rows)
    bars(_UNNAMED, 0, 0)
    try:
        yield bars
    finally:
        bars.stop()


class _Bars:
    """One bar at a time, of bytes or of rows."""

    def __init__(self, of_bytes: Progress, of_rows: Progress) -> None:
        self._kinds = {"bytes": of_bytes}
        self._other = of_rows
        self._running: Progress | None = None
        self._what = ""
        self._task: TaskID | None = None

    def __call__(self, what: str, done: int, total: int, unit: Unit = "rows") -> None:
        kind = self._kinds.get(unit, self._other)
        if self._running is not kind:
            self.stop()
            kind.start()
            self._running = kind
        if what != self._what or self._task is None:
            if self._task is not None:
                kind.remove_task(self._task)
            self._what = what
            self._task = kind.add_task(what, total=total or None)
        kind.update(self._task, completed=done, total=total or None)

    def stop(self) -> None:
        if self._running is not None:
            if self._task is not None:
                self._running.remove_task(self._task)
            self._running.stop()
        self._running = None
        self._task = None


class ProgressLines:
    """Writes the current work and its duration when nothing was written for two seconds."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._what, self._share = _UNNAMED, ""
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
