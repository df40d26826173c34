"""Events of a run, and the protocol of what shows them: live, as lines, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.files.progress import Unit
from harness.results.point import Failure, PointHeader


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
