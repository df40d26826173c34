"""How a run looks while it goes on: a live table, or plain lines where there is no terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.results.point import Failure, PointHeader

_FAILURES_SHOWN = 5
_REASON_CHARACTERS = 200


class PlainLines:
    """One line per event, for logs."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._jobs = 0
        self._job = 0
        self._title = ""

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._out.flush()

    def planned(self, points: Sequence[PointHeader], kept: int, jobs: int) -> None:
        """Say how much there is to do."""
        self._jobs = jobs
        self._say(f"{len(points)} points, {kept} measured before, {jobs} builds to run")

    def job_started(self, title: str, build: int, builds: int, tasks: int) -> None:
        """Remember what runs."""
        self._job += 1
        self._jobs = max(self._jobs, self._job)  # a crash costs a build that was not planned
        self._title = f"{title}, build {build} of {builds}, {tasks} search settings"

    def phase(self, phase: str, header: PointHeader | None) -> None:
        """Say nothing: phases are too many for a log."""

    def point_added(self, header: PointHeader, builds_done: int) -> None:
        """Say nothing: the job's own line tells."""

    def point_failed(self, failure: Failure) -> None:
        """Name the point and its reason."""
        self._say(failure_line(failure))

    def job_ended(self, seconds: float) -> None:
        """Say what has run."""
        self._say(f"[{self._job}/{self._jobs}] {self._title}: {seconds:.1f} s")

    def _say(self, line: str) -> None:
        print(line, file=self._out, flush=True)


class LiveTable:
    """What is done, what runs and what is left, per algorithm, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._began = time.monotonic()
        self._points: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._finished: set[str] = set()
        self._failures: list[Failure] = []
        self._jobs = self._job = 0
        self._title = self._phase = ""
        self.live = Live(console=console, auto_refresh=False, get_renderable=self._render)

    def planned(self, points: Sequence[PointHeader], kept: int, jobs: int) -> None:
        """Lay the table out."""
        self._points.update(header.label for header in points)
        self._jobs = jobs
        self._refresh()

    def job_started(self, title: str, build: int, builds: int, tasks: int) -> None:
        """Show what runs."""
        self._job += 1
        self._jobs = max(self._jobs, self._job)  # a crash costs a build that was not planned
        self._title = f"{title} (build {build} of {builds})"
        self._phase = "starting"
        self._refresh()

    def phase(self, phase: str, header: PointHeader | None) -> None:
        """Show what it does. Called rarely enough not to disturb what is timed."""
        if phase in ("between", "search"):
            return
        self._phase = f"{phase} {header.name}" if header is not None else phase
        self._refresh()

    def point_added(self, header: PointHeader, builds_done: int) -> None:
        """Count the point once its first build is in."""
        if header.identity.key not in self._finished:
            self._finished.add(header.identity.key)
            self._done[header.label] += 1
        self._refresh()

    def point_failed(self, failure: Failure) -> None:
        """Count and show the failure."""
        self._failed[failure.header.label] += 1
        self._failures.append(failure)
        self._refresh()

    def job_ended(self, seconds: float) -> None:
        """Redraw."""
        self._refresh()

    def _refresh(self) -> None:
        self.live.refresh()

    def _render(self) -> RenderableType:
        table = Table("algorithm", "points", "measured now", "failed", box=None, padding=(0, 2))
        for label, count in self._points.items():
            failed = Text(str(self._failed[label]), style="red" if self._failed[label] else "dim")
            table.add_row(Text(label), str(count), str(self._done[label]), failed)
        return Group(table, self._status(), *self._failure_lines())

    def _status(self) -> RenderableType:
        elapsed = time.monotonic() - self._began
        done = max(0, self._job - 1)
        left = f", about {elapsed / done * (self._jobs - done):.0f} s left" if done else ""
        line = Table.grid(padding=(0, 2))
        line.add_row(
            ProgressBar(total=max(1, self._jobs), completed=done, width=24),
            Text(f"build {self._job} of {self._jobs}, {elapsed:.0f} s{left}"),
            Text(f"{self._title}: {self._phase}" if self._title else ""),
        )
        return line

    def _failure_lines(self) -> Iterator[RenderableType]:
        for failure in self._failures[-_FAILURES_SHOWN:]:
            yield Text(
                failure_line(failure), style="red" if failure.status != "unsupported" else "yellow"
            )


def failure_line(failure: Failure) -> str:
    """Return one line that names the point, what became of it and why."""
    header = failure.header
    point = f"{header.identity.dataset} k={header.identity.k} {header.label} {header.name}"
    reason = " ".join(failure.reason.split())
    if len(reason) > _REASON_CHARACTERS:
        reason = reason[: _REASON_CHARACTERS - 3] + "..."
    return f"{failure.status}: {point.strip()}: {reason}"


@contextmanager
def live_table(console: Console) -> Iterator[LiveTable]:
    """Show a live table for as long as the block runs."""
    table = LiveTable(console)
    with table.live:
        yield table
