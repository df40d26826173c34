"""Progress of long data work: bars with rate and time left on a terminal, else a few lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from harness.data.progress import Progress as Teller
from harness.data.progress import Unit

_SECONDS_BETWEEN_LINES = 5.0
_SILENT_SECONDS = 2.0  # what takes no longer is not worth a line


@contextmanager
def shown_progress() -> Iterator[Teller]:
    """Give a callable that shows what it is told, on standard error."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    console = Console(stderr=True)
    what = TextColumn("{task.description}")
    left = TimeRemainingColumn()
    of_bytes = Progress(
        what,
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        left,
        console=console,
        transient=True,
    )
    count = MofNCompleteColumn()
    of_rows = Progress(what, BarColumn(), count, left, console=console, transient=True)
    bars = _Bars(of_bytes, of_rows)
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


class _Lines:
    """A line now and then, the first when the work has lasted a while."""

    def __init__(self) -> None:
        self._what = ""
        self._told = time.monotonic() - _SECONDS_BETWEEN_LINES + _SILENT_SECONDS

    def __call__(self, what: str, done: int, total: int, unit: Unit = "rows") -> None:
        now = time.monotonic()
        starts_unknown = total == 0 and what != self._what
        if starts_unknown or now - self._told >= _SECONDS_BETWEEN_LINES:
            share = f" {100 * done // total} %" if total else ""
            print(f"{what}{share}", file=sys.stderr, flush=True)
            self._told = now
        self._what = what
