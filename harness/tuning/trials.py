"""Trials: builds that were tried, the blocks that try them, and what comes of a block."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from harness.contracts.definitions import Parameters
from harness.data.cache.cached import CachedDataset
from harness.measures.speed import (
    reference_levels,
    round_levels,
    typical_difference,
    typical_level,
    wall_levels,
)
from harness.measures.tuning import time_size_frontier
from harness.registry.grid import short_name
from harness.registry.schema.suite import Minimize
from harness.registry.suites import Suite
from harness.running.block_specs import adapter_spec, origin_of
from harness.running.blocks import (
    BlockOutcome,
    BlockSpec,
    MemberSpec,
    Probe,
    RaceFor,
    SettingSpec,
    Target,
)
from harness.text import Json
from harness.tuning.contenders import Contender
from harness.tuning.proposing import KnownBuild

FIRST_NUMBER = 1000
"""Of the builds of trials, so that winners are built again with other seeds, from 0 on."""

_REPEATS = 2
_LEAST_SECONDS = 0.5
_SEARCH_SECONDS = 10.0

Known = Annotated[float, Field(allow_inf_nan=False)] | None


@dataclass(frozen=True)
class Goal:
    """What is asked for; `max_bytes` are per vector, `budget_seconds` for all contenders.

    `minimize` is one quantity, or `query` and `bytes`, for the frontier of the two.
    """

    recall: float
    minimize: tuple[Minimize, ...]
    max_bytes: float | None
    budget_seconds: float
    seed: int

    @property
    def is_frontier(self) -> bool:
        """Whether two quantities are to be small, so that several settings can be the best."""
        return len(self.minimize) > 1

    @property
    def race(self) -> RaceFor | None:
        """By what settings leave a block early; a slow one may be small or built soon."""
        races: dict[tuple[Minimize, ...], RaceFor] = {("query",): "time"}
        return "time and bytes" if self.is_frontier else races.get(self.minimize)


class Tried(BaseModel):
    """A search setting that was asked: recall on tuning queries, and roughly how fast it was."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recall: Known
    qps: Known


