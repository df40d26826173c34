"""Display of a running suite on a terminal: a live table."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.files.progress import Unit, ticking
from harness.results.point import Failure, PointHeader
from harness.running.lines import failure_line

_FAILURES_SHOWN = 5
_SECONDS_BETWEEN_TICKS = 1.0


class LiveTable:
    """A table of done, running and remaining points per algorithm, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._began = time.monotonic()
        self._points: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._finished: set[str] = set()
        self._failures: list[Failure] = []
        self._builds = self._built = 0
        self._block = ""
        self._activity = "starting"
        self._refreshed = self._began
        self._in_turns = False
        self._left: Callable[[], str] = str
        self.live = Live(console=console, auto_refresh=False, get_renderable=self._render)

    def planned(self, points: Sequence[PointHeader], kept: int, builds: int) -> None:
        """Lay out the table."""
        self._points = Counter(header.label for header in points)
        self._builds = builds
        self._refresh()

    def progress(self, what: str, done: int, total: int, unit: Unit = "rows") -> None:
        """Show progress of work before the blocks."""
        self._show(f"{what} {100 * done // total} %" if total else what)

    def block_started(self, dataset: str, number: int, blocks: int, titles: Sequence[str]) -> None:
        """Show which block begins."""
        self._block = f"{dataset}, block {number} of {blocks}"
        self._activity = "starting"
        self._builds = max(self._builds, self._built + len(titles))
        self._refresh()

    def phase(self, title: str, phase: str, header: PointHeader | None) -> None:
        """Show the current phase. Called between turns, never while a query is timed."""
        if title == "reference":
            return
        if phase == "build":
            self._built += 1
            self._builds = max(self._builds, self._built)  # a crash costs another build
        name = header.name.partition(" | ")[2] if header is not None else ""
        self._in_turns = not title
        self._show(" ".join(part for part in (title, phase, name) if part))

    def point_added(self, header: PointHeader, builds_done: int) -> None:
        """Count the point when its first build is stored."""
        if header.identity.key not in self._finished:
            self._finished.add(header.identity.key)
            self._done[header.label] += 1
        self._refresh()

    def point_failed(self, failure: Failure) -> None:
        """Count and show the failure."""
        self._failed[failure.header.label] += 1
        self._failures.append(failure)
        self._refresh()

    def block_ended(self, seconds: float) -> None:
        """Estimate the remaining time from the block's time."""
        now = time.monotonic()
        end = now + (now - self._began) / max(1, self._built) * (self._builds - self._built)
        self._left = lambda: f", about {max(0.0, end - time.monotonic()):.0f} s left"
        self._refresh()

    def tick(self) -> None:
        """Update the clock, except during turns, when a query may be timed."""
        if not self._in_turns:
            self._refresh()

    def _show(self, activity: str) -> None:
        overdue = time.monotonic() - self._refreshed >= _SECONDS_BETWEEN_TICKS
        if activity != self._activity or overdue:
            self._activity = activity
            self._refresh()

    def _refresh(self) -> None:
        self._refreshed = time.monotonic()
        self.live.refresh()

    def _render(self) -> RenderableType:
        if not self._points:
            return Text(f"{self._activity}, {time.monotonic() - self._began:.0f} s")
        table = Table("algorithm", "points", "measured now", "failed", box=None, padding=(0, 2))
        for label, count in self._points.items():
            failed = Text(str(self._failed[label]), style="red" if self._failed[label] else "dim")
            table.add_row(Text(label), str(count), str(self._done[label]), failed)
        return Group(table, *self._status(), *self._failure_lines())

    def _status(self) -> Iterator[RenderableType]:
        elapsed = time.monotonic() - self._began
        line = Table.grid(padding=(0, 2))
        line.add_row(
            ProgressBar(total=max(1, self._builds), completed=self._built, width=24),
            Text(f"build {self._built} of {self._builds}, {elapsed:.0f} s{self._left()}"),
            Text(self._block),
        )
        yield line
        yield Text(self._activity, no_wrap=True, overflow="ellipsis")

    def _failure_lines(self) -> Iterator[RenderableType]:
        for failure in self._failures[-_FAILURES_SHOWN:]:
            yield Text(
                failure_line(failure), style="red" if failure.status != "unsupported" else "yellow"
            )


@contextmanager
def live_table(console: Console) -> Iterator[LiveTable]:
    """Show a live table for the duration of the `with` statement."""
    table = LiveTable(console)
    with table.live, ticking(_SECONDS_BETWEEN_TICKS, table.tick):
        yield table
