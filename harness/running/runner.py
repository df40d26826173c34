"""Runs the missing builds of a plan, block by block, and has the outcome of each stored."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.contracts import UserError
from harness.data.cache.cached import CachedDataset
from harness.data.filtered import with_filter_facts
from harness.data.truth.store import truth_of
from harness.results.point import (
    FAILURES,
    PointHeader,
)
from harness.results.store import ResultStore
from harness.running.block_specs import block_spec
from harness.running.blocks import BlockOutcome, BlockSpec, TaskFailure
from harness.running.dataset_locks import DatasetLocks
from harness.running.environments.isolated import EnvironmentFailed
from harness.running.executors.local import Executor
from harness.running.listener import Imprecise, Listener, RunningBlock, RunSummary, Silence
from harness.running.plan import Plan, PlannedPoint, missing_builds, retried
from harness.running.precision import MOST_BUILDS_FOR_PRECISION, Precision
from harness.running.processes.child import NoRoom
from harness.running.recording import Recorder, StoreFull, Unreadable
from harness.text import clean, counted

EXTRA_SHARE = 0.5
"""Of the time of the builds asked for may be added for precision."""


@dataclass(frozen=True)
class _Begun:
    """A block that is being measured, with its points by their keys."""

    shown: RunningBlock
    points: Mapping[str, PlannedPoint]
    dataset: CachedDataset
    began: float


@dataclass
class Runner:
    """Runs the points of a plan that are not stored yet.

    Parameters
    ----------
    force
        Run everything again; what is stored of a point stays until its first new build, or failure.
    retry
        Statuses of stored failures that are tried again.
    precision
        Add blocks beyond the suite's builds, up to 20, or repeats in them, until the half-width of
        every QPS interval is within this share of the QPS. None: the suite's builds are all.
    extra_seconds
        How long that may take; by default half as long as the suite's own builds took.
    signed
        Store user and host name; else they are taken out of all that is stored.
    """

    plan: Plan
    store: ResultStore
    executor: Executor
    listener: Listener = field(default_factory=Silence)
    force: bool = False
    retry: frozenset[str] = frozenset()
    precision: float | None = None
    extra_seconds: float | None = None
    signed: bool = False
    _blocks: int = 0
    _running: dict[str, _Begun] = field(default_factory=dict)
    _measured: set[str] = field(default_factory=set)
    _wanted: dict[str, dict[int, int]] = field(default_factory=dict)
    _recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        self._recorder = Recorder(self.store, self.plan.suite, signed=self.signed)

    def run(self) -> RunSummary:
        """Run what is missing and return a summary.

        Raises
        ------
        StoreFull
            If the results folder, or that for temporary files, can no longer be written.
        UserError
            If results that this run stored are gone at its end.
        """
        try:
            return self._run()
        except NoRoom as none:
            what = "the folder for temporary files (TMPDIR)"
            raise StoreFull(what, none.path, none.reason, self._recorder.added) from none

    def _run(self) -> RunSummary:
        self._write_truths()
        if self.force:
            self._recorder.outdated = {point.header.identity.key for point in self.plan.points}
        headers = [point.header for point in self.plan.points]
        self._recorder.forget_failures(headers, retried(self.retry))
        suite = self.plan.suite
        for point in self._supported():
            self._wanted[point.header.identity.key] = dict.fromkeys(
                range(suite.builds), suite.repeats
            )
        missing = {p.header.identity.key: self._missing(p) for p in self._supported()}
        kept = {key for key, builds in missing.items() if not builds}
        self._announce(missing, kept)
        self._record_refused()
        began = time.monotonic()
        self._run_blocks(range(suite.builds))
        # Under load the rate is given: further blocks are no help against its interval.
        refines = self.precision is not None and suite.mode != "load"
        imprecise = self._refine(time.monotonic() - began) if refines else []
        self._require_stored()
        return self._summary(kept, imprecise)

    # ---- what is to be done ---------------------------------------------------------------------

    def _supported(self) -> list[PlannedPoint]:
        return [point for point in self.plan.points if point.runs]

    def _missing(self, point: PlannedPoint) -> dict[int, int]:
        """The builds that a point lacks, each with the number of its repeats."""
        key = point.header.identity.key
        if key in self._recorder.outdated:
            return dict(self._wanted[key])
        return missing_builds(self.store, point.header, self._wanted[key])

    def _announce(self, missing: Mapping[str, Mapping[int, int]], kept: set[str]) -> None:
        """Say how many points there are and how many builds they will take."""
        builds = {
            (point.header.identity.build_key, number)
            for point in self._supported()
            for number in missing[point.header.identity.key]
        }
        self.listener.planned([point.header for point in self.plan.points], len(kept), len(builds))

    def _write_truths(self) -> None:
        questions = {
            self.store.truth_path(point.header.identity): point.header.identity
            for point in self.plan.points
        }
        for identity in questions.values():
            if not self.store.holds_truth(identity):
                dataset = self.plan.datasets[identity.dataset]
                progress = self.listener.progress
                truth = truth_of(dataset, identity.k, progress)
                truth = with_filter_facts(dataset, truth, progress)
                self._recorder.truth(identity, truth)

    def _record_refused(self) -> None:
        for point in self.plan.points:
            if point.refusal is not None:
                self._fail(point.header, TaskFailure("unsupported", point.refusal, "plan"))
            elif isinstance(point.environment, EnvironmentFailed):
                why = point.environment
                failure = TaskFailure("error", why.reason, "environment", why.log_tail)
                self._fail(point.header, failure)

    # ---- blocks ---------------------------------------------------------------------------------

    def _run_blocks(self, numbers: Sequence[int]) -> None:
        """Measure the missing builds of these numbers."""
        with DatasetLocks(self.store.locks) as locks:
            blocks = self._blocks_to_run(numbers, locks)
            for spec, outcome in self.executor.run_blocks(blocks, self._follow):
                block = self._running[spec.id]
                if outcome is not None:
                    self._take(outcome, block.points, block.dataset)
                else:
                    del self._running[spec.id]
                    locks.release(block.dataset)
                    self.listener.block_ended(block.shown, time.monotonic() - block.began)

    def _blocks_to_run(
        self, numbers: Sequence[int], locks: DatasetLocks
    ) -> Iterator[BlockSpec | None]:
        """Yield the blocks that lack something, one when the executor can begin it.

        None stands for "not yet": another run measures on every dataset that is left.
        """
        waiting = deque((one, n) for n in numbers for one in self.plan.datasets.values())
        while waiting:
            busy = 0
            while busy < len(waiting):
                dataset, number = waiting.popleft()
                if not self._lacking(dataset, number):
                    continue
                if not locks.hold(dataset):
                    waiting.append((dataset, number))
                    busy += 1
                elif lacking := self._lacking(dataset, number):  # another run may have ended
                    yield self._begun(dataset, number, max(*numbers, number) + 1, lacking)
                    busy = 0
                else:
                    locks.release(dataset)
            if waiting:
                yield None

    def _begun(
        self,
        dataset: CachedDataset,
        number: int,
        blocks: int,
        lacking: Sequence[tuple[PlannedPoint, int]],
    ) -> BlockSpec:
        """Return the block that measures these points, and note that it begins."""
        spec = block_spec(self.plan.suite, dataset, number, lacking)
        titles = tuple(member.title for member in spec.members)
        shown = RunningBlock(spec.id, dataset.name, number + 1, blocks, titles)
        points = {point.header.identity.key: point for point, _ in lacking}
        self._running[spec.id] = _Begun(shown, points, dataset, time.monotonic())
        self._blocks += 1
        self.listener.block_started(shown)
        return spec

    def _follow(self, spec: BlockSpec, title: str, phase: str, key: str | None) -> None:
        block = self._running[spec.id]
        point = block.points.get(key) if key is not None else None
        header = point.header if point is not None else None
        self.listener.phase(block.shown, title, phase, header)

    def _lacking(self, dataset: CachedDataset, number: int) -> list[tuple[PlannedPoint, int]]:
        """The points of a dataset that lack the build of this number, with their repeats."""
        return [
            (point, repeats)
            for point in self._supported()
            if point.header.identity.dataset == dataset.name
            and (repeats := self._missing(point).get(number, 0))
        ]

    def _take(
        self, outcome: BlockOutcome, points: Mapping[str, PlannedPoint], dataset: CachedDataset
    ) -> None:
        """Store the outcome of a block, or of a part of one; its processes have ended."""
        dataset.require_unchanged()
        for key, measured in outcome.finished.items():
            point = points[key]
            self._measured.add(key)
            try:
                self._recorder.build(outcome, measured, point, dataset)
            except Unreadable as error:
                reason = f"its worker told what cannot be stored: {error}"
                self._fail(point.header, TaskFailure("error", clean(reason), "finish"), outcome)
            else:
                self.listener.point_added(point.header, len(self.store.settled(point.header)))
        for key, failure in outcome.failed.items():
            self._fail(points[key].header, failure, outcome)
            self._measured.add(key)

    def _fail(
        self, header: PointHeader, failed: TaskFailure, outcome: BlockOutcome | None = None
    ) -> None:
        self.listener.point_failed(self._recorder.failure(header, failed, outcome))

    # ---- precision ------------------------------------------------------------------------------

    def _refine(self, seconds: float) -> list[Imprecise]:
        """Add blocks for points whose interval is too wide; return those that remain too wide."""
        assert self.precision is not None
        wanted = Precision(self.precision, self.plan.suite.repeats)
        allowed = EXTRA_SHARE * seconds if self.extra_seconds is None else self.extra_seconds
        until = time.monotonic() + allowed
        last = seconds / max(1, self._blocks)
        number = self.plan.suite.builds
        limit = f"{MOST_BUILDS_FOR_PRECISION} builds"
        while number < MOST_BUILDS_FOR_PRECISION and (wide := list(self._wide(wanted))):
            share = len({p.header.identity.build_key for p in wide}) / self._build_count()
            if time.monotonic() + share * last > until:
                limit = f"{allowed:.0f} s for further builds"
                break
            for point in wide:
                stored = self.store.find(point.header).point
                if stored is not None and number not in self.store.settled(point.header):
                    repeats = wanted.next_repeats(stored)
                    self._wanted[point.header.identity.key][number] = repeats
            self._run_blocks([number])
            number += 1
        return list(self._imprecise(wanted, limit))

    def _build_count(self) -> int:
        return len({point.header.identity.build_key for point in self._supported()})

    def _wide(self, wanted: Precision) -> Iterator[PlannedPoint]:
        for point in self._supported():
            stored = self.store.find(point.header)
            settled = point.header.in_answers and stored.failure is None
            if settled and stored.point is not None and wanted.misses(stored.point):
                yield point

    def _imprecise(self, wanted: Precision, limit: str) -> Iterator[Imprecise]:
        for point in self._wide(wanted):
            stored = self.store.find(point.header).point
            if stored is not None:
                yield wanted.imprecise(point.header, stored, limit)

    # ---- the end --------------------------------------------------------------------------------

    def _require_stored(self) -> None:
        """Raise a `UserError` if a point that this run stored is gone."""
        measured = [p.header for p in self.plan.points if p.header.identity.key in self._measured]
        stored = [self.store.find(header) for header in measured]
        lost = sum(one.point is None and one.failure is None for one in stored)
        if lost:
            raise UserError(
                "results that this run stored are gone",
                where=str(self.store.root),
                expected=counted(len(measured), "point"),
                got=counted(len(measured) - lost, "point"),
                hint="the folder was changed meanwhile; the same command measures what is missing",
            )

    def _summary(self, kept: set[str], imprecise: Sequence[Imprecise]) -> RunSummary:
        found = [self.store.failure(point.header) for point in self.plan.points]
        failures = [failure for failure in found if failure is not None]
        return RunSummary(
            measured=len(self._measured),
            kept=len(kept - self._measured),
            failures=[failure for failure in failures if failure.status in FAILURES],
            unsupported=[f for f in failures if f.status == "unsupported"],
            imprecise=imprecise,
        )
