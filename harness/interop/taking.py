"""Result files from elsewhere, taken into a results folder that may hold some of the same."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.files.hashes import sha256_of
from harness.files.replacing import written_whole
from harness.results.files import read_point
from harness.results.point import Build, PointHeader, StoredPoint
from harness.results.store import FAILURE, POINT, SUMMARY, ResultStore
from harness.results.summary import Summary
from harness.results.summary_files import read_summary
from harness.results.untrusted.bounded import read_npz
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
            return _take_truth(store.root / name, path)
        if match["ending"] == SUMMARY:
            return _take_summary(store, store.root / name, path)
        return {POINT: _take_point, FAILURE: _take_failure}[match["ending"]](store, path)


def _take_point(store: ResultStore, path: Path) -> Taken:
    point = read_point(path)
    target, failed, _ = store.files_of(store.path_of(point.header))
    if others := _under_other_names(store, point.header, POINT):
        return Taken(False, f"the same point is stored as {others[0]}")
    if not target.exists():
        gave_way = failed.exists()  # what was measured counts more than that it once failed
        store.forget_failure(point.header)
        taken = _keep(path, target)
        store.forget_summary(point.header)
        return replace(taken, conflict="failed here, measured there") if gave_way else taken
    if sha256_of(path) == sha256_of(target):
        return _THERE
    here = store.find(point.header).point
    stored = {build.number: build for build in here.builds} if here is not None else {}
    missing = [build for build in point.builds if build.number not in stored]
    for build in missing:
        store.add_build(point.header, build)
    differing = [b for b in point.builds if b.number in stored and not _same(b, stored[b.number])]
    return Taken(bool(missing), "; ".join(_told(b, stored[b.number]) for b in differing))


def _take_failure(store: ResultStore, path: Path) -> Taken:
    with reading(path):
        failure = failure_of(path.read_bytes()[: MOST_JSON_CHARACTERS + 1].decode())
    stored = store.failure(failure.header)
    if stored is not None:
        same = (stored.status, stored.reason) == (failure.status, failure.reason)
        return _THERE if same else Taken(False, f"{failure.status} there, {stored.status} here")
    files = store.files_of(store.path_of(failure.header))
    if store.settled(failure.header):
        return Taken(False, f"{failure.status} there, measured here")
    if files.summary.exists():
        return Taken(False, f"{failure.status} there, a summary of builds here")
    return _keep(path, files.failure)


def _take_summary(store: ResultStore, name: Path, path: Path) -> Taken:
    summary = read_summary(path)
    builds, failed, target = store.files_of(store.path_of(summary.header))
    if target != name:
        raise BrokenResult(path, f"its name does not match its content ({target.name})")
    for ending in (POINT, FAILURE, SUMMARY):
        if others := _under_other_names(store, summary.header, ending):
            return Taken(False, f"the same point is stored as {others[0]}")
    if builds.exists():
        return Taken(False, _unlike_builds(summary, read_point(builds)))
    if target.exists():
        same = sha256_of(path) == sha256_of(target)
        return _THERE if same else Taken(False, "another summary of this point is stored here")
    if failed.exists():
        return Taken(False, "failed here, a summary of builds there")
    return _keep(path, target)


def _under_other_names(store: ResultStore, header: PointHeader, ending: str) -> list[str]:
    """The names of files of the same key that end so, but for that at the point's own path."""
    stem = store.path_of(header)
    found = stem.parent.glob(f"*-{header.identity.key}{ending}")
    return sorted(path.name for path in found if path.name != stem.name + ending)


def _unlike_builds(summary: Summary, stored: StoredPoint) -> str:
    """Say if a summary is of builds that are not stored here, "" if it is of those."""
    here = {(build.number, build.provenance.get("finished_at")) for build in stored.builds}
    there = {(build.number, build.provenance.get("finished_at")) for build in summary.builds}
    return "" if there <= here else "a summary of other builds than are stored here"


def _take_truth(target: Path, path: Path) -> Taken:
    with reading(path):
        _, distances = read_npz(path, {"ids": "int64", "distances": "float64"})
    if not target.exists():
        return _keep(path, target)
    with reading(target):
        _, stored = read_npz(target, {"ids": "int64", "distances": "float64"})
    if stored.shape != distances.shape or not np.allclose(stored, distances, rtol=1e-6, atol=1e-9):
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
