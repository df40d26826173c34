"""Stores what came of blocks: the only writer of results."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Truth
from harness.data.cache.cached import CachedDataset
from harness.measures.distances import distances_and_scales
from harness.registry.suites import Suite
from harness.results.identity import PointIdentity
from harness.results.point import BlockShare, Build, BuildFacts, Failure, PointHeader
from harness.results.store import ResultStore
from harness.results.untrusted.checks import check_build
from harness.results.untrusted.schema import facts_of
from harness.running.blocks import BlockOutcome, Measured, TaskFailure
from harness.running.environments.isolated import Environment, EnvironmentFailed
from harness.running.machine.facts import impersonal, impersonal_data, signature
from harness.running.plan import PlannedPoint
from harness.text import Json


class StoreFull(Exception):
    """A disk became full during a run; the files in the results folder are undamaged."""

    def __init__(self, what: str, path: Path, reason: str, added: int) -> None:
        super().__init__(f"{what} {path}: {reason}")
        self.what = what
        self.path = path
        self.reason = reason
        self.added = added


class Unreadable(Exception):
    """A build that the checks of stored files would refuse; the message says why."""


class Recorder:
    """Writes the truths, builds and failures of a run into its results folder.

    Each method raises `StoreFull` if the folder can no longer be written.

    Parameters
    ----------
    signed
        Store user and host name; else they are taken out of all that is stored.

    Attributes
    ----------
    added
        How many builds were stored.
    outdated
        Keys of points of which nothing that is stored stays beside what is stored next.
    """

    def __init__(self, store: ResultStore, suite: Suite, *, signed: bool) -> None:
        self._store = store
        self._suite = suite
        self._signed = signed
        self._told: Callable[[str], str] = str if signed else impersonal
        self.added = 0
        self.outdated: set[str] = set()

    def truth(self, identity: PointIdentity, truth: Truth) -> None:
        """Store the true neighbours of a point's dataset."""
        with self._writing():
            self._store.write_truth(identity, truth)

    def forget_failures(self, headers: Iterable[PointHeader], statuses: frozenset[str]) -> None:
        """Remove the stored failures of some statuses."""
        with self._writing():
            for header in headers:
                failure = self._store.failure(header)
                if failure is not None and failure.status in statuses:
                    self._store.forget_failure(header)

    def build(
        self, outcome: BlockOutcome, measured: Measured, point: PlannedPoint, dataset: CachedDataset
    ) -> None:
        """Store a build; distances are computed here, where no adapter is loaded.

        Raises
        ------
        Unreadable
            If it could not be read back: its worker shares a process with an adapter.
        """
        base, queries = dataset.search_base, dataset.search_queries
        pairs = [
            distances_and_scales(dataset.metric, base, queries, ids) for ids in measured.neighbors
        ]
        build = Build(
            number=outcome.number,
            times=measured.times,
            walls=measured.walls,
            neighbors=measured.neighbors.astype(np.int64),
            distances=np.stack([distances for distances, _ in pairs]),
            scales=np.stack([scales for _, scales in pairs]).astype(np.float32),
            facts=self._with_warnings(measured.facts, point.definition.untested()),
            diagnostics={
                table: {name: self._column(values) for name, values in columns.items()}
                for table, columns in measured.diagnostics.items()
            },
            provenance=self._provenance(outcome, point.environment),
            block=BlockShare(
                id=outcome.id,
                cycles=measured.cycles,
                window=outcome.window,
                reference_times=outcome.reference_times,
                order_seed=outcome.order_seed,
            ),
            load=measured.load,
        )
        try:
            _require_readable(point.header, build)
        except ValueError as error:
            raise Unreadable(str(error)) from error
        keeps = self._keeps(point.header.identity.key)
        with self._writing():
            self._store.add_build(point.header, build, keeps)
        self.added += 1

    def failure(
        self, header: PointHeader, failed: TaskFailure, outcome: BlockOutcome | None = None
    ) -> Failure:
        """Store a failure and return it; without an outcome, nothing of the point was begun."""
        failure = Failure(
            header=header,
            status=failed.status,
            reason=self._told(failed.reason),
            log_tail=self._told(failed.log_tail),
            peak_bytes=failed.peak_bytes,
            seconds=failed.seconds,
            build_number=outcome.number if outcome else None,
            provenance=self._provenance(outcome, None),
        )
        keeps = self._keeps(header.identity.key)
        with self._writing():
            self._store.write_failure(failure, keeps)
        return failure

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise StoreFull("the results folder", self._store.root, reason, self.added) from error

    def _keeps(self, key: str) -> bool:
        """Whether what is stored of a point stays beside what is stored next."""
        outdated = key in self.outdated
        self.outdated.discard(key)
        return not outdated

    def _provenance(
        self, outcome: BlockOutcome | None, environment: Environment | EnvironmentFailed | None
    ) -> Json:
        made = environment.provenance() if isinstance(environment, Environment) else None
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        facts = {
            "finished_at": now,
            **(outcome.provenance if outcome else {}),
            "environment": made,
            "suite": self._suite.name,
            "tuned": self._suite.tuned,
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        }
        return {**facts, "signature": signature()} if self._signed else impersonal_data(facts)

    def _with_warnings(self, facts: BuildFacts, warnings: Iterable[str]) -> BuildFacts:
        return replace(facts, warnings=(*map(self._told, facts.warnings), *warnings))

    def _column(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """A column of diagnostics, which may hold texts."""
        if values.dtype.kind != "U":
            return values
        return np.array([self._told(text) for text in values.tolist()], dtype=np.str_)


def _require_readable(header: PointHeader, build: Build) -> None:
    """Raise ValueError if the checks of stored files would refuse a build."""
    check_build(header, build)
    facts_of(json.dumps(build.facts.to_json()))
    for table, columns in build.diagnostics.items():
        if len({len(values) for values in columns.values()}) > 1:
            raise ValueError(f"the columns of {table} differ in length")
        types = [values.dtype for values in columns.values()]
        if any(one.kind != "U" and one.itemsize > 8 for one in types):
            raise ValueError(f"numbers of {table} that are no float64")
