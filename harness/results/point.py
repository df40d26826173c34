"""A stored point: its builds with all neighbours and times, or its failure."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from math import nan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.results.identity import PointIdentity
from harness.text import Json

Status = Literal[
    "error", "crashed", "timeout", "out_of_memory", "wrong_answer", "unsupported", "lost"
]
"""How a point failed; a finished one is `ok`."""

FAILURES: tuple[Status, ...] = (
    "error", "crashed", "timeout", "out_of_memory", "wrong_answer", "lost"
)  # fmt: skip
"""Statuses that make a run fail; `unsupported` is none of them. `lost` is a machine's fault."""

MOST_DIAGNOSTICS = 1000
"""Columns of diagnostics that a build may have, in all of its tables together."""


@dataclass(frozen=True)
class PointHeader:
    """The facts of a point that are known before it runs.

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

    def to_json(self) -> Json:
        """Return plain data."""
        return {**asdict(self), "identity": self.identity.to_json()}

    @classmethod
    def from_json(cls, data: Json) -> PointHeader:
        """Return the header that `to_json` wrote."""
        return cls(**{**data, "identity": PointIdentity.from_json(data["identity"])})


@dataclass(frozen=True)
class BlockShare:
    """How a build was measured in its block.

    `id` is a text that no other block, or part of one, has. `cycles` is `(passes,)` int16,
    ascending: the cycle of the block in which each pass was made. `window` is the number of
    queries of a window and `order_seed` the seed of the order of the queries (see
    `harness.measures.speed.query_windows`). `reference_times` is `(turns,)` float64: the seconds
    per query of the reference index, one turn a round, cycle by cycle and in these window by
    window; turns that are not one a round are used as a whole.
    """

    id: str
    cycles: NDArray[np.int16]
    window: int
    reference_times: NDArray[np.float64]
    order_seed: int = 0


@dataclass(frozen=True)
class LoadShare:
    """How the queries of a build arrived, and what became of them (mode `load`).

    `rates` is `(passes,)` float64, the queries per second at which each pass was offered. The
    queries were due at `harness.measures.load.unit_arrivals` of `WARM_UP_QUERIES + nq`, the order
    seed of the block and the cycle of the pass, divided by the rate; `arrivals_sha256` is that of
    these. `service` is `(passes, nq)` float32, the seconds of the adapter's call, 0 for a dropped
    query; `outcomes` is `(passes, nq)` int8 as in `harness.measures.load`.
    """

    rates: NDArray[np.float64]
    arrivals_sha256: str
    service: NDArray[np.float32]
    outcomes: NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class BuildFacts:
    """The single figures of a build.

    `prepare_seconds` and `build_seconds` are wall seconds. `index_bytes` is the size as the adapter
    states it, or the growth of memory if `index_bytes_are_measured`; `measured_index_bytes` is that
    growth. All four are NaN if unknown. `libraries` holds the versions of Python and the loaded
    libraries, and the thread pools. `processors_used` is the mean while the build was searched, and
    `distance_computations` the mean over queries.
    Results of release 0.1 and imported ones lack some figures; their defaults mean unknown.
    """

    seed: int | None = None
    prepare_seconds: float
    build_seconds: float
    measured_index_bytes: float
    index_bytes_are_measured: bool = False
    libraries: Json | None = None
    warnings: tuple[str, ...] = ()
    peak_bytes: float | None = None
    index_bytes: float = nan
    repeats_asked: int = 0
    processors_used: float | None = None
    distance_computations: float | None = None

    def to_json(self) -> Json:
        """Return plain data; figures that are unknown are left out, but not a missing seed."""
        known = {n: v for n, v in vars(self).items() if v is not None or n == "seed"}
        return {**known, "warnings": list(self.warnings)}

    @classmethod
    def from_json(cls, data: Json) -> BuildFacts:
        """Return the facts that `to_json` wrote, by any release; unknown names are ignored."""
        known = {one.name: data[one.name] for one in fields(cls) if one.name in data}
        return cls(**{**known, "warnings": tuple(data["warnings"])})


@dataclass(frozen=True)
class Build:
    """One independent build of a point, searched in one or more passes over all queries.

    `times` is `(passes, nq)` float64, the seconds of each query in the order of the dataset, under
    load from the moment when it was due until it was answered or dropped;
    `walls` is `(passes,)` float64, the seconds of each whole pass. `neighbors`, `distances` and
    `scales` are `(a, nq, k)`: a = 1, or `passes` where the answers differed from pass to pass.
    `diagnostics` maps table to column to values. `block` is None in results of release 0.1 and in
    imported ones; `load` is None in all modes but `load`.
    """

    number: int
    times: NDArray[np.float64]
    walls: NDArray[np.float64]
    neighbors: NDArray[np.int64]
    distances: NDArray[np.float64]
    scales: NDArray[np.float32]
    facts: BuildFacts
    diagnostics: Mapping[str, Mapping[str, NDArray[np.generic]]] = field(default_factory=dict)
    provenance: Json = field(default_factory=dict)
    block: BlockShare | None = None
    load: LoadShare | None = None


@dataclass(frozen=True)
class BuildCost:
    """What a build took, without its times and answers; the fields are as in `Build`."""

    walls: NDArray[np.float64]
    facts: BuildFacts


@dataclass(frozen=True)
class StoredPoint:
    """A point with at least one finished build."""

    header: PointHeader
    builds: Sequence[Build]

    @property
    def repeats(self) -> int:
        """The smallest number of timed passes of its builds."""
        return min(len(build.times) for build in self.builds)


@dataclass(frozen=True)
class Failure:
    """The failure of a point: status, phase, reason and log."""

    header: PointHeader
    status: Status
    reason: str
    log_tail: str = ""
    peak_bytes: int | None = None
    seconds: float | None = None
    build_number: int | None = None
    provenance: Json = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return plain data."""
        return {**asdict(self), "header": self.header.to_json()}

    @classmethod
    def from_json(cls, data: Json) -> Failure:
        """Return the failure that `to_json` wrote."""
        return cls(**{**data, "header": PointHeader.from_json(data["header"])})


MOST_SEQUENCE = 1 << 53


def sequence_of(provenance: Json) -> int:
    """Return the number of a result; for one of an earlier release the time of its end."""
    stored = provenance.get("sequence")
    if isinstance(stored, int):
        return stored
    try:
        ended = datetime.fromisoformat(str(provenance.get("finished_at", "")))
    except ValueError:
        return 0
    return int(1000 * ended.replace(tzinfo=ended.tzinfo or UTC).timestamp())


def following(newest: int) -> int:
    """Return the number of a result that is stored now, where the newest has that number."""
    return min(max(time.time_ns() // 1_000_000, newest + 1), MOST_SEQUENCE)
