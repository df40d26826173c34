"""The results table: a row for each stored point, with metrics from the stored neighbours."""

from __future__ import annotations

import warnings as python_warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.results.point import Failure, PointHeader, StoredPoint
from harness.results.store import ResultStore, Stored
from harness.results.table.columns import Row, completed, frame_of, or_nan
from harness.results.table.conditions import adjust_qps, count_build_queries, mark_near_no_op
from harness.results.table.filters import filter_columns
from harness.results.table.loads import load_columns, load_warnings
from harness.results.table.provenance import (
    Provenances,
    commit_of,
    is_at,
    of_commit,
    provenance_columns,
)
from harness.results.table.recalls import nearness_columns, recall_columns
from harness.results.table.row_cache import Entry, RowCache
from harness.results.table.sizes import size_columns
from harness.results.table.speeds import speed_columns
from harness.results.table.summaries import summary_columns
from harness.results.table.truths import TruthAtHand, Truths
from harness.results.untrusted.checks import BrokenResult

Float64 = NDArray[np.float64]


def load_results(
    path: Path | str,
    *,
    stale: bool = True,
    per_query: bool = False,
    commit: str | None = None,
    overhead: bool = False,
    truth_at_hand: TruthAtHand | None = None,
) -> pd.DataFrame:
    """Return all points below a results folder as a table, one row per point.

    Parameters
    ----------
    path
        A results folder.
    stale
        Whether to keep points of which a newer version is stored; they are marked in any case.
    per_query
        Whether to add the columns `recall_of_queries` and `first_recall_of_queries`, each a
        `(builds, nq, k)` array per point; they take 16 nq k bytes per build.
    commit
        Keep what was measured at this git commit, or one that begins so: points with those of
        their builds alone. What is stale is judged among them.
    overhead
        Whether to keep the points of `no-op`, which measure the harness's own overhead and find
        nothing. The column `no_op_qps` tells their speed in any case.
    truth_at_hand
        Gives the true neighbours where those in the folder are missing or damaged; they are then
        stored there. None for a dataset that is not at hand.

    Raises
    ------
    UserError
        If the folder cannot be read.

    Warns
    -----
    UserWarning
        Names each result file that is broken; it is skipped.
    """
    store = ResultStore(Path(path))
    store.require_readable()
    stems = store.stems()
    table = table_of(store, stems, per_query=per_query, commit=commit, truth_at_hand=truth_at_hand)
    RowCache(store.root).keep_only(stems)
    wanted = (table["in_answers"] | overhead) & (~table["stale"] | stale)
    return table[wanted].reset_index(drop=True)


def mark_outdated(
    table: pd.DataFrame, sources: Mapping[str, str], fingerprints: Mapping[str, str]
) -> pd.DataFrame:
    """Return the table with points marked stale whose adapter or dataset has changed here.

    Parameters
    ----------
    sources
        Algorithm to the sha256 of its adapter's source at hand.
    fingerprints
        Dataset to the fingerprint of the dataset at hand; what is in neither is left as it is.
    """
    changed = np.zeros(len(table), dtype=bool)
    for at_hand, name, recorded in (
        (sources, "algorithm", "adapter_sha256"),
        (fingerprints, "dataset", "fingerprint"),
    ):
        now = table[name].map(dict(at_hand))
        changed |= (now.notna() & (now != table[recorded])).to_numpy()
    return table.assign(stale=table["stale"].to_numpy(dtype=bool) | changed)


def table_of(
    store: ResultStore,
    stems: Iterable[Path],
    *,
    per_query: bool = False,
    commit: str | None = None,
    truth_at_hand: TruthAtHand | None = None,
) -> pd.DataFrame:
    """Return the table of some stored points, given by their paths without endings.

    The rest is as for `load_results`.
    """
    cache = None if per_query else RowCache(store.root)
    truths = Truths(store, truth_at_hand, cache)
    reader = _Reader(store, truths, Provenances(), per_query, commit, cache)
    rows = [row for stem in stems if (row := reader.row(stem)) is not None]
    _mark_stale(rows)
    adjust_qps(rows)
    count_build_queries(rows)
    mark_near_no_op(rows)
    return frame_of(rows, per_query=per_query)


