"""Progress of long work: bars with a clock on a terminal, otherwise a line every two seconds."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

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
from harness.files.progress import UNNAMED, Unit, shown_lines
from harness.files.progress import Progress as Teller


@contextmanager
def shown_progress() -> Iterator[Teller]:
    """Give a callable that shows progress on standard error; each warning is a line, once."""
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            with _shown_bars() if sys.stderr.isatty() else shown_lines(sys.stderr) as progress:
                yield progress
    finally:
        for one in {str(one.message): one for one in caught}.values():
            warnings.showwarning(one.message, one.category, one.filename, one.lineno)


@contextmanager
def shown_work(what: str) -> Iterator[None]:
    """Show what is done, and for how long, if it takes longer than a moment."""
    with shown_progress() as progress:
        progress(what, 0, 0)
        yield


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
    bars(UNNAMED, 0, 0)
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
