"""Is a package of results what it says? Everything that can be computed anew is compared.

What cannot be seen in a file: times that were altered together with all that depends on them. A
package vouches for arithmetic, hashes and consistency, not for its sender.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.contracts.dataset import Truth
from harness.data.cache.cached import CachedDataset, cached_by_name, open_cached
from harness.data.truth.store import stored_truth
from harness.files.progress import Progress, silent
from harness.files.source_code import source_sha256
from harness.interop.manifest_checks import manifest_findings
from harness.interop.package import (
    QUERIES,
    Package,
)
from harness.interop.point_checks import Finding, Level, contradictions, doubts, names_twice
from harness.interop.taking import ambiguous
from harness.measures.distances import distances_and_scales
from harness.registry.registry import Registry
from harness.results.files import require_same_foreign_part
from harness.results.identity import PointIdentity
from harness.results.point import Build, PointHeader, StoredPoint
from harness.results.store import Stored
from harness.results.table.rows import load_results, table_of
from harness.results.untrusted.checks import BrokenResult
from harness.text import Json

_FINGERPRINT = re.compile("[0-9a-f]{64}")
_WORK = "checking results"

Adapters = Callable[[str], str | None]
"""Gives the sha256 of an algorithm's adapter here, None for an unknown algorithm."""


@dataclass(frozen=True)
class Checked:
    """A package that was checked: the points that its files hold, and what was found."""

    path: Path
    points: int
    machines: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> bool:
        return any(finding.level == "refused" for finding in self.findings)

    @property
    def doubtful(self) -> bool:
        return any(finding.level == "warning" for finding in self.findings)


def check_package(
    package: Package, registry: Registry, results: Path | None = None, progress: Progress = silent
) -> Checked:
    """Compare a package with itself, and with the datasets, adapters and results at hand.

    Hashes; keys, recall and all other figures of the manifest, computed anew; answers against the
    true neighbours; the copy of the figures for ann-benchmarks' tools; the machine of the key
    against that of the provenance; the doctor's grade. Where the cache holds the dataset, all
    distances and true neighbours too.

    Parameters
    ----------
    results
        A results folder that the package may be merged into, to say which machines are new there.
    """
    found = [Finding("refused", name, reason) for name, reason in package.damaged.items()]
    stems = package.store.stems()
    datasets, seen = _Datasets(), _Seen()
    adapters = cache(partial(_sha256_here, registry))
    for number, stem in enumerate(stems):
        progress(_WORK, number, len(stems))
        found += _of_stem(package, stem, datasets, seen, adapters)
    found += _of_truths(package, seen)
    found += _of_strays(package, seen)
    table = _table(package, found)
    found += manifest_findings(package, table)
    found += _of_machines(table, results)
    found += datasets.notes()
    machines = tuple(sorted(set(map(str, table["machine"]))))
    return Checked(package.path, len(table), machines, _once(found))


# A point -----------------------------------------------------------------------------------------


@dataclass
class _Seen:
    """What the points of a package have in common: files, keys, facts of datasets."""

    files: set[Path] = field(default_factory=set)
    keys: dict[str, str] = field(default_factory=dict)
    datasets: dict[tuple[str, str], PointHeader] = field(default_factory=dict)

    def contradictions(self, where: str, header: PointHeader) -> Iterator[str]:
        """Take in a point; yield how it contradicts those before it."""
        identity = header.identity
        first = self.keys.setdefault(identity.key, where)
        if first != where:
            yield f"is the same point as {first}"
        other = self.datasets.setdefault((identity.dataset, identity.fingerprint), header)
        facts = [(h.n, h.d, h.nq, h.identity.metric) for h in (header, other)]
        if facts[0] != facts[1]:
            yield f"its dataset is {facts[0]}, that of {other.label} is {facts[1]}"
        if not _FINGERPRINT.fullmatch(identity.fingerprint):
            yield "its fingerprint is no sha256"


