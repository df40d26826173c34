"""`annharness run`: measure what a suite asks for and is not stored yet."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness.cli.data import open_named
from harness.cli.data_progress import shown_progress
from harness.cli.live import live_table, plain_lines
from harness.cli.options import DEFAULT_RESULTS, Plugins, Results, share_of
from harness.contracts import UserError
from harness.contracts.paths import user_path
from harness.data.cache import cache_folder
from harness.data.cached import CachedDataset
from harness.data.progress import Progress
from harness.registry.names import did_you_mean
from harness.registry.registry import Registry, load_registry
from harness.registry.suites import Suite, read_suite
from harness.results.point import FAILURES
from harness.results.store import ResultStore
from harness.running.environments.isolated import Environments
from harness.running.executors.local import LocalExecutor
from harness.running.machine.doctor import diagnose
from harness.running.machine.facts import this_machine
from harness.running.plan import Plan, chosen_variants, plan_suite
from harness.running.progress import RunSummary
from harness.running.runner import Runner, StoreFull

_FAILED = 1
_RETRIABLE = ("failed", *FAILURES)


def run(
    suite: Annotated[str, typer.Argument(help="Name of a suite, or path of a suite file.")],
    dataset: Annotated[
        list[str] | None,
        typer.Option("-d", "--dataset", help="Run on this dataset instead (a name or a path)."),
    ] = None,
    algorithm: Annotated[
        list[str] | None,
        typer.Option("-a", "--algorithm", help="Run only this algorithm of the suite."),
    ] = None,
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
        bool, typer.Option("--strict", help="Refuse to run on a machine that is unfit (doctor).")
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
    """
    registry = load_registry(plugins or ())
    statuses = _statuses(retry or ())
    share = None if precision in (None, "off") else share_of(precision, "--precision")
    chosen = read_suite(suite, registry.algorithms)
    if dataset:
        chosen = dataclasses.replace(chosen, datasets=tuple(dict.fromkeys(dataset)))
    _require_known_datasets(chosen, registry)
    store = ResultStore(results)
    with shown_progress() as progress:
        datasets = _open_datasets(chosen, plugins, progress)
        environments = _environments(chosen, registry, algorithm or (), progress)
        progress("planning", 0, 0)
        machine = this_machine()
        plan = plan_suite(chosen, registry, datasets, machine, algorithm or (), environments)
        if strict:
            _require_fit()
    store.require_writable()
    runner = Runner(
        plan,
        store,
        LocalExecutor(cache_folder(), examine=lambda: diagnose().to_json()),
        force=force,
        retry=statuses,
        precision=chosen.precision if precision is None else share,
        # Who asks for a precision by hand gets it, however long that takes.
        extra_seconds=chosen.extra_seconds if precision is None else math.inf,
        signed=signed,
    )
    summary = _measure(runner)
    _print_summary(plan, store, summary)
    if summary.failures:
        raise typer.Exit(_FAILED)


def _measure(runner: Runner) -> RunSummary:
    console = Console(stderr=True)
    try:
        with live_table(console) if console.is_terminal else plain_lines(sys.stderr) as listener:
            runner.listener = listener
            return runner.run()
    except StoreFull as full:
        print(
            f"error: {full.what} takes no more: {full.reason}\n"
            f"  where:    {full.path}\n"
            f"  kept:     everything stored before, {full.added} builds of this run among it\n"
            f"  try:      make room, then give the same command again: it goes on from here",
            file=sys.stderr,
        )
        raise typer.Exit(_FAILED) from full


def _print_summary(plan: Plan, store: ResultStore, summary: RunSummary) -> None:
    console = Console()
    with shown_progress() as progress, console.capture() as printed:
        progress("summing up", 0, 0)
        from harness.cli.summary import print_summary  # pandas takes a while to load

        print_summary(console, plan, store, summary)
    sys.stdout.write(printed.get())


def _require_fit() -> None:
    found = diagnose()
    if not found.fit:
        unfit = [f"{f.topic}: {f.found}" for f in found.findings if f.level == "unfit"]
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


def _require_known_datasets(suite: Suite, registry: Registry) -> None:
    """Name every wrong name before the first dataset is fetched."""
    for name in suite.datasets:
        if name not in registry.datasets and not user_path(name).is_file():
            raise UserError(
                f"no dataset is called {name!r}, and no file either",
                where=str(suite.path),
                hint=did_you_mean(name, registry.datasets),
            )


def _environments(
    suite: Suite, registry: Registry, only: Sequence[str], progress: Progress
) -> Environments:
    """Make what the isolated algorithms of the run need; one that fails does not stop the rest."""
    environments = Environments()
    for variant in chosen_variants(suite, registry, only):
        progress(f"environment of {variant.algorithm}", 0, 0)
        environments.make(registry.algorithm(variant.algorithm), _tell)
    return environments


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _open_datasets(
    suite: Suite, plugins: list[Path] | None, progress: Progress
) -> dict[str, CachedDataset]:
    opened = [open_named(name, plugins, progress) for name in suite.datasets]
    return {dataset.name: dataset for dataset in opened}
