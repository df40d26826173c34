"""A running suite as plain lines, for logs and notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from harness.files.progress import ProgressLines, Unit, shown_lines
from harness.results.point import Failure, PointHeader
from harness.running.listener import RunningBlock

_REASON_CHARACTERS = 200


class PlainLines:
    """One line per event, for logs, and one every two seconds between events."""

    def __init__(self, lines: ProgressLines) -> None:
        self._lines = lines
        self._built: dict[str, int] = {}

    def say(self, line: str) -> None:
        """Write a line at once."""
        self._lines.say(line)

    def planned(self, points: Sequence[PointHeader], kept: int, builds: int) -> None:
        """Write how much there is to do."""
        self.say(f"{len(points)} points, {kept} measured before, {builds} builds to run")

    def progress(self, what: str, done: int, total: int, unit: Unit = "rows") -> None:
        """Write work before the blocks if it takes long."""
        self._lines(what, done, total, unit)

    def block_started(self, block: RunningBlock) -> None:
        """Name the block."""
        self._built[block.id] = 0
        self.say(f"{block}, {len(block.titles)} indexes side by side")

    def phase(
        self, block: RunningBlock, title: str, phase: str, header: PointHeader | None
    ) -> None:
        """Write each build; of the many turns, only the current phase now and then."""
        before = f"{block}: " if len(self._built) > 1 else "  "
        self._lines(before + f"{title} {phase}".strip(), 0, 0)
        if phase == "build" and title != "reference":
            self._built[block.id] += 1
            count = f"({self._built[block.id]} of {len(block.titles)})"
            self.say(f"{before}building {title} {count}")

    def point_added(self, header: PointHeader, builds_done: int) -> None:
        """Write nothing: the line of the block covers it."""

    def point_failed(self, failure: Failure) -> None:
        """Write the point and its reason."""
        self.say(failure_line(failure))

    def block_ended(self, block: RunningBlock, seconds: float) -> None:
        """Write how long it took."""
        del self._built[block.id]
        self.say(f"{block}: {seconds:.1f} s")


def failure_line(failure: Failure) -> str:
    """Return one line with the point, its status and the reason."""
    header = failure.header
    point = f"{header.identity.dataset} k={header.identity.k} {header.label} {header.name}"
    reason = " ".join(failure.reason.split())
    if len(reason) > _REASON_CHARACTERS:
        reason = reason[: _REASON_CHARACTERS - 3] + "..."
    return f"{failure.status}: {point.strip()}: {reason}"


@contextmanager
def plain_lines(out: TextIO) -> Iterator[PlainLines]:
    """Write lines for the duration of the `with` statement."""
    with shown_lines(out) as lines:
        yield PlainLines(lines)
