"""Runs a plan: what is missing of it, build after build, and stores each answer as it comes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from harness.measures.statistics import repeats_would_help
from harness.results.identity import PointIdentity
from harness.results.locks import try_lock
from harness.results.point import FAILURES, Failure, PointHeader, StoredPoint
from harness.results.speed import qps_of_passes, speed_of
from harness.results.store import ResultStore
from harness.running.cpus import allotted_cpus, worker_cpus
from harness.running.environments import Environment, EnvironmentFailed
from harness.running.executor import Executor, Outcome, TaskFailure
from harness.running.job import Job, SearchTask
from harness.running.job_folders import NoRoom
from harness.running.machine import (
    free_memory_bytes,
    machine_provenance,
    source_provenance,
)
from harness.running.planning import Plan, PlannedPoint
from harness.running.privacy import impersonal, impersonal_data, signature
from harness.running.progress import Listener, RunSummary, Silence

_DEFAULT_MEMORY_SHARE = 0.8
_LOCK_POLL_SECONDS = 0.5
_MOST_BUILDS = 20
_MOST_TIMES_THE_REPEATS = 8


class StoreFull(Exception):
    """A folder took no more in the middle of a run; what the results folder held is whole."""

    def __init__(self, what: str, path: Path, reason: str, added: int) -> None:
        super().__init__(f"{what} {path}: {reason}")
        self.what = what
        self.path = path
        self.reason = reason
        self.added = added


@dataclass(frozen=True)
class _Group:
    """The points that one built index serves."""

    points: tuple[PlannedPoint, ...]

    @property
    def first(self) -> PlannedPoint:
        return self.points[0]

    @property
    def identity(self) -> PointIdentity:
        return self.first.header.identity

    @property
    def environment(self) -> Environment | None:
        """The isolated environment to run in, or None."""
        held = self.first.environment
        return held if isinstance(held, Environment) else None


@dataclass
class Runner:
    """Runs the points of a plan that are not stored yet.

    Parameters
    ----------
    force
        Run everything again, whatever is stored.
    retry
        Statuses of stored failures that are tried again.
    precision
        Build on beyond the suite's number, up to 20 builds, until the half width of every QPS
        interval is within this share of the QPS. Where builds vary as their repeats do, the further
        ones have up to 8 times the suite's repeats.
    signed
        Store user and host name; else they are taken out of all that is stored.
    examine
        Called once before the first build; what it returns is stored with every result.
    """

    plan: Plan
    store: ResultStore
    executor: Executor
    listener: Listener = field(default_factory=Silence)
    force: bool = False
    retry: frozenset[str] = frozenset()
    precision: float | None = None
    signed: bool = False
    examine: Callable[[], Mapping[str, Any]] = dict
    _added: int = 0
    _measured: set[str] = field(default_factory=set)
    _builds_wanted: dict[str, int] = field(default_factory=dict)
    _repeats_wanted: dict[str, int] = field(default_factory=dict)
    _conditions: Mapping[str, Any] | None = None

    def run(self) -> RunSummary:
        """Run what is missing and return what was done.

        Raises
        ------
        StoreFull
            If the results folder, or that for temporary files, can no longer be written.
        """
        try:
            with self.store.open_for_writing():
                return self._run()
        except OSError as error:
            raise self._full(self.store.root, error) from error
        except NoRoom as none:
            what = "the folder for temporary files (TMPDIR)"
            raise StoreFull(what, none.path, none.reason, self._added) from none

    def _run(self) -> RunSummary:
        self._write_truths()
        self._forget()
        missing = {p.header.identity.key: self._missing_builds(p) for p in self._supported()}
        kept = {key for key, builds in missing.items() if not builds}
        self._announce(missing, kept)
        self._record_refused()
        for number in range(self.plan.suite.builds):
            self._run_round(number)
        if self.precision is not None:
            self._refine(self.precision)
        return self._summary(kept)

    def _refine(self, precision: float) -> None:
        """Add builds to the points whose interval is still too wide."""
        answers = [p for p in self._supported() if p.header.in_answers]
        for number in range(self.plan.suite.builds, _MOST_BUILDS):
            asked = [self._asks_for_more(p, precision, number + 1) for p in answers]
            if not any(asked):
                return
            self._run_round(number)

    def _asks_for_more(self, point: PlannedPoint, precision: float, builds: int) -> bool:
        """Ask for so many builds of a point whose interval is too wide, and say whether it is.

        The new ones have twice the repeats where that helps most.
        """
        found = self.store.find(point.header)
        if (
            found.failure is not None
            or found.point is None
            or _half_width(found.point) <= precision
        ):
            return False
        key, repeats = point.header.identity.key, self.plan.suite.repeats
        before = self._repeats_wanted.get(key, repeats)
        doubled = repeats_would_help(qps_of_passes(found.point))
        self._builds_wanted[key] = builds
        self._repeats_wanted[key] = (
            min(2 * before, _MOST_TIMES_THE_REPEATS * repeats) if doubled else before
        )
        return True

    def _supported(self) -> list[PlannedPoint]:
        return [point for point in self.plan.points if point.runs]

    def _groups(self) -> list[_Group]:
        groups: dict[str, list[PlannedPoint]] = {}
        for point in self._supported():
            groups.setdefault(point.header.identity.build_key, []).append(point)
        return [_Group(tuple(points)) for points in groups.values()]

    def _announce(self, missing: Mapping[str, Mapping[int, int]], kept: set[str]) -> None:
        """Say how many points there are and how many processes they will take."""
        jobs = sum(
            len({number for p in group.points for number in missing[p.header.identity.key]})
            for group in self._groups()
        )
        self.listener.planned([point.header for point in self.plan.points], len(kept), jobs)

    def _forget(self) -> None:
        """Drop what `force` or `retry` ask to measure again."""
        for point in self.plan.points:
            if self.force:
                self.store.forget(point.header)
                continue
            failure = self.store.failure(point.header)
            if failure is not None and failure.status in {*self.retry, "unsupported"}:
                self.store.forget_failure(point.header)

    def _write_truths(self) -> None:
        for point in self.plan.points:
            identity = point.header.identity
            if not self.store.truth_path(identity).exists():
                truth = self.plan.datasets[identity.dataset].truth(identity.k)
                self._storing(partial(self.store.write_truth, identity, truth))

    def _record_refused(self) -> None:
        for point in self.plan.points:
            if point.refusal is not None:
                self._fail(point.header, TaskFailure("unsupported", point.refusal, "plan"))
            elif isinstance(point.environment, EnvironmentFailed):
                why = point.environment
                outcome = Outcome(log_tail=why.log_tail)
                self._fail(point.header, TaskFailure("error", why.reason, "environment"), outcome)

    def _missing_builds(self, point: PlannedPoint) -> dict[int, int]:
        """The builds that a point lacks, each with the number of repeats that it lacks."""
        if self.store.failure(point.header) is not None:
            return {}
        suite, key = self.plan.suite, point.header.identity.key
        have = self.store.settled(point.header)
        builds = self._builds_wanted.get(key, suite.builds)
        further = self._repeats_wanted.get(key, suite.repeats)
        repeats = [suite.repeats] * suite.builds + [further] * (builds - suite.builds)
        missing = {n: wanted - have.get(n, 0) for n, wanted in enumerate(repeats)}
        return {number: repeats for number, repeats in missing.items() if repeats > 0}

    def _run_round(self, number: int) -> None:
        """One build of everything; those that another run holds come last."""
        waiting = _in_round_order(self._groups(), number)
        while waiting:
            busy = [group for group in waiting if not self._run_unless_locked(group, number)]
            if len(busy) == len(waiting):
                time.sleep(_LOCK_POLL_SECONDS)
            waiting = busy

    def _run_unless_locked(self, group: _Group, number: int) -> bool:
        tasks = self._tasks(group, number)
        if not tasks:
            return True
        # One build of an index at a time: each is added to what the files of its points hold.
        with try_lock(self.store.root / ".locks", group.identity.build_key) as held:
            if held:
                self._run_group(group, number)
            return held

    def _tasks(self, group: _Group, number: int) -> tuple[SearchTask, ...]:
        tasks = []
        for point in group.points:
            repeats = self._missing_builds(point).get(number)
            if repeats:
                identity = point.header.identity
                tasks.append(SearchTask(identity.key, identity.search, identity.k, repeats))
        return tuple(tasks)

    def _run_group(self, group: _Group, number: int) -> None:
        """Run one build; where a setting took the process down, build again for the others."""
        headers = {p.header.identity.key: p.header for p in group.points}
        tasks = self._tasks(group, number)
        while tasks:
            title = f"{group.first.header.label} {group.first.header.name.partition(' | ')[0]}"
            suite = self.plan.suite
            self._examine_once()
            builds = max(number + 1, suite.builds)
            self.listener.job_started(title.strip(), number + 1, builds, len(tasks))
            outcome = self.executor.run(
                self._job(group, number, tasks, title.strip()),
                lambda phase, key: self.listener.phase(phase, headers.get(key or "")),
            )
            self._take(outcome, headers, number, group.environment)
            self.listener.job_ended(outcome.seconds)
            settled = {*outcome.finished, *outcome.failed}
            tasks = tuple(task for task in tasks if task.key not in settled) if settled else ()

    def _examine_once(self) -> None:
        if self._conditions is None:
            self._conditions = self.examine()

    def _take(
        self,
        outcome: Outcome,
        headers: dict[str, PointHeader],
        number: int,
        environment: Environment | None,
    ) -> None:
        for key, build in outcome.finished.items():
            header = headers[key]
            full = replace(build, provenance=self._provenance(environment))
            self._storing(partial(self.store.add_build, header, full))
            self._added += 1
            self._measured.add(key)
            self.listener.point_added(header, len(self.store.settled(header)))
        for key, failure in outcome.failed.items():
            self._fail(headers[key], failure, outcome, number)
            self._measured.add(key)

    def _fail(
        self,
        header: PointHeader,
        task: TaskFailure,
        outcome: Outcome | None = None,
        number: int | None = None,
    ) -> None:
        told = str if self.signed else impersonal
        failure = Failure(
            header=header,
            status=task.status,
            reason=told(task.reason),
            log_tail=told(outcome.log_tail) if outcome else "",
            peak_bytes=outcome.peak_bytes if outcome else None,
            seconds=outcome.seconds if outcome else None,
            build_number=number,
            provenance=self._provenance(),
        )
        self._storing(partial(self.store.write_failure, failure))
        self.listener.point_failed(failure)

    def _storing(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            raise self._full(self.store.root, error) from error

    def _full(self, path: Path, error: OSError) -> StoreFull:
        return StoreFull("the results folder", path, error.strerror or str(error), self._added)

    def _job(self, group: _Group, number: int, tasks: tuple[SearchTask, ...], title: str) -> Job:
        suite, identity = self.plan.suite, group.identity
        definition = group.first.definition
        free = int(free_memory_bytes() * _DEFAULT_MEMORY_SHARE)
        return Job(
            title=title,
            module=definition.module,
            class_name=definition.class_name,
            plugin_roots=(str(definition.folder.root),),
            metric=identity.metric,
            build=identity.build,
            build_number=number,
            dataset=str(self.plan.datasets[identity.dataset].path),
            mode=identity.mode,
            threads=identity.threads,
            build_threads=identity.build_threads,
            search_seconds=suite.search_seconds,
            timeout=suite.timeout,
            memory_bytes=suite.memory_bytes or free,
            tasks=tasks,
            folder="",
            cpus=worker_cpus(identity.build_threads),
            search_cpus=worker_cpus(identity.threads) or allotted_cpus(),
            python=str(group.environment.python) if group.environment else None,
            foreign=definition.foreign_call(identity.metric),
        )

    def _provenance(self, environment: Environment | None = None) -> dict[str, Any]:
        facts = {
            "environment": environment.provenance() if environment else None,
            "machine": machine_provenance(),
            "conditions": dict(self._conditions or {}),
            "source": source_provenance(),
            "suite": self.plan.suite.name,
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        return {**facts, "signature": signature()} if self.signed else impersonal_data(facts)

    def _summary(self, kept: set[str]) -> RunSummary:
        found = [self.store.failure(point.header) for point in self.plan.points]
        failures = [failure for failure in found if failure is not None]
        return RunSummary(
            measured=len(self._measured),
            kept=len(kept - self._measured),
            failures=[failure for failure in failures if failure.status in FAILURES],
            unsupported=[f for f in failures if f.status == "unsupported"],
        )


def _half_width(point: StoredPoint) -> float:
    """Half the QPS interval of a point, as a share of the QPS."""
    value, low, high, _ = speed_of(point)
    return (high - low) / (2 * value)


def _in_round_order(groups: Sequence[_Group], number: int) -> list[_Group]:
    """The first round goes in the order of the suite, the others in orders of their own.

    So nobody always follows the same neighbour.
    """
    if number == 0:
        return list(groups)
    order: Iterable[int] = np.random.default_rng(number).permutation(len(groups))
    return [groups[i] for i in order]
