"""Display of a running suite on a terminal: a live table."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.files.progress import Unit, ticking
from harness.results.point import Failure, PointHeader
from harness.running.listener import RunningBlock, failure_line

_FAILURES_SHOWN = 5
_BLOCKS_SHOWN = 8
_SECONDS_BETWEEN_TICKS = 1.0


@dataclass
class _Shown:
    """A block that is being measured, and what it does now; in turns, queries are timed."""

    block: RunningBlock
    activity: str = "starting"
    in_turns: bool = False


class Redrawn(ABC):
    """Something on a terminal that is redrawn in place: if told to, and every second.

    Not in turns, when a query may be timed.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = self._refreshed = time.monotonic()

    @cached_property
    def live(self) -> Live:
        """What redraws it; made late, since it is drawn once when that is made."""
        return Live(console=self._console, auto_refresh=False, get_renderable=self._render)

    @abstractmethod
    def _render(self) -> RenderableType: ...

    @abstractmethod
    def _is_in_turns(self) -> bool: ...

    def tick(self) -> None:
        """Update the clock, except during turns."""
        if not self._is_in_turns():
            self._refresh()

    def _refresh_if(self, changed: bool) -> None:
        if changed or time.monotonic() - self._refreshed >= _SECONDS_BETWEEN_TICKS:
            self._refresh()

    def _refresh(self) -> None:
        self._refreshed = time.monotonic()
        self.live.refresh()


Shown = TypeVar("Shown", bound=Redrawn)


class LiveTable(Redrawn):
    """A table of done, running and remaining points per algorithm, redrawn in place."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._points: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._finished: set[str] = set()
        self._failures: list[Failure] = []
        self._builds = self._built = 0
        self._blocks: dict[str, _Shown] = {}
        self._activity = "starting"
        self._left: Callable[[], str] = str

    def planned(self, points: Sequence[PointHeader], kept: int, builds: int) -> None:
        """Lay out the table."""
        self._points = Counter(header.label for header in points)
        self._builds = builds
        self._refresh()

    def progress(self, what: str, done: int, total: int, unit: Unit = "rows") -> None:
        """Show progress of work before the blocks."""
        before, self._activity = (
            self._activity,
            f"{what} {100 * done // total} %" if total else what,
        )
        self._refresh_if(self._activity != before)

    def block_started(self, block: RunningBlock) -> None:
        """Show which block begins."""
        self._blocks[block.id] = _Shown(block)
        titles = sum(len(one.block.titles) for one in self._blocks.values())
        self._builds = max(self._builds, self._built + titles)
        self._refresh()

    def phase(
        self, block: RunningBlock, title: str, phase: str, header: PointHeader | None
    ) -> None:
        """Show the current phase. Called between turns, never while a query is timed."""
        if title == "reference":
            return
        if phase == "build":
            self._built += 1
            self._builds = max(self._builds, self._built)  # a crash costs another build
        whole = f"{header.label} {header.name}" if header is not None else ""
        name = whole.removeprefix(title).strip(" |")
        shown = self._blocks[block.id]
        shown.in_turns = not title
        before, shown.activity = shown.activity, " ".join(filter(None, (title, phase, name)))
        self._refresh_if(shown.activity != before)

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

    def block_ended(self, block: RunningBlock, seconds: float) -> None:
        """Estimate the remaining time from that of the builds done."""
        del self._blocks[block.id]
        now = time.monotonic()
        end = now + (now - self._began) / max(1, self._built) * (self._builds - self._built)
        self._left = lambda: f", about {max(0.0, end - time.monotonic()):.0f} s left"
        self._refresh()

    def _is_in_turns(self) -> bool:
        return any(shown.in_turns for shown in self._blocks.values())

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
        )
        yield line
        for shown in list(self._blocks.values())[:_BLOCKS_SHOWN]:
            yield Text(f"{shown.block}, {shown.activity}", no_wrap=True, overflow="ellipsis")
        if len(self._blocks) > _BLOCKS_SHOWN:
            yield Text(f"and {len(self._blocks) - _BLOCKS_SHOWN} blocks more", style="dim")

    def _failure_lines(self) -> Iterator[RenderableType]:
        for failure in self._failures[-_FAILURES_SHOWN:]:
            yield Text(
                failure_line(failure), style="red" if failure.status != "unsupported" else "yellow"
            )


def live_table(console: Console) -> AbstractContextManager[LiveTable]:
    """Show a live table for the duration of the `with` statement."""
    return redrawing(LiveTable(console))


@contextmanager
def redrawing(what: Shown) -> Iterator[Shown]:
    """Show what is redrawn for the duration of the `with` statement."""
    with what.live, ticking(_SECONDS_BETWEEN_TICKS, what.tick):
        yield what
