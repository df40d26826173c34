"""Result files from elsewhere, taken into a results folder that may hold some of the same."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.contracts.filters import FILTERED_SUFFIX
from harness.files.hashes import sha256_of
from harness.files.replacing import written_whole
from harness.results.files import add_build, read_point
from harness.results.point import Build, Failure, PointHeader, StoredPoint
from harness.results.store import FAILURE, POINT, SUMMARY, ResultStore
from harness.results.summary import Summary
from harness.results.summary_files import read_summary
from harness.results.untrusted.bounded import read_truth
from harness.results.untrusted.checks import BrokenResult, reading
from harness.results.untrusted.schema import MOST_JSON_CHARACTERS, failure_of

RESULT_NAME = re.compile(
    r"[^/.][^/]*/[0-9]{1,10}/(?:[^/.][^/]*/[^/.][^/]*(?P<ending>\.hdf5|\.failure\.json|\.summary\.json)"
    r"|truth-[0-9a-f]{16}(?P<truth>\.npz))"
)
"""The name of a file in a results folder: a point's builds, failure or summary, or a truth."""

TRUTH = ".npz"
"""How the file of a truth ends."""

MOST_BYTES = 4 << 30
"""Of one file; larger ones are not taken."""


@dataclass(frozen=True)
class Taken:
    """What became of one file: whether any of it was taken, and what the folder holds otherwise."""

    any: bool
    conflict: str = ""


_THERE = Taken(False)


def ambiguous(store: ResultStore, stem: Path) -> str:
    """Say if a summary lies beside builds or a failure of its point, "" if not."""
    summary = store.files_of(stem).summary
    if not summary.exists() or summary in store.files_there(stem):
        return ""
    return "a summary lies beside the builds or the failure of its point"


def take(store: ResultStore, name: str, path: Path) -> Taken:
    """Store what a result file holds and the folder lacks; what is stored already stays.

    Where it goes is decided by what it holds; only a truth, which does not say of what it is the
    truth, goes by its `name`, which must match `RESULT_NAME`. A summary must have the name that its
    content gives.

    Raises
    ------
    BrokenResult
        If the file is damaged, a summary is not what its name says, or a truth differs from the
        stored one of the same dataset.
    """
    match = RESULT_NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"no name of a result: {name!r}")
    with store.changing():
        if match["truth"]:
            return _take_truth(name, store.root / name, path)
        if match["ending"] == SUMMARY:
            return _take_summary(store, store.root / name, path)
        return {POINT: _take_point, FAILURE: _take_failure}[match["ending"]](store, path)


def _take_point(store: ResultStore, path: Path) -> Taken:
    point = read_point(path)
    header, target = point.header, store.files_of(store.path_of(point.header)).builds
    if other := _under_another_name(store, header, POINT, FAILURE):
        return other
    if target.exists() and sha256_of(path) == sha256_of(target):
        return _THERE
    here = store.find(header)
    stored = {build.number: build for build in here.point.builds} if here.point else {}
    missing = {build.number: build for build in point.builds if build.number not in stored}
    if not target.exists():
        _keep(path, target)
    else:
        for build in missing.values():
            add_build(target, header, build)  # with its number: it was measured when it was
    store.forget_summary(header)
    conflicts = []
    if here.failure and _is_measured(here.failure, missing):  # which counts more
        store.forget_failure(header)
        conflicts.append("failed here, measured there")
    differing = [b for b in point.builds if b.number in stored and not _same(b, stored[b.number])]
    conflicts += [_told(build, stored[build.number]) for build in differing]
    return Taken(bool(missing), "; ".join(conflicts))


def _take_failure(store: ResultStore, path: Path) -> Taken:
    with reading(path):
        failure = failure_of(path.read_bytes()[: MOST_JSON_CHARACTERS + 1].decode())
    header = failure.header
    if other := _under_another_name(store, header, POINT, FAILURE, SUMMARY):
        return other
    stored = store.failure(header)
    if stored is not None:
        same = (stored.status, stored.reason) == (failure.status, failure.reason)
        return _THERE if same else Taken(False, f"{failure.status} there, {stored.status} here")
    files = store.files_of(store.path_of(header))
    if _is_measured(failure, store.settled(header)):
        return Taken(False, f"{failure.status} there, measured here")
    if files.summary.exists():
        return Taken(False, f"{failure.status} there, a summary of builds here")
    return _keep(path, files.failure)


def _is_measured(failure: Failure, builds: Collection[int]) -> bool:
    """Whether the build that failed is one of these; a failure of no certain build is of any."""
    number = failure.build_number
    return bool(builds) if number is None else number in builds


def _take_summary(store: ResultStore, name: Path, path: Path) -> Taken:
    summary = read_summary(path)
    builds, failed, target = store.files_of(store.path_of(summary.header))
    if target != name:
        raise BrokenResult(path, f"its name does not match its content ({target.name})")
    if other := _under_another_name(store, summary.header, POINT, FAILURE, SUMMARY):
        return other
    if builds.exists():
        return Taken(False, _unlike_builds(summary, read_point(builds)))
    if target.exists():
        same = sha256_of(path) == sha256_of(target)
        return _THERE if same else Taken(False, "another summary of this point is stored here")
    if failed.exists():
        return Taken(False, "failed here, a summary of builds there")
    return _keep(path, target)


def _under_another_name(store: ResultStore, header: PointHeader, *endings: str) -> Taken | None:
    """What becomes of a point that is stored under another name here; None if it is not."""
    stem = store.path_of(header)
    found = [p for end in endings for p in stem.parent.glob(f"*-{header.identity.key}{end}")]
    others = sorted(path.name for path in found if path not in store.files_of(stem))
    return Taken(False, f"the same point is stored as {others[0]}") if others else None


def _unlike_builds(summary: Summary, stored: StoredPoint) -> str:
    """Say if a summary is of builds that are not stored here, "" if it is of those."""
    here = {(build.number, build.provenance.get("finished_at")) for build in stored.builds}
    there = {(build.number, build.provenance.get("finished_at")) for build in summary.builds}
    return "" if there <= here else "a summary of other builds than are stored here"


def _take_truth(name: str, target: Path, path: Path) -> Taken:
    dataset, k, _ = name.split("/")
    filtered = dataset.endswith(FILTERED_SUFFIX)
    there = read_truth(path, int(k), filtered=filtered)
    try:
        here = read_truth(target, int(k), filtered=filtered)
    except BrokenResult:  # there is none, or it is damaged
        return _keep(path, target)
    same = here.distances.shape == there.distances.shape
    if not same or not np.allclose(here.distances, there.distances, rtol=1e-6, atol=1e-9):
        raise BrokenResult(path, "other true neighbours than are stored here for the same dataset")
    return _THERE


def _same(one: Build, other: Build) -> bool:
    """Whether two builds of a number are the same measurement."""
    arrays = ("times", "walls", "neighbors", "distances")
    same = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays)
    return same and json.dumps(one.facts.to_json()) == json.dumps(other.facts.to_json())


def _told(there: Build, here: Build) -> str:
    ends = [str(one.provenance.get("finished_at") or "at no known time") for one in (there, here)]
    return f"build {there.number} differs: finished {ends[0]} there, {ends[1]} here"


def _keep(path: Path, target: Path) -> Taken:
    """Copy a file as it is, so that it has the same hash when it is sent again."""
    with written_whole(target) as temporary:
        shutil.copyfile(path, temporary)
    return Taken(True)