@dataclass(frozen=True)
class _Reader:
    """Computes rows of stored points; reads once what many points share."""

    store: ResultStore
    truths: Truths
    provenances: Provenances
    per_query: bool
    commit: str | None
    cache: RowCache | None

    def row(self, stem: Path) -> Row | None:
        """The row of a point; None if nothing usable is stored."""
        try:
            entry = self.cache.get(stem) if self.cache is not None else None
            if entry is None or self._mixed(entry):
                entry = self._made(stem)
            elif not self._at_commit(entry):
                return None
            return None if entry is None else self._completed(entry, stem)
        except BrokenResult as broken:
            broken.require_resources()
            python_warnings.warn(f"skipped a broken result: {broken}", stacklevel=4)
            return None

    def _at_commit(self, entry: Entry) -> bool:
        """Whether any part was measured at the commit asked for."""
        return self.commit is None or any(is_at(one, self.commit) for one in entry.commits)

    def _mixed(self, entry: Entry) -> bool:
        """Whether the row is asked for only a part of what is stored."""
        if self.commit is None or all(is_at(one, self.commit) for one in entry.commits):
            return False
        return self._at_commit(entry) or entry.row["status"] != "ok"

    def _made(self, stem: Path) -> Entry | None:
        """The entry of a point, computed from its files; kept for the next time if complete."""
        files = self.store.files_of(stem)
        before = {} if self.cache is None else {path: self.cache.source(path) for path in files}
        stored = self.store.stored(stem)
        if self.commit is not None:
            stored = of_commit(stored, self.commit)
        if stored.failure is not None:
            header, found = stored.failure.header, [stored.failure.provenance]
            figures = _failure(stored.failure)
        elif stored.point is not None:
            header, found = stored.point.header, [b.provenance for b in stored.point.builds]
            if self.cache is not None:
                before[self.store.truth_path(header.identity)] = self.truths.source(header)
            figures = self._figures(stored.point)
        elif stored.summary is not None:
            header, found = stored.summary.header, [b.provenance for b in stored.summary.builds]
            figures = summary_columns(stored.summary)
        else:
            return None
        row = {**_identity_columns(header, stored), **figures, **provenance_columns(stored)}
        root = self.store.root
        sources = {path.relative_to(root).as_posix(): one for path, one in before.items()}
        entry = Entry(header, row, tuple(map(commit_of, found)), sources)
        if self.cache is not None and self.commit is None:
            self.cache.put(stem, entry)
        return entry

    def _completed(self, entry: Entry, stem: Path) -> Row:
        """The row with the columns that are not kept: its paths, and what many points share."""
        shared: Row = {"path": str(self.store.files_of(stem).builds)}
        if entry.row["has_answers"]:
            shared["query_difficulty"] = self.truths.difficulty(entry.header)
        parts = entry.row["provenance"]
        shared["provenance"] = {name: self.provenances.once(part) for name, part in parts.items()}
        return completed({**entry.row, **shared}, per_query=self.per_query)

    def _figures(self, point: StoredPoint) -> Row:
        header = point.header
        truth = self.truths.of(header)
        recall = recall_columns(header.identity, point.builds, truth.distances, self.per_query)
        filters = filter_columns(point, truth) if header.identity.is_filtered else {}
        of_builds = [warning for build in point.builds for warning in build.facts.warnings]
        return {
            **filters,
            "log_tail": "",
            **recall,
            **nearness_columns(header.identity.metric, point.builds, truth.distances),
            **speed_columns(point),
            **load_columns(point),
            **size_columns(header, [build.facts for build in point.builds]),
            "has_answers": True,
            "diagnostics": dict(point.builds[0].diagnostics),
            "warnings": tuple(dict.fromkeys([*of_builds, *load_warnings(point)])),
            "nondeterministic": any(len(b.neighbors) > 1 for b in point.builds),
        }


def _identity_columns(header: PointHeader, stored: Stored) -> Row:
    identity = header.identity
    return {
        "dataset": identity.dataset,
        "track": "filtered" if identity.is_filtered else "plain",
        "algorithm": identity.algorithm,
        "label": header.label,
        "name": header.name,
        "build": dict(identity.build),
        "search": dict(identity.search),
        "k": identity.k,
        "mode": identity.mode,
        "threads": identity.threads,
        "build_threads": identity.build_threads,
        "builds": stored.builds,
        "repeats": stored.repeats,
        "has_answers": False,
        "status": "ok",
        "reason": "",
        "stale": False,
        "metric": identity.metric,
        "n": header.n,
        "d": header.d,
        "nq": header.nq,
        "machine": identity.machine.short(),
        "in_answers": header.in_answers,
        "key": identity.key,
        "adapter_sha256": identity.adapter_sha256,
        "fingerprint": identity.fingerprint,
        "question": identity.question,
    }


def _failure(failure: Failure) -> Row:
    return {
        "status": failure.status,
        "reason": failure.reason,
        "log_tail": failure.log_tail,
        "peak_rss_bytes": or_nan(failure.peak_bytes),
        "seconds_spent": or_nan(failure.seconds),
    }


def _mark_stale(rows: list[Row]) -> None:
    """Of the versions of one point, all but the newest are stale."""
    newest: dict[str, Row] = {}
    for row in rows:
        other = newest.get(row["question"])
        if other is None or other["sequence"] < row["sequence"]:
            newest[row["question"]] = row
    for row in rows:
        row["stale"] = newest[row["question"]] is not row
