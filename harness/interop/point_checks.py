"""Does what a point says of itself hold together, and fit the true neighbours?"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Truth
from harness.measures.distances import RELATIVE_TOLERANCE
from harness.results.identity import PointIdentity
from harness.results.point import Build, PointHeader, sequence_of
from harness.text import Json, clean, counted

Level = Literal["refused", "warning", "note"]
Fault = tuple[Level, str]

_SAME = 1e-9  # of figures that are computed anew from the same file
_GRADES: dict[object, Level] = {"A": "note", "B": "note", "C": "note", "D": "warning"}
_PAIRS_AT_ONCE = 1 << 22
_MOST_OUTSIDE_SECONDS = 100e-6  # of a query, outside of what is timed
_FEW = 0.01  # of all queries
_FUTURE_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Finding:
    """What was found of a point or a file, or of the package as a whole.

    `refused` is a contradiction, or damage; a `warning` makes a point doubtful; a `note` says what
    could not be checked here.
    """

    level: Level
    where: str
    found: str


def contradictions(header: PointHeader, build: Build, truth: Truth) -> Iterator[Fault]:
    """Yield what cannot be: within a build, and between its answers and the true neighbours."""
    if len(truth.ids) != header.nq:
        yield "refused", f"{header.nq} queries, the true neighbours are of {len(truth.ids)}"
        return
    if header.identity.mode != "load":  # there, times count from when a query was due
        yield from _of_times(header, build)
    if header.identity.metric == "angular" and not np.isin(build.scales, (0, 1)).all():
        yield "refused", "its tolerances of ties are not those of unit rows"
    answers = (build.neighbors, build.distances, build.scales.astype(np.float64))
    for ids, distances, scales in zip(*answers, strict=True):
        yield from _of_answers(header, ids, distances, scales, truth)


def _of_times(header: PointHeader, build: Build) -> Iterator[Fault]:
    clients = header.identity.threads if header.identity.mode == "single" else 1
    sums = build.times.sum(axis=1) / clients
    if (sums > build.walls * (1 + _SAME)).any():
        yield "refused", "the query times add up to more than the time of the pass"
    outside = (build.walls - sums) / header.nq
    if ((outside > _MOST_OUTSIDE_SECONDS) & (outside * header.nq > sums)).any():
        yield "warning", "most of the time of a pass is in none of its queries"


def _of_answers(
    header: PointHeader,
    ids: NDArray[np.int64],
    distances: NDArray[np.float64],
    scales: NDArray[np.float64],
    truth: Truth,
) -> Iterator[Fault]:
    if names_twice(ids):
        yield "refused", "an answer names a row twice"
    if ((ids < 0) != np.isinf(distances)).any():
        yield "refused", "a missing answer with a distance, or a distance missing"
    far = _unlike_truth(ids, distances, scales, truth, header)
    if far:
        text = f"{counted(far, 'answer')} with distances that contradict the true neighbours"
        yield "refused", text
    if header.identity.metric == "euclidean" and _coarse(scales, truth):
        yield "refused", "its tolerances of ties are larger than the distances"


def _coarse(scales: NDArray[np.float64], truth: Truth) -> bool:
    """Whether for many queries more would be ties than float32 tells apart."""
    last = np.square(truth.distances[:, scales.shape[1] - 1])
    slack = RELATIVE_TOLERANCE * scales.max(axis=1)
    known = (last > 0) & np.isfinite(last)
    return bool((slack[known] > last[known]).mean() > _FEW) if known.any() else False


def names_twice(ids: NDArray[np.int64]) -> bool:
    """Whether a query's `(nq, k)` ids name a row twice; padding does not count."""
    ordered = np.sort(ids, axis=1)
    return bool(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any())


def _unlike_truth(
    ids: NDArray[np.int64],
    distances: NDArray[np.float64],
    scales: NDArray[np.float64],
    truth: Truth,
    header: PointHeader,
) -> int:
    """The number of answers whose distance is not that of the same true neighbour, or too near."""
    squared = header.identity.metric == "euclidean"
    wrong, step = 0, max(1, _PAIRS_AT_ONCE // ids.shape[1] ** 2)
    for start in range(0, len(ids), step):
        part = slice(start, start + step)
        same = ids[part, :, None] == truth.ids[part, None, :]
        found = ids[part] >= 0
        is_true = same.any(axis=2) & found
        true = np.where(same & found[:, :, None], truth.distances[part, None, :], 0.0).sum(axis=2)
        last = truth.distances[part, -1:]
        own = distances[part]
        if squared:
            own, true, last = own**2, true**2, last**2
        slack = RELATIVE_TOLERANCE * scales[part]
        with np.errstate(invalid="ignore"):
            off = is_true & ~(np.abs(own - true) <= slack)
            near = ~is_true & found & (own < last - slack)
        wrong += int((off | near).sum())
    return wrong


def doubts(identity: PointIdentity, provenance: Json) -> Iterator[Fault]:
    """Yield what makes a measurement doubtful: its machine, the doctor's grade, its commit."""
    machine = provenance.get("machine")
    facts = machine if isinstance(machine, Mapping) else {}
    stated = (identity.machine.cpu, identity.machine.cores)
    seen = (facts.get("cpu", stated[0]), facts.get("cores", stated[1]))
    if seen != stated:
        told_facts = [clean(f"{cpu}, {cores} cores", 200) for cpu, cores in (stated, seen)]
        yield "refused", f"the key names {told_facts[0]}, the provenance {told_facts[1]}"
    sizes = [facts[name] for name in ("ram_bytes", "memory_limit_bytes") if name in facts]
    near = [
        abs(float(size) - identity.machine.memory_bytes) < 2**30 for size in map(_number, sizes)
    ]
    if near and not any(near):
        yield "refused", "the memory in its key is not that of the machine in the provenance"
    if not facts:
        yield "note", "the provenance names no machine"
    if sequence_of(provenance) > time.time() * 1000 + _FUTURE_MS:
        yield "refused", "it says that it was measured in the future"
    grade = (provenance.get("conditions") or {}).get("grade")
    if grade not in _GRADES:
        yield "note", "the machine was not graded"
    elif grade in ("C", "D"):
        yield _GRADES[grade], f"measured on a machine of grade {grade}"
    source = provenance.get("source")
    if isinstance(source, Mapping) and source.get("dirty"):
        yield "warning", "measured with changes to the harness that are in no commit"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
