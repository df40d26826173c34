"""Is a package of results what it says? Everything that can be computed anew is compared.

What cannot be seen in a file: times that were altered together with all that depends on them. A
package vouches for arithmetic, hashes and consistency, not for its sender.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import harness
from harness.contracts.dataset import Truth
from harness.data.cache.cached import CachedDataset, cached_by_name, open_cached
from harness.data.truth.store import stored_truth
from harness.files.progress import Progress, silent
from harness.interop.package import FIGURES, QUERIES, Package, PackedPoint, figures_of
from harness.measures.distances import RELATIVE_TOLERANCE, distances_and_scales
from harness.registry.registry import Registry
from harness.report.analysis.points import rows_of
from harness.report.export.exporting import query_rows
from harness.results.files import require_same_foreign_part
from harness.results.identity import PointIdentity, source_sha256
from harness.results.point import Build, PointHeader
from harness.results.store import Stored
from harness.results.table.columns import Row
from harness.results.table.rows import load_results, table_of
from harness.results.untrusted.checks import BrokenResult
from harness.text import Json, clean, counted, told

Level = Literal["refused", "warning", "note"]

_SAME = 1e-9  # of figures that are computed anew from the same file
_SPEEDS = ("qps", "qps_low", "qps_high", "mean_ms", "p99_ms")
_GRADES: dict[object, Level] = {"A": "note", "B": "note", "C": "note", "D": "warning"}
_QUERIES_AT_ONCE = 1000
_WORK = "checking results"


@dataclass(frozen=True)
class Finding:
    """What was found of a point or a file, or of the package as a whole.

    `refused` is a contradiction, or damage; a `warning` makes a point doubtful; a `note` says what
    could not be checked here.
    """

    level: Level
    where: str
    found: str


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
    stored, broken = _stored(package)
    found += broken
    datasets = _Datasets()
    for number, one in enumerate(stored):
        progress(_WORK, number, len(stored))
        found += _of_point(package, one, datasets, registry)
    table = _table(package, found)
    found += _of_figures(package, table)
    found += _of_queries(package, table)
    found += _of_machines(table, results)
    found += datasets.notes()
    return Checked(package.path, len(stored), tuple(package.manifest.machines), _once(found))


# A point -----------------------------------------------------------------------------------------


def _stored(package: Package) -> tuple[list[tuple[Path, Stored]], list[Finding]]:
    stored: list[tuple[Path, Stored]] = []
    broken: list[Finding] = []
    for stem in package.store.stems():
        try:
            one = package.store.stored(stem)
            stored.append((stem, one))
            if one.point is not None:
                require_same_foreign_part(one.path)
        except BrokenResult as error:
            broken.append(Finding("refused", _name(package, stem), error.reason))
    return stored, broken


def _of_point(
    package: Package, found: tuple[Path, Stored], datasets: _Datasets, registry: Registry
) -> Iterator[Finding]:
    stem, stored = found
    where = _name(package, stem)
    for header in _headers(stored):
        if package.store.path_of(header) != stem:
            key = header.identity.key
            text = f"its name is not that of its content, whose key is {key}"
            yield Finding("refused", where, text)
            return
    header = _headers(stored)[0]
    if stored.point is not None:
        try:
            truth = package.store.read_truth(header.identity)
        except BrokenResult as error:
            yield Finding("refused", where, f"no true neighbours: {error.reason}")
            return
        for build in stored.point.builds:
            for text in _contradictions(header, build, truth):
                yield Finding("refused", f"{where}, build {build.number}", text)
        for text in datasets.contradictions(stored.point.builds, header, truth):
            yield Finding("refused", where, text)
    for provenance in _provenances(stored):
        for level, text in _doubts(header.identity, provenance):
            yield Finding(level, where, text)
    yield from _of_adapter(where, header.identity, registry)


def _headers(stored: Stored) -> list[PointHeader]:
    parts = (stored.point, stored.failure)
    return [part.header for part in parts if part is not None]


def _provenances(stored: Stored) -> list[Json]:
    builds = stored.point.builds if stored.point is not None else ()
    failures = [stored.failure.provenance] if stored.failure is not None else []
    return [*(build.provenance for build in builds), *failures]


def _contradictions(header: PointHeader, build: Build, truth: Truth) -> Iterator[str]:
    """Yield what cannot be: within a build, and between its answers and the true neighbours."""
    if len(truth.ids) != header.nq:
        yield f"{header.nq} queries, the true neighbours are of {len(truth.ids)}"
        return
    if header.identity.mode == "single":
        sums = build.times.sum(axis=1)
        if (sums > build.walls * header.identity.threads * (1 + _SAME)).any():
            yield "its queries took longer together than the whole pass"
    for ids, distances, scales in zip(build.neighbors, build.distances, build.scales, strict=True):
        if _repeated(ids):
            yield "an answer names a row twice"
        if ((ids < 0) != np.isinf(distances)).any():
            yield "a missing answer with a distance, or a distance missing"
        far = _unlike_truth(ids, distances, scales.astype(np.float64), truth, header)
        if far:
            yield f"{counted(far, 'distance')} of answers cannot be, by the true neighbours"


def _repeated(ids: NDArray[np.int64]) -> bool:
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
    wrong = 0
    for start in range(0, len(ids), _QUERIES_AT_ONCE):
        part = slice(start, start + _QUERIES_AT_ONCE)
        same = ids[part, :, None] == truth.ids[part, None, :]
        is_true = same.any(axis=2)
        true = np.where(same, truth.distances[part, None, :], 0.0).sum(axis=2)
        last = truth.distances[part, -1:]
        own = distances[part]
        if squared:
            own, true, last = own**2, true**2, last**2
        slack = RELATIVE_TOLERANCE * scales[part]
        with np.errstate(invalid="ignore"):
            off = is_true & ~(np.abs(own - true) <= slack)
            near = ~is_true & (ids[part] >= 0) & (own < last - slack)
        wrong += int((off | near).sum())
    return wrong


def _doubts(identity: PointIdentity, provenance: Json) -> Iterator[tuple[Level, str]]:
    """Yield what makes a measurement doubtful: its machine, the doctor's grade, its commit."""
    machine = provenance.get("machine")
    facts = machine if isinstance(machine, Mapping) else {}
    stated = (identity.machine.cpu, identity.machine.cores)
    seen = (facts.get("cpu", stated[0]), facts.get("cores", stated[1]))
    if seen != stated:
        told_facts = [clean(f"{cpu}, {cores} cores", 200) for cpu, cores in (stated, seen)]
        yield "refused", f"its key is of {told_facts[0]}, its provenance of {told_facts[1]}"
    if not facts:
        yield "note", "does not say on what machine it was measured"
    conditions = provenance.get("conditions")
    grade = conditions.get("grade") if isinstance(conditions, Mapping) else None
    if grade not in _GRADES:
        yield "note", "the machine was not graded"
    elif grade in ("C", "D"):
        yield _GRADES[grade], f"measured on a machine of grade {grade}"
    source = provenance.get("source")
    if isinstance(source, Mapping) and source.get("dirty"):
        yield "warning", "measured with changes to the harness that are in no commit"


