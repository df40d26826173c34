"""A block as plain data: the indexes measured side by side, and what came of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Metric
from harness.contracts.definitions import Load, Mode, Parameters
from harness.contracts.filters import FilterForm
from harness.measures.choosing import split_queries
from harness.measures.ladders import Place
from harness.measures.load import LEAST_QUERIES, SEARCH_STEPS, WARM_UP_QUERIES
from harness.measures.speed import query_order
from harness.results.point import BuildFacts, LoadShare, Status
from harness.text import Json

_MOST_IN_WINDOW = 200
_LEAST_IN_WINDOW = 25
_MOST_WINDOWS = 200  # in a pass: more rounds than that decide nothing further
_USUAL_TURN_SECONDS = 0.003
TURN_SECONDS = 1.0
"""A window is so short that the slowest setting answers it in about this time."""

COST_OF_TURN_SECONDS = 0.004
_MOST_PASSES = 30_000  # the cycle of a pass is stored in 16 bits


@dataclass(frozen=True)
class AdapterSpec:
    """How a worker creates an adapter: `module:class_name` below the plug-in roots.

    `foreign` describes an adapter of another harness instead. `python` is the interpreter of an
    isolated environment, None for the harness's own. `filtered` is what its `query_filtered` takes,
    None if it does not search with filters.
    """

    module: str
    class_name: str
    plugin_roots: tuple[str, ...] = ()
    foreign: Json | None = None
    python: str | None = None
    filtered: FilterForm | None = None


@dataclass(frozen=True)
class SettingSpec:
    """One search setting of a member, for k neighbours; `key` is that of its point.

    `ladder` and `rung` are its `Place` in a block with a target; `load` is that of the mode `load`.
    """

    key: str
    search: Parameters
    k: int
    repeats: int
    ladder: int = 0
    rung: tuple[int, ...] = ()
    load: Load | None = None

    @property
    def place(self) -> Place:
        """Where it is among the settings of its member."""
        return Place(self.ladder, self.rung)


RaceFor = Literal["time", "time and bytes"]


@dataclass(frozen=True)
class Target:
    """What a block searches for: of each member, the lowest settings that reach a recall.

    Only they take turns, and only tuning queries are asked. A setting whose index is larger than
    `most_index_bytes` does not count. In a `race` for time, one that is clearly slower than the
    fastest of the block is left out of further turns; in one for time and bytes, one that is
    clearly slower than another that is no larger. The race has `begun` with settings of earlier
    blocks that reach the target: the bytes of the index, and the time of a query relative to the
    reference index.
    """

    recall: float
    most_index_bytes: float = math.inf
    race: RaceFor | None = "time"
    begun: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Origin:
    """What an adapter is on every machine: its entry, and the code and libraries behind its keys.

    `folder` is that of its plug-in here; `versions` are those of `PointIdentity`.
    """

    algorithm: str
    folder: str
    source_sha256: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class MemberSpec:
    """One build of one index and the settings it is searched under.

    `origin` lets another machine find the adapter; None for the reference index.
    """

    title: str
    adapter: AdapterSpec
    build: Parameters
    settings: tuple[SettingSpec, ...]
    pausable: bool = True
    origin: Origin | None = None


@dataclass(frozen=True)
class BlockSpec:
    """What an executor needs to measure a block.

    `dataset` is the path of the cached dataset and `fingerprint` that of its contents; `number` is
    the number of the builds. `search_seconds`, `least_seconds` and `timeout` are
    seconds for each setting (see `passes_for`);
    `memory_bytes` is the limit of all members together, None for a share of what is free.
    """

    id: str
    number: int
    dataset: str
    fingerprint: str
    metric: Metric
    mode: Mode
    threads: int
    build_threads: int
    search_seconds: float
    least_seconds: float
    timeout: float
    memory_bytes: int | None
    members: tuple[MemberSpec, ...]
    target: Target | None = None

    @property
    def most_k(self) -> int:
        """The most neighbours that one of its settings is asked for."""
        return max(setting.k for member in self.members for setting in member.settings)

    def order(self, nq: int) -> NDArray[np.intp]:
        """Return the queries in the order in which they are asked; of a target, tuning ones."""
        order = query_order(nq, self.order_seed)
        if self.target is None:
            return order
        return order[np.isin(order, split_queries(nq).tuning)]

    @property
    def order_seed(self) -> int:
        """The seed of the order of the queries: another one for each number of the builds."""
        return self.number + 1

    def to_json(self) -> Json:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Json) -> BlockSpec:
        """Return the block that `to_json` wrote."""
        members = tuple(_member_from_json(member) for member in data["members"])
        target = None if data["target"] is None else _target_from_json(data["target"])
        return cls(**{**data, "members": members, "target": target})

    def only(self, members: Sequence[MemberSpec]) -> BlockSpec:
        """Return the block with these members alone."""
        return replace(self, members=tuple(members))


def adapter_from_json(data: Json) -> AdapterSpec:
    """Return the adapter that `dataclasses.asdict` wrote."""
    return AdapterSpec(**{**data, "plugin_roots": tuple(data["plugin_roots"])})


def _member_from_json(data: Json) -> MemberSpec:
    settings = tuple(map(_setting_from_json, data["settings"]))
    adapter = adapter_from_json(data["adapter"])
    origin = None if data["origin"] is None else Origin(**data["origin"])
    return MemberSpec(**{**data, "adapter": adapter, "settings": settings, "origin": origin})


def _target_from_json(data: Json) -> Target:
    return Target(**{**data, "begun": tuple(map(tuple, data["begun"]))})


def _setting_from_json(data: Json) -> SettingSpec:
    load = None if data["load"] is None else Load(**data["load"])
    return SettingSpec(**{**data, "rung": tuple(data["rung"]), "load": load})


def windows_and_passes(
    nq: int,
    settings: Sequence[tuple[int, float]],
    *,
    one_by_one: bool,
    least_seconds: float,
    search_seconds: float,
    timeout: float,
) -> tuple[int, list[int]]:
    """Return the queries of a window of a block, and the passes that each setting makes.

    Parameters
    ----------
    settings
        The repeats asked for and the seconds of a pass of each.
    one_by_one
        Whether each query is timed by itself.
    least_seconds, search_seconds, timeout
        As in `BlockSpec`. Half of the time-out is reserved for warming up and for a machine that
        slows down. It counts whole turns, where `search_seconds` counts what is timed in them.
    """
    window = window_for(nq, [seconds for _, seconds in settings], one_by_one=one_by_one)
    windows = -(-nq // window)
    return window, [
        passes_for(repeats, seconds, windows, least_seconds, search_seconds, timeout / 2)
        for repeats, seconds in settings
    ]


def window_for(nq: int, pass_seconds: Sequence[float], *, one_by_one: bool) -> int:
    """Return how many queries a window has.

    All of them where they are not timed one by one: a batch stays whole. Else as many as most
    settings answer in 3 ms, but 25 to 200, and at least a 200th of all queries: the shorter a round
    is, the more alike are the conditions of its turns, and the more rounds there are; but a turn
    costs some milliseconds beside. Fewer if the slowest setting would need more than
    `TURN_SECONDS`, but about 25 at least.
    """
    if not one_by_one:
        return nq
    usual, slowest = (
        max(seconds, 1e-9) / nq for seconds in (float(np.median(pass_seconds)), max(pass_seconds))
    )
    wanted = max(min(_MOST_IN_WINDOW, int(_USUAL_TURN_SECONDS / usual)), -(-nq // _MOST_WINDOWS))
    wanted = min(wanted, int(TURN_SECONDS / slowest))
    windows = max(1, round(nq / max(_LEAST_IN_WINDOW, wanted)))
    return -(-nq // windows)


def passes_for(
    repeats: int,
    pass_seconds: float,
    windows: int,
    least_seconds: float,
    search_seconds: float,
    turns_seconds: float = math.inf,
) -> int:
    """Return how many passes a setting makes in a block.

    The repeats asked for; more if their turns, which cost some milliseconds each beside what is
    timed, would take less than `least_seconds`; fewer, but at least one, if the passes would take
    longer than `search_seconds`, or their turns longer than `turns_seconds`.
    """
    seconds = max(pass_seconds, 1e-9)
    whole_seconds = seconds + windows * COST_OF_TURN_SECONDS
    # Times a power of two, so that the cycles of a setting are among those of one with more passes:
    # two settings are compared in the cycles that they share.
    share = least_seconds / (repeats * whole_seconds)
    fast = repeats * 2 ** round(math.log2(share)) if share > 1 else repeats
    most = min(search_seconds / seconds, turns_seconds / whole_seconds, _MOST_PASSES)
    return min(max(repeats, fast), max(1, math.ceil(most)))


def load_passes(
    nq: int,
    load: Load,
    repeats: int,
    closed_loop_seconds: float,
    search_seconds: float,
    turns_seconds: float,
) -> int:
    """Return how many passes a setting makes under load: each is a window of all queries.

    As many as `LEAST_QUERIES` need at every rate that is tried, and at a given one the repeats
    asked for; fewer, but at least one, if they would take longer than the limits, as in
    `passes_for`.

    Parameters
    ----------
    closed_loop_seconds
        Of a pass in which each query is asked as soon as the last is answered.
    """
    least = -(-LEAST_QUERIES // nq)
    wanted = SEARCH_STEPS * least if load.rate is None else max(least, repeats)
    seconds = load_pass_seconds(nq, load, closed_loop_seconds)
    most = min(search_seconds, turns_seconds) / seconds
    return min(wanted, max(1, math.ceil(most)), _MOST_PASSES)


def load_pass_seconds(nq: int, load: Load, closed_loop_seconds: float) -> float:
    """Return the seconds of a pass under load, with the queries before it that do not count.

    A search for the highest rate begins at the speed of the closed loop.
    """
    return (nq + WARM_UP_QUERIES) / (load.rate or nq / max(closed_loop_seconds, 1e-9))


def takes_part(cycle: int, cycles: int, passes: int) -> bool:
    """Whether a setting of so many passes makes one in this cycle, spread evenly over the block."""
    return (cycle + 1) * passes // cycles > cycle * passes // cycles


def shuffled(count: int, rng: np.random.Generator) -> Iterator[int]:
    """Yield 0 to count - 1 in a random order."""
    yield from (int(i) for i in rng.permutation(count))


@dataclass(frozen=True)
class TaskFailure:
    """The failure of a setting or a task, and the `phase` in which it happened.

    `log_tail` is the end of the process's output, `peak_bytes` its peak memory, `seconds` its
    lifetime.
    """

    status: Status
    reason: str
    phase: str
    log_tail: str = ""
    peak_bytes: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Measured:
    """The measurements of one setting in one build.

    `times` is `(passes, nq)` and `walls` `(passes,)`, float64 seconds, as in `Build`, and so is
    `load`; `cycles` is `(passes,)`, the cycle of each pass; `neighbors` is `(a, nq, k)`: a = 1, or
    `passes` where the answers differed.
    """

    times: NDArray[np.float64]
    walls: NDArray[np.float64]
    cycles: NDArray[np.int16]
    neighbors: NDArray[np.integer]
    facts: BuildFacts
    diagnostics: Mapping[str, Mapping[str, NDArray[np.generic]]]
    load: LoadShare | None = None


@dataclass(frozen=True)
class Probe:
    """What some of the tuning queries said about a setting of a block with a target.

    `recall` is their mean and `queries` their number; `index_bytes` and `build_seconds` are of the
    index under the setting. One whose index is too large was not asked: its recall is NaN. One that
    is `too_slow` to win was asked no further. `reference_seconds` is the time of a query of the
    reference index at that time, NaN if it has failed.
    """

    recall: float
    queries: int
    seconds_per_query: float
    index_bytes: int
    build_seconds: float
    too_slow: bool = False
    reference_seconds: float = math.nan


@dataclass
class BlockOutcome:
    """The outcome of a block, or of the part of it that fitted into memory.

    `finished` and `failed` are by the key of the setting. A setting in neither was not to blame for
    the end of its process and comes in a later part. `reference_times` are the seconds per query of
    the reference index in each of its turns; `window` and `order_seed` tell which queries were
    asked in each round. `probes` are those of a block with a target, by the key of the setting;
    what it left out in the middle of a pass has times and neighbours up to there (NaN, -1).
    `seconds` is what it took, with attempts on other nodes that were lost.
    """

    id: str
    number: int
    order_seed: int = 0
    window: int = 1
    reference_times: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    finished: dict[str, Measured] = field(default_factory=dict)
    failed: dict[str, TaskFailure] = field(default_factory=dict)
    probes: dict[str, Probe] = field(default_factory=dict)
    seconds: float = 0.0
    provenance: Json = field(default_factory=dict)


@dataclass
class ProgramOutcome:
    """The outcome of a program that does not measure: reports and failures by task."""

    reports: dict[str, Json] = field(default_factory=dict)
    failed: dict[str, TaskFailure] = field(default_factory=dict)
    log_tail: str = ""