def _of_stem(
    package: Package, stem: Path, datasets: _Datasets, seen: _Seen, adapters: Adapters
) -> Iterator[Finding]:
    where = _name(package, stem)
    if reason := ambiguous(package.store, stem):
        yield Finding("refused", where, reason)
        return
    try:
        stored = package.store.stored(stem)
    except BrokenResult as error:
        yield Finding("refused", where, error.reason)
        return
    if not _headers(stored):
        return  # its file is told of as one that belongs to no result
    if stored.point is not None:
        try:
            require_same_foreign_part(stored.path)
        except BrokenResult as error:
            yield Finding("refused", where, error.reason)
    seen.files |= {*package.store.files_there(stem)}
    for text in seen.contradictions(where, _headers(stored)[0]):
        yield Finding("refused", where, text)
    yield from _of_point(package, stem, stored, datasets, adapters)


def _of_point(
    package: Package, stem: Path, stored: Stored, datasets: _Datasets, adapters: Adapters
) -> Iterator[Finding]:
    where = _name(package, stem)
    for header in _headers(stored):
        if package.store.path_of(header) != stem:
            key = header.identity.key
            text = f"the file name does not match its content (key {key})"
            yield Finding("refused", where, text)
            return
    header = _headers(stored)[0]
    if stored.summary is not None:
        text = "without its answers and times: recall and latency are as its sender states them"
        yield Finding("warning", where, text)
    if stored.point is not None:
        yield from _of_builds(package, where, stored.point)
    builds = stored.point.builds if stored.point is not None else ()
    for text in datasets.contradictions(builds, header):
        yield Finding("refused", where, text)
    for provenance in _provenances(stored):
        for level, text in doubts(header.identity, provenance):
            yield Finding(level, where, text)
    yield from _of_adapter(where, header.identity, adapters)


def _of_builds(package: Package, where: str, point: StoredPoint) -> Iterator[Finding]:
    """Yield how the answers of a point contradict the true neighbours."""
    try:
        truth = package.store.read_truth(point.header.identity)
    except BrokenResult as error:
        yield Finding("refused", where, f"no true neighbours: {error.reason}")
        return
    for build in point.builds:
        for level, text in contradictions(point.header, build, truth):
            yield Finding(level, f"{where}, build {build.number}", text)


def _sha256_here(registry: Registry, algorithm: str) -> str | None:
    definition = registry.algorithms.get(algorithm)
    return None if definition is None else source_sha256(*definition.source_folders)


def _headers(stored: Stored) -> list[PointHeader]:
    parts = (stored.measured, stored.failure)
    return [part.header for part in parts if part is not None]


def _provenances(stored: Stored) -> list[Json]:
    builds = stored.measured.builds if stored.measured is not None else ()
    failures = [stored.failure.provenance] if stored.failure is not None else []
    return [*(build.provenance for build in builds), *failures]


def _of_adapter(where: str, identity: PointIdentity, adapters: Adapters) -> Iterator[Finding]:
    ours = adapters(identity.algorithm)
    if ours is None:
        yield Finding("note", where, f"no adapter {identity.algorithm} is registered here")
    elif ours != identity.adapter_sha256:
        text = f"measured with another version of the adapter {identity.algorithm} than is here"
        yield Finding("warning", where, text)


def _of_truths(package: Package, seen: _Seen) -> Iterator[Finding]:
    """Check all true neighbours: those for a small k are the first of those for a large one."""
    for (dataset, fingerprint), header in seen.datasets.items():
        widest: Truth | None = None
        for k, path in package.store.truths(dataset, fingerprint).items():
            if path in seen.files:
                yield Finding("refused", _name(package, path), "is of two datasets")
            seen.files.add(path)
            try:
                truth = package.store.read_truth(replace(header.identity, k=k))
            except BrokenResult as error:
                yield Finding("refused", _name(package, path), error.reason)
                continue
            if truth.ids.max() >= header.n or names_twice(truth.ids):
                text = f"names a row twice, or one that is none of {header.n}"
                yield Finding("refused", _name(package, path), text)
            ours = stored_truth(fingerprint, k)
            for other in (one for one in (widest, ours) if one is not None):
                if not _alike(other.distances[:, :k], truth.distances):
                    text = "its true neighbours are not those of the dataset, or of another k"
                    yield Finding("refused", _name(package, path), text)
            widest = widest or truth