def _of_adapter(where: str, identity: PointIdentity, registry: Registry) -> Iterator[Finding]:
    definition = registry.algorithms.get(identity.algorithm)
    if definition is None:
        yield Finding("note", where, f"no adapter {identity.algorithm} is registered here")
    elif source_sha256(*definition.source_folders) != identity.adapter_sha256:
        yield Finding("warning", where, f"the adapter {identity.algorithm} is another one here")


# Datasets at hand --------------------------------------------------------------------------------


class _Datasets:
    """The datasets of a package that the cache holds, and those that it lacks."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], CachedDataset | None] = {}

    def contradictions(
        self, builds: Sequence[Build], header: PointHeader, truth: Truth
    ) -> Iterator[str]:
        """Yield how the distances and true neighbours differ from the dataset at hand."""
        identity = header.identity
        dataset = self._of(identity)
        if dataset is None:
            return
        rows = (dataset.base, dataset.queries)
        if (len(rows[0]), rows[0].shape[1], len(rows[1])) != (header.n, header.d, header.nq):
            yield "its numbers of rows, dimensions or queries are not those of the dataset"
            return
        ours = stored_truth(identity.fingerprint, identity.k)
        if ours is not None and not _alike(ours.distances, truth.distances):
            yield "its true neighbours are not those of the dataset"
        for build in builds:
            for ids, found in zip(build.neighbors, build.distances, strict=True):
                distances, _ = distances_and_scales(identity.metric, *rows, ids)
                if not _alike(distances, found):
                    yield f"build {build.number}: its distances are not those of its answers"

    def notes(self) -> list[Finding]:
        """Say which datasets were not at hand."""
        text = "not in the cache with this content: distances were compared with the truth alone"
        lacking = sorted({name for (name, _), found in self._known.items() if found is None})
        return [Finding("note", name, text) for name in lacking]

    def _of(self, identity: PointIdentity) -> CachedDataset | None:
        name = (identity.dataset, identity.fingerprint)
        if name not in self._known:
            path = cached_by_name(identity.dataset)
            dataset = open_cached(path) if path is not None else None
            fits = dataset is not None and dataset.fingerprint == identity.fingerprint
            self._known[name] = dataset if fits else None
        return self._known[name]


def _alike(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    # Libraries of other machines may round the last digits of a distance differently.
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-6, atol=1e-9)


# The manifest ------------------------------------------------------------------------------------


def _table(package: Package, found: list[Finding]) -> pd.DataFrame:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = table_of(package.store, package.store.stems())
    known = {finding.where for finding in found if finding.level == "refused"}
    if not known:
        found += [Finding("refused", package.path.name, str(one.message)) for one in caught]
    return table


def _of_figures(package: Package, table: pd.DataFrame) -> Iterator[Finding]:
    """Compare what the manifest states of each point with what its files give."""
    rows = {row["key"]: row for row in rows_of(table)}
    stated = {point.key: point for point in package.manifest.points}
    for key in rows.keys() - stated.keys():
        yield Finding("refused", _called(rows[key]), "is not in the manifest")
    for key, point in stated.items():
        where = f"{point.dataset}, {point.label} {point.parameters}"
        if key not in rows:
            yield Finding("refused", where, "is in the manifest, not in the files")
            continue
        row = rows[key]
        for name in ("dataset", "algorithm", "label", "k", "machine", "status", "builds"):
            if getattr(point, name) != row[name]:
                yield Finding("refused", where, _differs(name, getattr(point, name), row[name]))
        yield from _of_numbers(where, point, row, package.manifest.harness_version)


def _of_numbers(where: str, point: PackedPoint, row: Row, version: str) -> Iterator[Finding]:
    figures = figures_of(row)
    for name in FIGURES:
        stated, read = point.figures.get(name), figures.get(name)
        if _equal(stated, read):
            continue
        # Another version may estimate a speed otherwise; a recall is what it is.
        other = name in _SPEEDS and version != harness.__version__
        text = _differs(name, stated, read)
        yield Finding("warning" if other else "refused", where, text)


def _equal(stated: float | None, read: float | None) -> bool:
    if stated is None or read is None:
        return stated is read
    return math.isclose(stated, read, rel_tol=_SAME, abs_tol=_SAME)


def _differs(name: str, stated: object, read: object) -> str:
    texts = [f"{v:.6g}" if isinstance(v, float) else clean(v, 100) for v in (stated, read)]
    return f"{name} is {texts[0]} in the manifest, {texts[1]} by its files"


def _of_queries(package: Package, table: pd.DataFrame) -> Iterator[Finding]:
    """Compare the rows of queries, if there are any, with those computed anew."""
    path = package.root / QUERIES
    if not path.exists():
        return
    ours = query_rows(table)
    try:
        import pyarrow.parquet

        count = pyarrow.parquet.read_metadata(path).num_rows
        same = count == len(ours)
        if same:
            pd.testing.assert_frame_equal(pd.read_parquet(path), ours, check_dtype=False)
    except AssertionError:
        same = False
    except Exception as error:  # pyarrow raises many kinds for damaged files
        yield Finding("refused", QUERIES, f"cannot be read: {told(error)}")
        return
    if not same:
        yield Finding("refused", QUERIES, "its rows are not those of the results")


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


def _called(row: Row) -> str:
    return f"{row['dataset']}, {row['label']} {row['name']}"


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
