"""A suite as it is asked for, from its name and options to what a run has stored."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.contracts import UserError
from harness.data.cache.folder import cache_folder
from harness.errors import did_you_mean
from harness.files.progress import Progress, silent
from harness.registry.registry import Registry, load_registry
from harness.registry.suites import Suite, on_track, overridden, read_suite, suite_of
from harness.results.identity import Machine
from harness.results.point import FAILURES
from harness.results.store import ResultStore
from harness.running.cluster.cluster_file import ClusterSettings, read_cluster
from harness.running.cluster.executor import cluster_executor
from harness.running.datasets import known_facts, named, open_in
from harness.running.environments.isolated import Environments, Say
from harness.running.estimate import Estimate, History, estimate
from harness.running.executors.local import Executor, LocalExecutor
from harness.running.listener import Listener, RunSummary
from harness.running.machine.doctor import diagnose, unfitness
from harness.running.machine.facts import this_machine
from harness.running.plan import Plan, chosen_variants, plan_points, plan_suite
from harness.running.runner import Runner
from harness.text import Json

RETRIABLE = ("failed", *FAILURES)
"""The statuses whose points can be tried again; `failed` is all of them."""


@dataclass(frozen=True)
class RunOptions:
    """The options of a run; the names are those of `annharness run`.

    None and empty leave to the suite what it says. `datasets` replace the suite's, `algorithms`
    are algorithms or labels of it. `precision` is a share (0.05, "5%") or "off". `force` measures
    stored points again, `retry` names statuses of stored failures to try again. `strict` refuses
    a machine of grade D, `signed` stores user and host name. `cluster` is a cluster file, the
    address of a Dask scheduler, or `local:N`; None for this machine.
    """

    datasets: Sequence[str] = ()
    algorithms: Sequence[str] = ()
    builds: int | None = None
    repeats: int | None = None
    least_seconds: float | None = None
    k: int | Sequence[int] | None = None
    threads: int | None = None
    timeout: float | None = None
    precision: float | str | None = None
    force: bool = False
    retry: Sequence[str] = ()
    strict: bool = False
    signed: bool = False
    cluster: str | None = None


@dataclass(frozen=True)
class SuiteRun:
    """A checked suite with its registry, its results folder and the options of its run."""

    suite: Suite
    registry: Registry
    store: ResultStore
    options: RunOptions
    retry: frozenset[str]
    cluster: ClusterSettings | None

    @classmethod
    def of(
        cls,
        suite: str | Path | Json | None,
        options: RunOptions,
        results: Path,
        plugins: Sequence[Path] = (),
    ) -> SuiteRun:
        """Check what is asked for; nothing is fetched or measured yet.

        Parameters
        ----------
        suite
            A name, a path or the keys of a suite file; None for the datasets and algorithms of the
            options, with the parameters of their entries.

        Raises
        ------
        UserError
            For every mistake in the suite or the options.
        """
        registry = load_registry(plugins)
        retry = _statuses(options.retry)
        chosen = overridden(
            _chosen_suite(suite, options, registry),
            builds=options.builds, repeats=options.repeats, least_seconds=options.least_seconds,
            k=options.k, threads=options.threads, timeout=options.timeout,
            precision=options.precision,
        )  # fmt: skip
        if options.precision is not None:
            # A precision that is asked for by hand has no limit of time.
            chosen = dataclasses.replace(chosen, extra_seconds=math.inf)
        for name in chosen.datasets:  # report every wrong name before the first is fetched
            named(name, registry, "datasets (-d)" if options.datasets else str(chosen.path))
        cluster = read_cluster(options.cluster) if options.cluster is not None else None
        return cls(chosen, registry, ResultStore(results), options, retry, cluster)

    def warnings(self) -> Iterator[str]:
        """Yield a line for each library whose installed version was never tested."""
        variants = chosen_variants(self.suite, self.registry, self.options.algorithms)
        for name in dict.fromkeys(variant.algorithm for variant in variants):
            for text in self.registry.algorithm(name).untested():
                yield f"warning: {name}: {text}; it runs, its points are marked"

    def estimates(self) -> Iterator[Estimate]:
        """Yield for each dataset what a run would do; nothing is fetched, measured or written.

        Raises
        ------
        UserError
            As the run would: for a grid that cannot run, or a file that is no dataset.
        """
        machine = this_machine()
        again = None if self.options.force else self.retry
        only = self.options.algorithms
        for name in self.suite.datasets:
            dataset = known_facts(name, self.registry)
            history = History(self.store, dataset.name, machine.short())
            points = plan_points(self.suite, self.registry, [dataset], machine, only)
            yield estimate(dataset, points, self.suite, self.store, history, again)

    @contextmanager
    def executor(self, say: Say) -> Iterator[Executor]:
        """Give what measures: this machine, or a cluster, which ends with the `with` statement.

        Raises
        ------
        UserError
            If the cluster cannot be reached or has no node that can measure.
        """
        if self.cluster is None:
            yield LocalExecutor(cache_folder(), examine=lambda: examined(say))
        else:
            options = self.options
            with cluster_executor(
                self.cluster, say, signed=options.signed, strict=options.strict
            ) as executor:
                yield executor

    def plan(
        self, machine: Machine, progress: Progress = silent, say: Say = lambda line: None
    ) -> Plan:
        """Open the datasets, make the environments, and return the points for a machine.

        Raises
        ------
        UserError
            If a dataset cannot be had, a grid cannot run, or a strict run may not begin.
        """
        datasets = [open_in(self.registry, name, progress) for name in self.suite.datasets]
        only = self.options.algorithms
        environments = Environments()  # a failure to make one stops no other algorithm
        for variant in chosen_variants(self.suite, self.registry, only):
            progress(f"environment of {variant.algorithm}", 0, 0)
            environments.make(self.registry.algorithm(variant.algorithm), say)
        progress("planning", 0, 0)
        opened = {dataset.name: dataset for dataset in datasets}
        plan = plan_suite(self.suite, self.registry, opened, machine, only, environments)
        if self.options.strict and self.cluster is None:
            _require_fit()
        self.store.require_writable()
        return plan

    def measure(self, plan: Plan, executor: Executor, listener: Listener) -> RunSummary:
        """Measure the points of the plan that are not stored yet.

        Raises
        ------
        StoreFull
            If a disk is full; everything stored before is kept.
        """
        return Runner(
            plan,
            self.store,
            executor,
            listener,
            force=self.options.force,
            retry=self.retry,
            precision=self.suite.precision,
            extra_seconds=self.suite.extra_seconds,
            signed=self.options.signed,
        ).run()


def examined(say: Say) -> Json:
    """Check the machine before measuring; warn if it disturbs, and return the findings."""
    found = diagnose()
    line = found.warning()
    if line is not None:
        say(line)
    return found.to_json()


def _chosen_suite(
    suite: str | Path | Json | None, options: RunOptions, registry: Registry
) -> Suite:
    """The suite, with the datasets asked for; without one, a suite made from the options."""
    if suite is not None:
        chosen = read_suite(suite, registry.algorithms)
        asked = on_track(chosen.track, options.datasets)
        return dataclasses.replace(chosen, datasets=asked) if asked else chosen
    if not options.datasets or not options.algorithms:
        raise UserError(
            "nothing to run",
            expected="a suite, or datasets (-d) and algorithms (-a)",
            hint="annharness run demo; annharness list names what there is",
        )
    return suite_of(options.datasets, options.algorithms, registry.algorithms)


def _statuses(retry: Sequence[str]) -> frozenset[str]:
    for status in retry:
        if status not in RETRIABLE:
            raise UserError(
                f"no status is called {status!r}",
                where="retry",
                expected="one of " + ", ".join(RETRIABLE),
                hint=did_you_mean(status, RETRIABLE),
            )
    return frozenset(FAILURES) if "failed" in retry else frozenset(retry)


def _require_fit() -> None:
    reasons = unfitness()
    if reasons is not None:
        raise UserError(
            "this machine is unfit to measure on, grade D",
            where="strict",
            got=reasons,
            hint="annharness doctor says what to do; a run that is not strict continues",
        )
