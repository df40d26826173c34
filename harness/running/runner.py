"""Runs the missing builds of a plan, block by block, and stores the outcome of each."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from harness.contracts import UserError
from harness.data.cache.cached import CachedDataset
from harness.data.truth.correlation import with_filter_facts
from harness.data.truth.store import truth_of
from harness.files.locks import try_lock
from harness.measures.distances import distances_and_scales
from harness.results.identity import hash_of
from harness.results.point import (
    FAILURES,
    BlockShare,
    Build,
    BuildFacts,
    Failure,
    PointHeader,
)
from harness.results.store import ResultStore
from harness.running.block_specs import block_spec
from harness.running.blocks import BlockOutcome, BlockSpec, Measured, TaskFailure
from harness.running.environments.isolated import Environment, EnvironmentFailed
from harness.running.executors.local import Executor
from harness.running.listener import Imprecise, Listener, RunningBlock, RunSummary, Silence
from harness.running.machine.facts import impersonal, impersonal_data, signature
from harness.running.plan import Plan, PlannedPoint, missing_builds, retried
from harness.running.precision import MOST_BUILDS, Precision
from harness.running.processes.child import NoRoom
from harness.text import Json

EXTRA_SHARE = 0.5
"""Of the time of the builds asked for may be added for precision."""


class StoreFull(Exception):
    """A disk became full during a run; the files in the results folder are undamaged."""

    def __init__(self, what: str, path: Path, reason: str, added: int) -> None:
        super().__init__(f"{what} {path}: {reason}")
        self.what = what
        self.path = path
        self.reason = reason
        self.added = added


@dataclass(frozen=True)
class _Begun:
    """A block that is being measured, with its points by their keys."""

    shown: RunningBlock
    points: Mapping[str, PlannedPoint]
    dataset: CachedDataset
    began: float


class _Locks:
    """Locks on datasets: of two runs into one folder, one measures on a dataset at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, ExitStack] = {}
        self._blocks: Counter[str] = Counter()

    def __enter__(self) -> _Locks:
        return self

    def __exit__(self, *error: object) -> None:
        for held in self._held.values():
            held.close()

    def hold(self, dataset: CachedDataset) -> bool:
        """Lock a dataset for one more block of this run; False if another run holds it."""
        if dataset.name not in self._held:
            name = f"block-{hash_of({'dataset': dataset.fingerprint})}.lock"
            stack = ExitStack()
            if not stack.enter_context(self._try(name)):
                stack.close()
                return False
            self._held[dataset.name] = stack
        self._blocks[dataset.name] += 1
        return True

    @contextmanager
    def _try(self, name: str) -> Iterator[bool]:
        with ExitStack() as stack:
            try:
                held = stack.enter_context(try_lock(self._folder / name))
            except OSError as error:
                raise UserError(
                    f"cannot lock the results folder: {error.strerror}",
                    where=str(self._folder / name),
                ) from error
            yield held

    def release(self, dataset: CachedDataset) -> None:
        """Unlock a dataset when the last block on it has ended."""
        self._blocks[dataset.name] -= 1
        if not self._blocks[dataset.name]:
            self._held.pop(dataset.name).close()


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
    _added: int = 0
    _blocks: int = 0
    _running: dict[str, _Begun] = field(default_factory=dict)
    _measured: set[str] = field(default_factory=set)
    _outdated: set[str] = field(default_factory=set)
    _wanted: dict[str, dict[int, int]] = field(default_factory=dict)

    def run(self) -> RunSummary:
        """Run what is missing and return a summary.

        Raises
        ------
        StoreFull
            If the results folder, or that for temporary files, can no longer be written.
        """
        try:
            return self._run()
        except NoRoom as none:
            what = "the folder for temporary files (TMPDIR)"
            raise StoreFull(what, none.path, none.reason, self._added) from none

    def _run(self) -> RunSummary:
        self._write_truths()
        if self.force:
            self._outdated = {point.header.identity.key for point in self.plan.points}
        self._storing(self._forget_failures)
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
        return self._summary(kept, imprecise)

    # ---- what is to be done ---------------------------------------------------------------------

    def _supported(self) -> list[PlannedPoint]:
        return [point for point in self.plan.points if point.runs]

    def _missing(self, point: PlannedPoint) -> dict[int, int]:
        """The builds that a point lacks, each with the number of its repeats."""
        key = point.header.identity.key
        if key in self._outdated:
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

    def _forget_failures(self) -> None:
        """Remove the failures that `retry` asks to try again."""
        for point in self.plan.points:
            failure = self.store.failure(point.header)
            if failure is not None and failure.status in retried(self.retry):
                self.store.forget_failure(point.header)

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
                self._storing(partial(self.store.write_truth, identity, truth))

    def _record_refused(self) -> None:
        for point in self.plan.points:
            if point.refusal is not None:
                self._fail(point.header, TaskFailure("unsupported", point.refusal, "plan"))
            elif isinstance(point.environment, EnvironmentFailed):
                why = point.environment
                failure = TaskFailure("error", why.reason, "environment", why.log_tail)
                self._fail(point.header, failure)

    # ---- blocks ---------------------------------------------------------------------------------

    def _run_blocks(self, numbers: Sequence[int]) -> float:
        """Measure the missing builds of these numbers; return the seconds that it took."""
        began = time.monotonic()
        with _Locks(self.store.root / ".locks") as locks:
            blocks = self._blocks_to_run(numbers, locks)
            for spec, outcome in self.executor.run_blocks(blocks, self._follow):
                block = self._running[spec.id]
                if outcome is not None:
                    self._take(outcome, block.points, block.dataset)
                else:
                    del self._running[spec.id]
                    locks.release(block.dataset)
                    self.listener.block_ended(block.shown, time.monotonic() - block.began)
        return time.monotonic() - began

    def _blocks_to_run(self, numbers: Sequence[int], locks: _Locks) -> Iterator[BlockSpec | None]:
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
            build = self._build(outcome, measured, point, dataset)
            self._storing(partial(self.store.add_build, point.header, build, self._keeps(key)))
            self._added += 1
            self._measured.add(key)
            self.listener.point_added(point.header, len(self.store.settled(point.header)))
        for key, failure in outcome.failed.items():
            self._fail(points[key].header, failure, outcome)
            self._measured.add(key)

    def _keeps(self, key: str) -> bool:
        """Whether what is stored of a point stays beside what is stored next."""
        outdated = key in self._outdated
        self._outdated.discard(key)
        return not outdated

    def _build(
        self,
        outcome: BlockOutcome,
        measured: Measured,
        point: PlannedPoint,
        dataset: CachedDataset,
    ) -> Build:
        """Return a build to store; distances are computed here, where no adapter is loaded."""
        base, queries = dataset.search_base, dataset.search_queries
        pairs = [
            distances_and_scales(dataset.metric, base, queries, ids) for ids in measured.neighbors
        ]
        return Build(
            number=outcome.number,
            times=measured.times,
            walls=measured.walls,
            neighbors=measured.neighbors.astype(np.int64),
            distances=np.stack([distances for distances, _ in pairs]),
            scales=np.stack([scales for _, scales in pairs]).astype(np.float32),
            facts=_with_warnings(measured.facts, point.definition.untested()),
            diagnostics=measured.diagnostics,
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

    def _fail(
        self, header: PointHeader, failed: TaskFailure, outcome: BlockOutcome | None = None
    ) -> None:
        told = str if self.signed else impersonal
        failure = Failure(
            header=header,
            status=failed.status,
            reason=told(failed.reason),
            log_tail=told(failed.log_tail),
            peak_bytes=failed.peak_bytes,
            seconds=failed.seconds,
            build_number=outcome.number if outcome else None,
            provenance=self._provenance(outcome, None),
        )
        self._storing(partial(self.store.write_failure, failure, self._keeps(header.identity.key)))
        self.listener.point_failed(failure)

    def _provenance(
        self, outcome: BlockOutcome | None, environment: Environment | EnvironmentFailed | None
    ) -> Json:
        made = environment.provenance() if isinstance(environment, Environment) else None
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        facts = {
            "finished_at": now,
            **(outcome.provenance if outcome else {}),
            "environment": made,
            "suite": self.plan.suite.name,
            "tuned": self.plan.suite.tuned,
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        }
        return {**facts, "signature": signature()} if self.signed else impersonal_data(facts)

    # ---- precision ------------------------------------------------------------------------------

    def _refine(self, seconds: float) -> list[Imprecise]:
        """Add blocks for points whose interval is too wide; return those that remain too wide."""
        assert self.precision is not None
        wanted = Precision(self.precision, self.plan.suite.repeats)
        allowed = EXTRA_SHARE * seconds if self.extra_seconds is None else self.extra_seconds
        until = time.monotonic() + allowed
        last = seconds / max(1, self._blocks)
        number = self.plan.suite.builds
        limit = f"{MOST_BUILDS} builds"
        while number < MOST_BUILDS and (wide := list(self._wide(wanted))):
            share = len({p.header.identity.build_key for p in wide}) / self._build_count()
            if time.monotonic() + share * last > until:
                limit = f"{allowed:.0f} s for further builds"
                break
            for point in wide:
                stored = self.store.find(point.header).point
                if stored is not None and number not in self.store.settled(point.header):
                    repeats = wanted.repeats_for(stored)
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
                yield wanted.verdict(point.header, stored, limit)

    # ---- the end --------------------------------------------------------------------------------

    def _storing(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            raise self._full(self.store.root, error) from error

    def _full(self, path: Path, error: OSError) -> StoreFull:
        return StoreFull("the results folder", path, error.strerror or str(error), self._added)

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


def _with_warnings(facts: BuildFacts, warnings: Iterable[str]) -> BuildFacts:
    return replace(facts, warnings=(*facts.warnings, *warnings))
