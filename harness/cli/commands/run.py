"""`annharness run`: measure the points of a suite that are not stored yet."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from harness.api.measuring import result_of
from harness.cli.dry_run import print_dry_run
from harness.cli.live import live_table
from harness.cli.options import (
    DEFAULT_RESULTS,
    Cluster,
    Plugins,
    Results,
    Signed,
    Threads,
    complete_algorithms,
    complete_datasets,
    complete_suites,
)
from harness.cli.progress import shown_progress
from harness.cli.terminal import Terminal, say
from harness.results.point import FAILURES
from harness.running.executors.local import Executor
from harness.running.listener import RunSummary, plain_lines
from harness.running.plan import Plan
from harness.running.recording import StoreFull
from harness.running.suite_run import RunOptions, SuiteRun

_FAILED = 1


def run(
    suite: Annotated[
        str | None,
        typer.Argument(
            help="Name of a suite, or path of a suite file. Without one: give -d and -a.",
            autocompletion=complete_suites,
        ),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "-d",
            "--dataset",
            help="Run on this dataset (a name or a path) instead of the suite's.",
            autocompletion=complete_datasets,
        ),
    ] = None,
    algorithm: Annotated[
        list[str] | None,
        typer.Option(
            "-a",
            "--algorithm",
            help="Run only this algorithm of the suite; without a suite, this one with the "
            "parameters of its entry.",
            autocompletion=complete_algorithms,
        ),
    ] = None,
    builds: Annotated[
        int | None,
        typer.Option("--builds", help="Least number of blocks, instead of the suite's."),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            "--repeats",
            help="Least number of passes of a setting in a block, instead of the suite's.",
        ),
    ] = None,
    least_seconds: Annotated[
        float | None,
        typer.Option(
            "--least-seconds",
            help="Seconds that the turns of a fast setting take in a block, instead of the "
            "suite's.",
        ),
    ] = None,
    k: Annotated[
        list[int] | None,
        typer.Option("--k", help="Number of neighbours, instead of the suite's; may be repeated."),
    ] = None,
    threads: Threads = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", help="Seconds for a build or a setting, instead of the suite's."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print what would be measured, with its time and memory; measure nothing.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Measure stored points again.")] = False,
    retry: Annotated[
        list[str] | None,
        typer.Option(
            "--retry",
            help="Try stored failures again: a status "
            f"({', '.join(FAILURES)}), or failed for all. May be repeated.",
        ),
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
    signed: Signed = False,
    cluster: Cluster = None,
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Run a suite: every point that is not stored yet, in blocks of builds measured side by side.

    A failed point never stops the others; it is stored with its reason, and the exit status is 1.

    Examples:

      annharness run demo

      annharness run my-suite.yml -d vectors.hdf5 --results /tmp/mine

      annharness run -d glove-50-10k -a faiss-hnsw -a faiss-ivf --k 10 --dry-run
    """
    options = RunOptions(
        datasets=dataset or (),
        algorithms=algorithm or (),
        builds=builds,
        repeats=repeats,
        least_seconds=least_seconds,
        k=k,
        threads=threads,
        timeout=timeout,
        precision=precision,
        force=force,
        retry=retry or (),
        strict=strict,
        signed=signed,
        cluster=cluster,
    )
    asked = SuiteRun.of(suite, options, results, plugins or ())
    for line in asked.warnings():
        _tell(line)
    if dry_run:
        print_dry_run(Terminal(highlight=False), asked.estimates(), asked.suite)
        return
    with asked.executor(_tell) as executor:
        with shown_progress() as progress:
            plan = asked.plan(executor.machine, progress, _tell)
        summary = _measure(asked, plan, executor)
    _print_summary(asked, plan, summary)
    if summary.failures:
        raise typer.Exit(_FAILED)


def _measure(asked: SuiteRun, plan: Plan, executor: Executor) -> RunSummary:
    console = Terminal(stderr=True)
    try:
        with live_table(console) if console.is_terminal else plain_lines(sys.stderr) as listener:
            return asked.measure(plan, executor, listener)
    except StoreFull as full:
        say(
            f"error: {full.what} takes no more: {full.reason}\n"
            f"  where:    {full.path}\n"
            f"  kept:     everything stored before, {full.added} builds of this run among it\n"
            f"  try:      make room, then give the same command again: it continues from here",
            to_errors=True,
        )
        raise typer.Exit(_FAILED) from full


def _print_summary(asked: SuiteRun, plan: Plan, summary: RunSummary) -> None:
    console = Terminal()
    with shown_progress() as progress, console.capture() as printed:
        progress("summing up", 0, 0)
        from harness.cli.summary import print_summary  # pandas takes a while to load

        print_summary(console, result_of(asked, plan, summary))
    sys.stdout.write(printed.get())


def _tell(text: str) -> None:
    say(text, to_errors=True)
