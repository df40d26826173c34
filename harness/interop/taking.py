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
from harness.results.point import Build, StoredPoint
from harness.results.store import FAILURE, POINT, SUMMARY, ResultStore
from harness.results.summary import Summary, read_summary
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


def take(store: ResultStore, name: str, path: Path) -> Taken:
    """Store what a result file holds and the folder lacks; what is stored already stays.

    Where it goes is decided by what it holds; only a truth, which does not say of what it is the
    truth, goes by its `name`, which must match `RESULT_NAME`.

    Raises
    ------
    BrokenResult
        If the file is damaged, or a truth differs from the stored one of the same dataset.
    """
    match = RESULT_NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"no name of a result: {name!r}")
    with store.changing():
        if match["truth"]:
            return _take_truth(store.root / name, path)
        takers = {POINT: _take_point, FAILURE: _take_failure, SUMMARY: _take_summary}
        return takers[match["ending"]](store, path)


def _take_point(store: ResultStore, path: Path) -> Taken:
    point = read_point(path)
    target, failed, summary = store.files_of(store.path_of(point.header))
    key = point.header.identity.key
    others = [p.name for p in target.parent.glob(f"*-{key}{target.suffix}") if p != target]
    if others:
        return Taken(False, f"the same point is stored as {others[0]}")
    if not target.exists():
        gave_way = failed.exists()  # what was measured counts more than that it once failed
        store.forget_failure(point.header)
        taken = _keep(path, target)
        summary.unlink(missing_ok=True)  # builds count more than what somebody states of them
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
    if store.settled(failure.header) or files.summary.exists():
        return Taken(False, f"{failure.status} there, measured here")
    return _keep(path, files.failure)


def _take_summary(store: ResultStore, path: Path) -> Taken:
    summary = read_summary(path)
    builds, failed, target = store.files_of(store.path_of(summary.header))
    if builds.exists():
        return Taken(False, _unlike_builds(summary, read_point(builds)))
    if target.exists():
        same = sha256_of(path) == sha256_of(target)
        return _THERE if same else Taken(False, "another summary of this point is stored here")
    gave_way = failed.exists()
    store.forget_failure(summary.header)
    return replace(_keep(path, target), conflict="failed here, measured there" if gave_way else "")


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
