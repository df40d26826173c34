"""What comes of a block: the trials of its builds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from harness.contracts.definitions import Parameters, timed_one_by_one
from harness.measures.speed import (
    reference_levels,
    round_levels,
    typical_difference,
    typical_level,
    wall_levels,
)
from harness.running.blocks import BlockOutcome, BlockSpec, MemberSpec, Probe, SettingSpec
from harness.text import Json
from harness.tuning.contenders import Contender
from harness.tuning.costs import best_of
from harness.tuning.trials import Goal, Trial, Tried


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
    singly = timed_one_by_one(spec.mode, spec.threads)
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
    slow = [key for key in own if probes[key].too_slow]
    if slow:
        key = min(slow, key=lambda key: probes[key].seconds_per_query)
        return {"status": "too_slow", **_of_probe(own[key], probes[key], n)}
    asked = [key for key in own if math.isfinite(probes[key].recall)]
    if asked:
        nearest = max(asked, key=lambda key: probes[key].recall)
        status = failures[0].status if failures else "missed"
        reason = failures[0].reason if failures else ""
        return {"status": status, "reason": reason, **_of_probe(own[nearest], probes[nearest], n)}
    if failures:
        return {"status": failures[0].status, "reason": failures[0].reason}
    if own:
        key = min(own, key=lambda key: probes[key].index_bytes or math.inf)
        return {"status": "too_large", **_of_probe(own[key], probes[key], n)}
    return {"status": "lost", "reason": "nothing came back"}


def _of_probe(setting: SettingSpec, probe: Probe, n: int) -> Json:
    return {
        "search": dict(setting.search),
        "recall": _known(probe.recall),
        "qps": _known(1 / probe.seconds_per_query),
        "rough_times_reference": _known(probe.seconds_per_query / probe.reference_seconds),
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
