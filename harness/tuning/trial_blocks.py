"""Blocks that try builds: side by side, each searched for the target."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Sequence

from harness.contracts.definitions import Parameters
from harness.data.cache.cached import CachedDataset
from harness.registry.grid import short_name
from harness.registry.suites import Suite
from harness.running.block_specs import adapter_spec, origin_of
from harness.running.blocks import BlockSpec, MemberSpec, SettingSpec, Target
from harness.tuning.contenders import Contender
from harness.tuning.trials import Goal, Trial

FIRST_NUMBER = 1000
"""Of the builds of trials, so that winners are built again with other seeds, from 0 on."""

_REPEATS = 2
_LEAST_SECONDS = 0.5
_SEARCH_SECONDS = 10.0


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
    best: Sequence[Trial],
) -> BlockSpec:
    """Return the block that searches these builds for the target, side by side.

    Settings that are far slower than the `best` so far on these rows are not searched for long.
    """
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
        target=Target(goal.recall, most, goal.race, tuple(_sizes_and_times(best, n))),
    )


def _sizes_and_times(best: Sequence[Trial], n: int) -> Iterator[tuple[float, float]]:
    for trial in best:
        if trial.times_reference is not None:
            yield (trial.bytes_per_vector or math.inf) * n, trial.times_reference


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