class Trial(BaseModel):
    """A build that was tried, with its best search setting; for a frontier, one of these.

    `status` is `reached`, `slower` (it reached the target, and left the race or, of unknown size,
    has no place on a frontier), `missed`, `too_large` or how it failed. `search`, `recall` (on the
    tuning queries), `qps` and `bytes_per_vector` (None if it is not known) are of the best setting
    that reached the target, else of the nearest miss.
    `times_reference` is the time of a query relative to the reference index in the same rounds, of
    those that stayed in the race. `again`: a best build so far, built again beside others.
    `sample_rows` are those of the sample of which it was built, None if of all rows.
    `spent_seconds` is what its label had spent when its block had ended.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    block: str
    build: dict[str, Any]
    status: str
    reason: str = ""
    search: dict[str, Any] = {}
    recall: Known = None
    qps: Known = None
    times_reference: Known = None
    bytes_per_vector: Known = None
    build_seconds: Known = None
    again: bool = False
    sample_rows: int | None = None
    spent_seconds: float
    tried: tuple[Tried, ...] = ()

    @property
    def reached(self) -> bool:
        """Whether a setting reached the target, in the bytes allowed."""
        return self.status in ("reached", "slower")

    @property
    def is_lost(self) -> bool:
        """Whether nothing is known of it, because its node went away."""
        return self.status == "lost"

    def name(self, contender: Contender) -> str:
        """Return the parameters in short, `M=16 | efSearch=80`."""
        definition = contender.definition
        build = short_name(self.build, definition.build)
        return " | ".join(filter(None, (build, short_name(self.search, definition.search))))


def least_seconds_of(suite: Suite) -> float:
    """Return the least seconds that the turns of a setting take in a trial."""
    return min(_LEAST_SECONDS, suite.least_seconds)


def trial_block(
    contender: Contender,
    builds: Sequence[Parameters],
    number: int,
    goal: Goal,
    suite: Suite,
    dataset: CachedDataset,
    build_threads: int,
    timeout: float,
) -> BlockSpec:
    """Return the block that searches these builds for the target, side by side."""
    n = len(dataset.base)
    most = math.inf if goal.max_bytes is None else goal.max_bytes * n
    return BlockSpec(
        id=secrets.token_hex(8),
        number=FIRST_NUMBER + number,
        dataset=str(dataset.path),
        fingerprint=dataset.fingerprint,
        metric=dataset.metric,
        mode=suite.mode,
        threads=suite.threads,
        build_threads=build_threads,
        search_seconds=_SEARCH_SECONDS,
        least_seconds=least_seconds_of(suite),
        timeout=timeout,
        memory_bytes=suite.memory_bytes,
        members=tuple(_member(contender, i, build) for i, build in enumerate(builds)),
        target=Target(goal.recall, most, goal.race),
    )


def _member(contender: Contender, number: int, build: Parameters) -> MemberSpec:
    definition, facts = contender.definition, contender.facts
    settings = tuple(
        SettingSpec(f"{number}/{i}", search, facts.k, _REPEATS, place.ladder, place.rung)
        for i, (search, place) in enumerate(contender.settings(build))
    )
    return MemberSpec(
        f"{contender.label} {short_name(build, definition.build)}".strip(),
        adapter_spec(definition, facts.metric, contender.environment),
        build,
        settings,
        definition.pausable,
        origin_of(definition, contender.environment),
    )


def best_of(goal: Goal, trials: Iterable[Trial]) -> list[Trial]:
    """Return the best of trials: none, one, or those of the frontier by their bytes.

    Times are those relative to the reference index, which is in every block, so trials of several
    blocks can be compared.
    """
    measured = [trial for trial in trials if trial.times_reference is not None]
    if not goal.is_frontier:
        return sorted(measured, key=lambda trial: _cost(trial, goal))[:1]
    times = [trial.times_reference or math.nan for trial in measured]
    sizes = [trial.bytes_per_vector or math.nan for trial in measured]  # NaN if it is not known
    found = time_size_frontier(np.log(np.array(times, dtype=np.float64)), np.array(sizes))
    return [measured[i] for i in found]


def _cost(trial: Trial, goal: Goal) -> tuple[float, float]:
    """What is to be small, and the time where that is equal."""
    small = {"query": 0.0, "bytes": trial.bytes_per_vector, "build": trial.build_seconds}
    known = small[goal.minimize[0]]
    return math.inf if known is None else known, trial.times_reference or math.inf


def mean_cost(goal: Goal, trials: Iterable[Trial]) -> tuple[float, float]:
    """Return the means over measured trials: of what is to be small, and of the time."""
    small, times = np.mean([_cost(trial, goal) for trial in trials], axis=0)
    return float(small), float(times)


def known_build(goal: Goal, trials: Sequence[Trial], reference_seconds: float) -> KnownBuild:
    """Return what is known of a build by its trials in one block, for proposals.

    A setting that left the race counts too, by its rough speed: it says which builds are slow.

    Parameters
    ----------
    reference_seconds
        The time of the reference index in that block; NaN if it is not known.
    """
    reached = [trial for trial in trials if trial.reached]
    costs = (
        tuple(_log_cost(trial, quantity, reference_seconds) for quantity in goal.minimize)
        for trial in reached
    )
    return KnownBuild(
        trials[0].build,
        tuple(one for one in costs if np.isfinite(one).all()),
        trials[0].sample_rows,
        trials[0].build_seconds,
    )


def _log_cost(trial: Trial, quantity: Minimize, reference_seconds: float) -> float:
    rough = 1 / (trial.qps * reference_seconds) if trial.qps else math.nan
    costs = {
        "query": trial.times_reference or rough,
        "bytes": trial.bytes_per_vector,
        "build": trial.build_seconds,
    }
    return math.log(costs[quantity] or math.nan)


class _Candidate(NamedTuple):
    """A measured setting that reached the target: seconds per query, and relative to reference."""

    key: str
    seconds: float
    times_reference: float


def trials_of(
    contender: Contender,
    spec: BlockSpec,
    parts: Sequence[BlockOutcome],
    goal: Goal,
    nq: int,
    spent_before: float,
    best_before: Parameters | None,
) -> list[Trial]:
    """Return the trials of a block: one for each build, that of its best setting.

    For a frontier a build has a trial for each of its settings that none of its others beats.

    Parameters
    ----------
    parts
        What came of the block.
    nq
        The number of all queries.
    spent_before
        The seconds that the label had spent before.
    best_before
        A best build so far, if one is in the block.
    """
    candidates = {one.key: one for part in parts for one in _candidates(spec, part, nq)}
    spent = spent_before + sum(part.seconds for part in parts)
    found: list[Trial] = []

    def trial(member: MemberSpec, best: _Candidate | None) -> Trial:
        return Trial(
            label=contender.label,
            block=spec.id,
            build=dict(member.build),
            again=member.build == best_before,
            spent_seconds=spent,
            sample_rows=contender.sample_rows,
            **_found(member, parts, best, contender.rows),
        )

    for member in spec.members:
        reached = [candidates[s.key] for s in member.settings if s.key in candidates]
        own = best_of(goal, [trial(member, one) for one in reached])
        first, *others = own or [trial(member, None)]
        tried = tuple(_tried(member, parts))  # once for a build
        found += [first.model_copy(update={"tried": tried}), *others]
    return found


def _candidates(spec: BlockSpec, part: BlockOutcome, nq: int) -> Iterator[_Candidate]:
    order = spec.order(nq)
    singly = spec.mode == "single" and spec.threads == 1
    window = part.window if singly else len(order)
    windows = [order[start : start + window] for start in range(0, len(order), window)]
    for key, measured in part.finished.items():
        whole = np.isfinite(measured.times[:, order]).all(axis=1)
        if not whole.any():
            continue  # it left the race in its first pass
        cycles = measured.cycles[whole]
        levels = (
            round_levels(measured.times[whole], cycles, windows)
            if singly
            else wall_levels(measured.walls[whole], cycles, len(order))
        )
        reference = reference_levels(part.reference_times, cycles, len(windows))
        times = math.exp(typical_difference(levels, reference))
        yield _Candidate(key, math.exp(typical_level(levels)), times)


def _found(
    member: MemberSpec, parts: Sequence[BlockOutcome], best: _Candidate | None, n: int
) -> Json:
    """The fields of a trial that say what its best setting, or nearest miss, came to."""
    probes = {key: probe for part in parts for key, probe in part.probes.items()}
    own = {s.key: s for s in member.settings if s.key in probes}
    if best is not None:
        measured = {"qps": 1 / best.seconds, "times_reference": _known(best.times_reference)}
        return {"status": "reached", **_of_probe(own[best.key], probes[best.key], n), **measured}
    keys = [setting.key for setting in member.settings]
    failures = [part.failed[key] for part in parts for key in keys if key in part.failed]
    left_race = [key for part in parts for key in part.finished if key in own]
    if left_race:
        key = max(left_race, key=lambda key: 1 / probes[key].seconds_per_query)
        return {"status": "slower", **_of_probe(own[key], probes[key], n)}
    asked = [key for key in own if math.isfinite(probes[key].recall)]
    if asked:
        nearest = max(asked, key=lambda key: probes[key].recall)
        status = failures[0].status if failures else "missed"
        reason = failures[0].reason if failures else ""
        return {"status": status, "reason": reason, **_of_probe(own[nearest], probes[nearest], n)}
    if failures:
        return {"status": failures[0].status, "reason": failures[0].reason}
    if own:
        key = min(own, key=lambda key: probes[key].index_bytes)
        return {"status": "too_large", **_of_probe(own[key], probes[key], n)}
    return {"status": "lost", "reason": "nothing came back"}


def _of_probe(setting: SettingSpec, probe: Probe, n: int) -> Json:
    return {
        "search": dict(setting.search),
        "recall": _known(probe.recall),
        "qps": _known(1 / probe.seconds_per_query),
        "bytes_per_vector": probe.index_bytes / n or None,  # 0 is unknown
        "build_seconds": _known(probe.build_seconds),
    }


def _tried(member: MemberSpec, parts: Sequence[BlockOutcome]) -> Iterator[Tried]:
    keys = {setting.key for setting in member.settings}
    for part in parts:
        for key, probe in part.probes.items():
            if key in keys and math.isfinite(probe.recall):
                yield Tried(recall=probe.recall, qps=_known(1 / probe.seconds_per_query))


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
