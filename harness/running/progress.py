"""What a run tells while it goes on; the command line decides how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.results.point import Failure, PointHeader


@dataclass(frozen=True)
class RunSummary:
    """What a run did: points measured now, points that were there, failures old and new."""

    measured: int
    kept: int
    failures: Sequence[Failure]
    unsupported: Sequence[Failure]


class Listener(Protocol):
    """Follows a run."""

    def planned(self, points: Sequence[PointHeader], kept: int, jobs: int) -> None:
        """Every point of the suite; `kept` of them are done already, `jobs` processes follow."""

    def job_started(self, title: str, build: int, builds: int, tasks: int) -> None:
        """A process begins: one build and its search settings."""

    def phase(self, phase: str, header: PointHeader | None) -> None:
        """What the process does now, and for which point, if for a single one."""

    def point_added(self, header: PointHeader, builds_done: int) -> None:
        """A build of a point is stored."""

    def point_failed(self, failure: Failure) -> None:
        """A point is stored as failed or unsupported."""

    def job_ended(self, seconds: float) -> None:
        """The process is over."""


class Silence:
    """A listener that says nothing."""

    def planned(self, points: Sequence[PointHeader], kept: int, jobs: int) -> None:
        """Say nothing."""

    def job_started(self, title: str, build: int, builds: int, tasks: int) -> None:
        """Say nothing."""

    def phase(self, phase: str, header: PointHeader | None) -> None:
        """Say nothing."""

    def point_added(self, header: PointHeader, builds_done: int) -> None:
        """Say nothing."""

    def point_failed(self, failure: Failure) -> None:
        """Say nothing."""

    def job_ended(self, seconds: float) -> None:
        """Say nothing."""
