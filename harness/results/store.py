"""The results folder: the files of each point, and what is stored already."""

from __future__ import annotations

import errno
import glob
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from harness.contracts import UserError
from harness.contracts.dataset import Truth
from harness.files.locks import locked
from harness.files.paths import kind_of
from harness.files.replacing import replacing
from harness.results.files import (
    add_build,
    read_costs,
    read_point,
    read_sequence,
    read_settled,
)
from harness.results.identity import PointIdentity, slug
from harness.results.point import (
    Build,
    BuildCost,
    Failure,
    PointHeader,
    StoredPoint,
    following,
    sequence_of,
)
from harness.results.summary import Summary
from harness.results.summary_files import read_summary
from harness.results.untrusted.bounded import read_truth
from harness.results.untrusted.checks import BrokenResult, reading
from harness.results.untrusted.schema import MOST_JSON_CHARACTERS, failure_of
from harness.text import Json, told

POINT, FAILURE, SUMMARY = ".hdf5", ".failure.json", ".summary.json"
"""How the files of a point's builds, of its failure and of its summary end."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Stored:
    """The stored parts of one point: finished builds, a failure, both or neither.

    `summary` is what somebody else stated of it, where there are neither.
    """

    point: StoredPoint | None
    failure: Failure | None
    path: Path
    summary: Summary | None = None

    @property
    def measured(self) -> StoredPoint | Summary | None:
        """What is known of the builds of the point."""
        return self.point or self.summary

    @property
    def builds(self) -> int:
        return len(self.measured.builds) if self.measured else 0

    @property
    def repeats(self) -> int:
        return self.measured.repeats if self.measured else 0


class Files(NamedTuple):
    """The paths of what can be stored of a point."""

    builds: Path
    failure: Path
    summary: Path


class ResultStore:
    """A folder `ROOT/DATASET/K/ALGORITHM/NAME-KEY.hdf5`, one file per point.

    Every write is atomic: after a kill at any moment each file is whole, the old or the new one.
    Processes that change the folder at the same time wait for each other.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.locks = root / ".locks"
        self._newest: dict[Path, int] = {}
        self._is_changing = False

    def require_readable(self) -> None:
        """Raise a `UserError` unless the folder is there and can be listed."""
        if not self.root.is_dir() or not os.access(self.root, os.R_OK | os.X_OK):
            raise UserError(
                "no readable results folder",
                where=str(self.root),
                got="no permission" if self.root.is_dir() else kind_of(self.root),
                hint="run a suite first (annharness run demo), or name another folder (results)",
            )

    def require_writable(self) -> None:
        """Make the folder, or raise a `UserError` if nothing can be written to it."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with self.changing():
                with replacing(self.root / ".writable") as temporary:
                    temporary.write_text("")
                (self.root / ".writable").unlink()
            next(self.root.iterdir(), None)
        except OSError as error:
            raise UserError(
                "cannot write to the results folder",
                where=str(self.root),
                got=kind_of(self.root) if error.errno == errno.EEXIST else error.strerror,
                hint="name a folder of your own (results, or ANNHARNESS_RESULTS)",
            ) from error

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let no other process change what is stored, from what is read to what is written.

        A point's file is read and replaced whole: of two that did so at once, one build would be
        lost. Where the file system has no locks, a warning says so.

        Raises
        ------
        UserError
            If the folder cannot be locked.
        """
        if self._is_changing:
            yield
            return
        path = self.locks / "changes.lock"
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(path))
            except OSError as error:
                raise cannot_lock(path, error) from error
            self._is_changing = True
            try:
                yield
            finally:
                self._is_changing = False

    def path_of(self, header: PointHeader) -> Path:
        """Return the path of a point's file, without its ending."""
        identity = header.identity
        folder = self.root / identity.dataset / str(identity.k) / identity.algorithm
        return folder / f"{slug(header.name)}-{identity.key}"

    def find(self, header: PointHeader) -> Stored:
        """Return the stored parts of a point.

        A broken file counts as nothing stored: the point is run again, and the file set aside.

        Raises
        ------
        UserError
            If a file is there and cannot be read, though it may be whole.
        """
        path = self.files_of(self.path_of(header)).builds
        return Stored(_unless_broken(read_point, path), self.failure(header), path)

    def settled(self, header: PointHeader) -> dict[int, int]:
        """Return number and passes (made or given up) of each finished build; else as `find`."""
        path = self.files_of(self.path_of(header)).builds
        return _unless_broken(read_settled, path) or {}

    def failure(self, header: PointHeader) -> Failure | None:
        """Return the stored failure of a point, None if there is none; else as `find`."""
        failed = self.files_of(self.path_of(header)).failure
        return _unless_broken(_read_failure, failed)

    def add_build(self, header: PointHeader, build: Build, keep_others: bool = True) -> Path:
        """Add a finished build to its point, atomically; it replaces a stored one of its number.

        Without `keep_others` it replaces all that is stored of the point, a failure too.

        Raises
        ------
        OSError
            If it cannot be written. What was stored before is kept.
        """
        path = self.files_of(self.path_of(header)).builds
        with self.changing():
            numbered = replace(build, provenance=self._numbered(header, build.provenance))
            add_build(path, header, numbered, keep_others)
            self.forget_summary(header)
            if not keep_others:
                self.forget_failure(header)
        return path

    def write_failure(self, failure: Failure, keep_builds: bool = True) -> Path:
        """Store a failure, atomically; builds that had finished before stay, if they are to.

        A damaged file is set aside, as by `add_build`.
        """
        header, (builds, path, _) = failure.header, self.files_of(self.path_of(failure.header))
        with self.changing():
            numbered = replace(failure, provenance=self._numbered(header, failure.provenance))
            try:
                _read_failure(path)
            except BrokenResult as broken:
                broken.set_aside()
            with replacing(path, durable=True) as temporary:
                temporary.write_text(json.dumps(numbered.to_json(), indent=1))
            self.forget_summary(header)
            if not keep_builds:
                builds.unlink(missing_ok=True)
        return path

    def _numbered(self, header: PointHeader, provenance: Json) -> Json:
        """The provenance of a result that is stored now, with its number."""
        folder = self.path_of(header).parent
        if folder not in self._newest:
            self._newest[folder] = max(map(self._sequence, self._stems_of(folder)), default=0)
        self._newest[folder] = following(self._newest[folder])
        return {**provenance, "sequence": self._newest[folder]}

    def _sequence(self, stem: Path) -> int:
        """The largest number of what is stored of a point; 0 if that cannot be read."""
        files = self.files_of(stem)
        numbers = [0]
        with suppress(BrokenResult):
            numbers.append(read_sequence(files.builds) if files.builds.exists() else 0)
        with suppress(BrokenResult):
            failure = _read_failure(files.failure)
            numbers.append(sequence_of(failure.provenance) if failure is not None else 0)
        with suppress(BrokenResult):
            numbers += [sequence_of(one.provenance) for one in read_summary(files.summary).builds]
        return max(numbers)

    def forget_failure(self, header: PointHeader) -> None:
        """Remove a stored failure, so that the point can be tried again."""
        self.files_of(self.path_of(header)).failure.unlink(missing_ok=True)

    def forget_summary(self, header: PointHeader) -> None:
        """Remove the summary of a point of which builds or a failure are stored."""
        for path in self.path_of(header).parent.glob(f"*-{header.identity.key}{SUMMARY}"):
            path.unlink(missing_ok=True)

    def costs(self, dataset: str) -> Iterator[tuple[PointHeader, list[BuildCost]]]:
        """Yield what the points of a dataset took; those that cannot be read are left out."""
        for stem in self.stems(dataset):
            with suppress(BrokenResult):
                yield read_costs(self.files_of(stem).builds)

    def stems(self, dataset: str | None = None) -> list[Path]:
        """Return the paths of all stored points, or a dataset's, without endings, in order."""
        name = "*" if dataset is None else glob.escape(dataset)
        return self._stems_of(self.root, f"{name}/*/*/*")

    def _stems_of(self, folder: Path, pattern: str = "*") -> list[Path]:
        endings = (POINT, FAILURE, SUMMARY)
        names = {
            str(path).removesuffix(FAILURE).removesuffix(SUMMARY).removesuffix(POINT)
            for path in folder.glob(pattern)
            if path.name.endswith(endings) and not path.name.startswith(".")
        }
        return list(map(Path, sorted(names)))

    def files_of(self, stem: Path) -> Files:
        """Return the paths of a point's files; each may be missing."""
        return Files(*(stem.with_name(stem.name + ending) for ending in (POINT, FAILURE, SUMMARY)))

    def files_there(self, stem: Path) -> list[Path]:
        """Return the paths of the files that `stored` reads of a point."""
        there = [path for path in self.files_of(stem) if path.exists()]
        return [path for path in there if not path.name.endswith(SUMMARY)] or there

    def stored(self, stem: Path) -> Stored:
        """Return what is stored of a point; a summary beside builds or a failure is not read.

        Raises
        ------
        BrokenResult
            If one of its files cannot be read.
        """
        (builds, failed, stated), there = self.files_of(stem), self.files_there(stem)
        point = read_point(builds) if builds in there else None
        summary = read_summary(stated) if stated in there else None
        return Stored(point, _read_failure(failed), builds, summary)

    def truth_path(self, identity: PointIdentity) -> Path:
        """Return the file of the true neighbours of a point."""
        return self.root / identity.dataset / str(identity.k) / _truth_name(identity.fingerprint)

    def truths(self, dataset: str, fingerprint: str) -> dict[int, Path]:
        """Return the files of true neighbours of a dataset by their k, the largest first."""
        name = f"{glob.escape(dataset)}/*/{_truth_name(fingerprint)}"
        found = {path.parent.name: path for path in self.root.glob(name)}
        ks = sorted((int(k) for k in found if k.isdecimal()), reverse=True)
        return {k: found[str(k)] for k in ks if str(k) in found}

    def write_truth(self, identity: PointIdentity, truth: Truth) -> None:
        """Store the truth beside the results, so that they can be plotted without the dataset.

        An undamaged truth is kept, a damaged one is replaced.
        """
        path = self.truth_path(identity)
        try:
            self.read_truth(identity)
        except BrokenResult as broken:
            if os.path.lexists(path) and not path.is_file():
                broken.set_aside()
        else:
            return
        with replacing(path, durable=True) as temporary, temporary.open("wb") as out:
            if truth.matches is None or truth.nearness is None:
                np.savez_compressed(out, ids=truth.ids, distances=truth.distances)
            else:
                np.savez_compressed(
                    out,
                    ids=truth.ids,
                    distances=truth.distances,
                    matches=truth.matches[:, None],
                    nearness=truth.nearness[:, None],
                )

    def owns(self, path: Path) -> bool:
        """Whether a path lies in this folder, links followed."""
        return path.resolve().is_relative_to(self.root.resolve())

    def holds_truth(self, identity: PointIdentity) -> bool:
        """Whether the truth of a point is stored and undamaged."""
        try:
            self.read_truth(identity)
        except BrokenResult:
            return False
        return True

    def read_truth(self, identity: PointIdentity) -> Truth:
        """Return the true neighbours of a point.

        Raises
        ------
        BrokenResult
            If it is missing or cannot be read.
        """
        path = self.truth_path(identity)
        return read_truth(path, identity.k, filtered=identity.is_filtered)


def cannot_lock(path: Path, error: OSError) -> UserError:
    """Return the mistake that a lock of the results folder cannot be made."""
    return UserError(f"cannot lock the results folder: {error.strerror}", where=str(path))


def _truth_name(fingerprint: str) -> str:
    return f"truth-{fingerprint[:16]}.npz"


def _read_failure(path: Path) -> Failure | None:
    if not path.exists():
        return None
    with reading(path), path.open("rb") as file:
        return failure_of(file.read(MOST_JSON_CHARACTERS + 1).decode())


def _unless_broken(read: Callable[[Path], _T], path: Path) -> _T | None:
    """What is read from a file; None if there is none, or it is damaged.

    Raises
    ------
    UserError
        If the file is there and cannot be read: to count it as nothing would measure it again.
    """
    try:
        return read(path) if path.exists() else None
    except BrokenResult as broken:
        fault = broken.fault_of_machine
        if fault is None:
            return None
    except OSError as error:  # from a folder that may not be entered
        fault = error
    raise UserError(
        "a stored result cannot be read",
        where=str(path),
        got=told(fault),
        hint="make it readable, move it away, or name another folder (results)",
    ) from fault
