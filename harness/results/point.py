"""A stored point: its builds with all their answers and times, or how it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.results.identity import PointIdentity

FAILURES = ("error", "crashed", "timeout", "out_of_memory", "wrong_answer")
"""Statuses that make a run fail; `unsupported` is none of them."""


@dataclass(frozen=True)
class PointHeader:
    """What is known of a point before it runs.

    `name` is the short text of its parameters; `label` the name of its curve in plots; `n`, `d`
    and `nq` are base rows, dimensions and queries.
    """

    identity: PointIdentity
    label: str
    name: str
    n: int
    d: int
    nq: int
    in_answers: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PointHeader:
        """Return the header that `to_json` wrote."""
        return cls(**{**data, "identity": PointIdentity.from_json(data["identity"])})


@dataclass(frozen=True)
class Build:
    """One independent build of a point, searched `repeats` times.

    `times` is `(repeats, nq)`, `walls` and `yardsticks` `(repeats,)`, float64 seconds: of each
    query, of a whole pass, and of a fixed piece of work beside it (None: not measured).
    `neighbors`, `distances` and `scales` are `(a, nq, k)`: a = 1, or `repeats` where the answers
    differed from repeat to repeat. `facts` are single figures (`build_seconds`, `index_bytes`,
    `seed`, ...); `diagnostics` maps table to column to values.
    """

    number: int
    times: NDArray[np.float64]
    walls: NDArray[np.float64]
    neighbors: NDArray[np.int64]
    distances: NDArray[np.float64]
    scales: NDArray[np.float32]
    facts: Mapping[str, Any]
    diagnostics: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    yardsticks: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class StoredPoint:
    """A point with at least one finished build."""

    header: PointHeader
    builds: Sequence[Build]

    @property
    def repeats(self) -> int:
        """The least number of timed passes over its builds."""
        return min(len(build.times) for build in self.builds)


@dataclass(frozen=True)
class Failure:
    """How a point failed: a result like any other."""

    header: PointHeader
    status: str
    reason: str
    log_tail: str = ""
    peak_bytes: int | None = None
    seconds: float | None = None
    build_number: int | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Failure:
        """Return the failure that `to_json` wrote."""
        return cls(**{**data, "header": PointHeader.from_json(data["header"])})


def extended(build: Build, more: Build) -> Build:
    """Return a build with the repeats of a second process of the same seed added to it."""
    neighbors, distances, scales = build.neighbors, build.distances, build.scales
    if len(build.neighbors) > 1 or len(more.neighbors) > 1 or (neighbors != more.neighbors).any():
        # The answers differ: from here on there is one set of them per repeat.
        neighbors, distances, scales = (
            np.concatenate([_per_repeat(old, build), _per_repeat(new, more)])
            for old, new in (
                (build.neighbors, more.neighbors),
                (build.distances, more.distances),
                (build.scales, more.scales),
            )
        )
    facts = {**build.facts, "repeats_asked": repeats_settled(build) + repeats_settled(more)}
    return replace(
        build,
        times=np.concatenate([build.times, more.times]),
        walls=np.concatenate([build.walls, more.walls]),
        neighbors=neighbors,
        distances=distances,
        scales=scales,
        facts=facts,
        yardsticks=_both(build.yardsticks, more.yardsticks),
    )


def _both(
    old: NDArray[np.float64] | None, new: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    return None if old is None or new is None else np.concatenate([old, new])


def _per_repeat(values: NDArray[Any], build: Build) -> NDArray[Any]:
    repeats = len(build.times)
    return values if len(values) == repeats else np.repeat(values[:1], repeats, axis=0)


def repeats_settled(build: Build) -> int:
    """Repeats that were made, or given up for want of time."""
    return max(len(build.times), int(build.facts.get("repeats_asked", 0)))
