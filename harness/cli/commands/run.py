"""`annharness run`: measure the points of a suite that are not stored yet."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from harness.cli import options as completion
from harness.cli.commands.doctor import warning_line
from harness.cli.dry_run import print_dry_run
from harness.cli.entries import named, open_in
from harness.cli.live import live_table, plain_lines
from harness.cli.options import DEFAULT_RESULTS, Plugins, Results
from harness.cli.progress import shown_progress
from harness.cli.terminal import Terminal, say
from harness.contracts import UserError
from harness.data.cache.cached import CachedDataset
from harness.data.cache.folder import cache_folder
from harness.files.progress import Progress
from harness.registry.names import did_you_mean
from harness.registry.registry import Registry, load_registry
from harness.registry.suites import Suite, overridden, read_suite, suite_of
from harness.results.point import FAILURES
from harness.results.store import ResultStore
from harness.running.environments.isolated import Environments
from harness.running.executors.local import LocalExecutor
from harness.running.listener import RunSummary
from harness.running.machine.doctor import diagnose
from harness.running.machine.facts import this_machine
from harness.running.plan import Plan, chosen_variants, plan_suite
from harness.running.runner import Runner, StoreFull

_FAILED = 1
_RETRIABLE = ("failed", *FAILURES)


def run(
    suite: Annotated[
        str | None,
        typer.Argument(
            help="Name of a suite, or path of a suite file. Without one: give -d and -a.",
            autocompletion=completion.suites,
        ),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "-d",
            "--dataset",
            help="Run on this dataset instead (a name or a path).",
            autocompletion=completion.datasets,
        ),
    ] = None,
    algorithm: Annotated[
        list[str] | None,
        typer.Option(
            "-a",
            "--algorithm",
            help="Run only this algorithm of the suite; without a suite, this one with the "
            "parameters of its entry.",
            autocompletion=completion.algorithms,
        ),
    ] = None,
    builds: Annotated[
        int | None, typer.Option("--builds", help="Number of blocks, replaces the suite's.")
    ] = None,
    repeats: Annotated[
        int | None, typer.Option("--repeats", help="Passes in a block, replaces the suite's.")
    ] = None,
    k: Annotated[
        list[int] | None,
        typer.Option("--k", help="Number of neighbours, replaces the suite's; may be repeated."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", help="Number of threads, replaces the suite's.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", help="Seconds for a build or a setting, replaces the suite's."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print what would be measured, how long it takes and its memory."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Measure stored points again.")] = False,
    retry: Annotated[
        list[str] | None,
        typer.Option("--retry", help=f"Try failed points again: {', '.join(_RETRIABLE)}."),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            help="Add builds until every QPS interval is within this half-width (5%), or off.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse to run on a machine of grade D (see doctor).")
    ] = False,
    signed: Annotated[
        bool,
        typer.Option("--signed", help="Store your user and host name with the results."),
    ] = False,
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Run a suite: every point that is not stored yet, in blocks of builds measured side by side.

    A failed point never stops the others; it is stored with its reason, and the exit status is 1.

    Examples:

      annharness run demo

      annharness run my-suite.yml -d vectors.hdf5 --results /tmp/mine

      annharness run -d glove-50-10k -a hnswlib -a faiss-ivf --k 10 --dry-run
    """
    registry = load_registry(plugins or ())
    statuses = _statuses(retry or ())
    chosen = overridden(
        _chosen_suite(suite, dataset or (), algorithm or (), registry),
        builds=builds, repeats=repeats, k=k, threads=threads, timeout=timeout, precision=precision,
    )  # fmt: skip
    if precision is not None:
        # A precision on the command line has no limit of time.
        chosen = dataclasses.replace(chosen, extra_seconds=math.inf)
    only = algorithm or ()
    for name in chosen.datasets:  # report every wrong name before the first dataset is fetched
        named(name, registry, "-d" if dataset else str(chosen.path))
    store = ResultStore(results)
    _tell_untested(chosen, registry, only)
    if dry_run:
        again = None if force else statuses
        print_dry_run(Terminal(highlight=False), chosen, registry, store, only, again)
        return
    with shown_progress() as progress:
        datasets = _open_datasets(chosen, registry, progress)
        environments = _environments(chosen, registry, only, progress)
        progress("planning", 0, 0)
        plan = plan_suite(chosen, registry, datasets, this_machine(), only, environments)
        if strict:
            _require_fit()
    store.require_writable()
    runner = Runner(
        plan,
        store,
        LocalExecutor(cache_folder(), examine=examined),
        force=force,
        retry=statuses,
        precision=chosen.precision,
        extra_seconds=chosen.extra_seconds,
        signed=signed,
    )
    summary = _measure(runner)
    _print_summary(plan, store, summary)
    if summary.failures:
        raise typer.Exit(_FAILED)


