"""Events of a run, the protocol of what shows them, and two that do: plain lines, and nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TextIO

from harness.files.progress import ProgressLines, Unit, shown_lines
from harness.results.point import Failure, PointHeader
from harness.text import counted

_REASON_CHARACTERS = 200


@dataclass(frozen=True)
class Imprecise:
    """A point whose QPS interval is wider than the run's precision, and why it stayed so.

    `half_width` is a share of the QPS, NaN if the interval is unknown.
    """

    header: PointHeader
    half_width: float
    reason: str


@dataclass(frozen=True)
class RunSummary:
    """Summary of a run: points measured now, points stored before, old and new failures."""

    measured: int
    kept: int
    failures: Sequence[Failure]
    unsupported: Sequence[Failure]
    imprecise: Sequence[Imprecise] = field(default_factory=tuple)


@dataclass(frozen=True)
class RunningBlock:
    """A block that is being measured: of a dataset, its number from 1, and its indexes."""

    id: str
    dataset: str
    number: int
    blocks: int
    titles: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.dataset}: block {self.number} of {self.blocks}"


class Listener(Protocol):
    """Follows a run."""

    def planned(self, points: Sequence[PointHeader], kept: int, builds: int) -> None:
        """Every point of the suite; `kept` of them are done already, `builds` builds follow."""

    def progress(self, what: str, done: int, total: int, unit: Unit = "rows") -> None:
        """Report progress of work before the blocks, such as the ground truth."""

    def block_started(self, block: RunningBlock) -> None:
        """A block begins; on a cluster several are measured at the same time."""

    def phase(
        self, block: RunningBlock, title: str, phase: str, header: PointHeader | None
    ) -> None:
        """Report what a member of the block does now, and for which point, if for a single one.

        Before each turn, report the cycle, with no member.
        """

    def point_added(self, header: PointHeader, builds_done: int) -> None:
        """A build of a point is stored."""

    def point_failed(self, failure: Failure) -> None:
        """A point is stored as failed or unsupported."""

    def block_ended(self, block: RunningBlock, seconds: float) -> None:
        """The block is over."""


class Silence:
    """A listener that does nothing."""

    def planned(self, points: Sequence[PointHeader], kept: int, builds: int) -> None:
        """Do nothing."""

    def progress(self, what: str, done: int, total: int, unit: Unit = "rows") -> None:
        """Do nothing."""

    def block_started(self, block: RunningBlock) -> None:
        """Do nothing."""

    def phase(
        self, block: RunningBlock, title: str, phase: str, header: PointHeader | None
    ) -> None:
        """Do nothing."""

    def point_added(self, header: PointHeader, builds_done: int) -> None:
        """Do nothing."""

    def point_failed(self, failure: Failure) -> None:
        """Do nothing."""

    def block_ended(self, block: RunningBlock, seconds: float) -> None:
        """Do nothing."""


class PlainLines:
    """One line per event, for logs, and one every two seconds between events."""

    def __init__(self, lines: ProgressLines) -> None:
        self._lines = lines
        self._built: dict[str, set[str]] = {}

    def say(self, line: str) -> None:
        """Write a line at once."""
        self._lines.say(line)

    def planned(self, points: Sequence[PointHeader], kept: int, builds: int) -> None:
        """Write how much there is to do."""
        self.say(
            f"{counted(len(points), 'point')}, {kept} measured before, "
            f"{counted(builds, 'build')} to run"
        )

    def progress(self, what: str, done: int, total: int, unit: Unit = "rows") -> None:
        """Write work before the blocks if it takes long."""
        self._lines(what, done, total, unit)

    def block_started(self, block: RunningBlock) -> None:
        """Name the block."""
        self._built[block.id] = set()
        self.say(f"{block}, {counted(len(block.titles), 'index', 'indexes')} side by side")

    def phase(
        self, block: RunningBlock, title: str, phase: str, header: PointHeader | None
    ) -> None:
        """Write each build; of the many turns, only the current phase now and then."""
        before = f"{block}: " if len(self._built) > 1 else "  "
        self._lines(before + f"{title} {phase}".strip(), 0, 0)
        if phase == "build" and title != "reference":
            built = self._built[block.id]
            again = title in built  # a crash costs another build
            built.add(title)
            which = "again" if again else f"({len(built)} of {len(block.titles)})"
            self.say(f"{before}building {title} {which}")

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