def _of_strays(package: Package, seen: _Seen) -> Iterator[Finding]:
    for name in package.manifest.files:
        path = package.root / name
        if name != QUERIES and name not in package.damaged and path not in seen.files:
            yield Finding("refused", name, "belongs to no result that could be checked")


# Datasets at hand --------------------------------------------------------------------------------


class _Datasets:
    """The datasets of a package that the cache holds, and those that it lacks."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], CachedDataset | None] = {}

    def contradictions(self, builds: Sequence[Build], header: PointHeader) -> Iterator[str]:
        """Yield how a header, and the distances of answers, differ from the dataset at hand."""
        identity = header.identity
        dataset = self._of(identity)
        if dataset is None:
            return
        if dataset.fingerprint != identity.fingerprint:
            yield "the dataset of this name in the cache has another content"
            return
        rows = (dataset.base, dataset.queries)
        if (len(rows[0]), rows[0].shape[1], len(rows[1])) != (header.n, header.d, header.nq):
            yield "its numbers of rows, dimensions or queries are not those of the dataset"
            return
        for build in builds:
            answers = (build.neighbors, build.distances, build.scales)
            for ids, found, tolerances in zip(*answers, strict=True):
                distances, scales = distances_and_scales(identity.metric, *rows, ids)
                if not _alike(distances, found):
                    yield f"build {build.number}: its distances are not those of its answers"
                if not _alike(scales.astype(np.float32), tolerances):
                    yield f"build {build.number}: its tolerances of ties are not the right ones"

    def notes(self) -> list[Finding]:
        """Say which datasets were not at hand."""
        text = "is not in the cache: distances were compared with the true neighbours alone"
        lacking = sorted({name for (name, _), found in self._known.items() if found is None})
        return [Finding("note", name, text) for name in lacking]

    def _of(self, identity: PointIdentity) -> CachedDataset | None:
        name = (identity.dataset, identity.fingerprint)
        if name not in self._known:
            path = cached_by_name(identity.dataset)
            self._known[name] = open_cached(path) if path is not None else None
        return self._known[name]


def _alike(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    # Libraries of other machines may round the last digits of a distance differently.
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-6, atol=1e-9)


# The package as a whole --------------------------------------------------------------------------


def _table(package: Package, found: list[Finding]) -> pd.DataFrame:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = table_of(package.store, package.store.stems())
    if not any(finding.level == "refused" for finding in found):
        found += [Finding("refused", package.path.name, str(one.message)) for one in caught]
    return table


def _of_machines(table: pd.DataFrame, results: Path | None) -> Iterator[Finding]:
    if results is None or not results.is_dir():
        return
    here = set(load_results(results)["machine"])
    for machine in sorted(set(table["machine"]) - here):
        if here:
            text = "no result here is of this machine: shown apart, and never compared with others"
            yield Finding("note", machine, text)


def _name(package: Package, stem: Path) -> str:
    return stem.relative_to(package.store.root).as_posix()


def _once(found: list[Finding]) -> tuple[Finding, ...]:
    """The findings, each once: those of one text are told of the first, with their number."""
    groups: dict[tuple[Level, str], list[str]] = {}
    for finding in found:
        groups.setdefault((finding.level, finding.found), []).append(finding.where)
    order: dict[Level, int] = {"refused": 0, "warning": 1, "note": 2}
    told_once = [Finding(level, _places(at), text) for (level, text), at in groups.items()]
    return tuple(sorted(told_once, key=lambda finding: order[finding.level]))


def _places(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