def _chosen_suite(
    suite: str | None, datasets: Sequence[str], algorithms: Sequence[str], registry: Registry
) -> Suite:
    """The suite, with the datasets asked for; without one, a suite made from the options."""
    if suite is not None:
        chosen = read_suite(suite, registry.algorithms)
        asked = tuple(dict.fromkeys(datasets))
        return dataclasses.replace(chosen, datasets=asked) if asked else chosen
    if not datasets or not algorithms:
        raise UserError(
            "nothing to run",
            expected="a suite, or datasets (-d) and algorithms (-a)",
            hint="annharness run demo; annharness list names what there is",
        )
    return suite_of(datasets, algorithms, registry.algorithms)


def _measure(runner: Runner) -> RunSummary:
    console = Terminal(stderr=True)
    try:
        with live_table(console) if console.is_terminal else plain_lines(sys.stderr) as listener:
            runner.listener = listener
            return runner.run()
    except StoreFull as full:
        say(
            f"error: {full.what} takes no more: {full.reason}\n"
            f"  where:    {full.path}\n"
            f"  kept:     everything stored before, {full.added} builds of this run among it\n"
            f"  try:      make room, then give the same command again: it goes on from here",
            to_errors=True,
        )
        raise typer.Exit(_FAILED) from full


def examined() -> dict[str, Any]:
    """Check the machine before measuring; warn if it disturbs, and return the findings."""
    found = diagnose()
    line = warning_line(found)
    if line is not None:
        _tell(line)
    return found.to_json()


def _print_summary(plan: Plan, store: ResultStore, summary: RunSummary) -> None:
    console = Terminal()
    with shown_progress() as progress, console.capture() as printed:
        progress("summing up", 0, 0)
        from harness.cli.summary import print_summary  # pandas takes a while to load

        print_summary(console, plan, store, summary)
    sys.stdout.write(printed.get())


def _require_fit() -> None:
    found = diagnose()
    if not found.fit:
        unfit = [f"{finding.topic}: {finding.found}" for finding in found.worst]
        raise UserError(
            f"this machine is unfit to measure on, grade {found.grade}",
            where="--strict",
            got="; ".join(unfit),
            hint="annharness doctor says what to do; without --strict the run goes on",
        )


def _statuses(retry: Sequence[str]) -> frozenset[str]:
    for status in retry:
        if status not in _RETRIABLE:
            raise UserError(
                f"no status is called {status!r}",
                where="--retry",
                expected="one of " + ", ".join(_RETRIABLE),
                hint=did_you_mean(status, _RETRIABLE),
            )
    return frozenset(FAILURES) if "failed" in retry else frozenset(retry)


def _environments(
    suite: Suite, registry: Registry, only: Sequence[str], progress: Progress
) -> Environments:
    """Make the environments of the run's isolated algorithms; a failure stops no other."""
    environments = Environments()
    for variant in chosen_variants(suite, registry, only):
        progress(f"environment of {variant.algorithm}", 0, 0)
        environments.make(registry.algorithm(variant.algorithm), _tell)
    return environments


def _tell_untested(suite: Suite, registry: Registry, only: Sequence[str]) -> None:
    names = dict.fromkeys(v.algorithm for v in chosen_variants(suite, registry, only))
    for name in names:
        for text in registry.algorithm(name).untested():
            _tell(f"warning: {name}: {text}; it runs, its points are marked")


def _tell(text: str) -> None:
    say(text, to_errors=True)


def _open_datasets(
    suite: Suite, registry: Registry, progress: Progress
) -> dict[str, CachedDataset]:
    opened = [open_in(registry, name, progress) for name in suite.datasets]
    return {dataset.name: dataset for dataset in opened}
