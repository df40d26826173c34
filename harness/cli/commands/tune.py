"""`annharness tune`: find the parameters of algorithms for a recall."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from harness.api.measuring import TuneResult, tune_result
from harness.cli.live import live_table
from harness.cli.live_search import live_search
from harness.cli.options import (
    DEFAULT_RESULTS,
    Cluster,
    Plugins,
    Results,
    Signed,
    Threads,
    complete_datasets,
    complete_names,
)
from harness.cli.progress import shown_progress, shown_work
from harness.cli.terminal import Terminal, say
from harness.results.table.columns import Row
from harness.running.listener import plain_lines
from harness.tuning.following import Outputs
from harness.tuning.request import TuneOptions, TuneRequest
from harness.tuning.session import tuned

_NOT_MET = 1


def tune(
    what: Annotated[
        list[str],
        typer.Argument(
            help="A suite, or one or several algorithms.", autocompletion=complete_names
        ),
    ],
    recall: Annotated[
        float, typer.Option("--recall", help="The recall to reach, on held-out queries.")
    ],
    budget: Annotated[str, typer.Option("--budget", help="Time for the search: 90s, 30m, 1.5h.")],
    dataset: Annotated[
        str | None,
        typer.Option(
            "-d",
            "--dataset",
            help="The dataset (a name or a path), instead of the suite's.",
            autocompletion=complete_datasets,
        ),
    ] = None,
    max_bytes: Annotated[
        float | None, typer.Option("--max-bytes", help="The most bytes per vector.")
    ] = None,
    minimize: Annotated[
        list[str] | None,
        typer.Option(
            "--minimize",
            help="What to minimise: query (time), bytes or build (time); query by default. "
            "Give it twice, query and bytes, for the frontier of the two.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the search.")] = 0,
    k: Annotated[
        int | None, typer.Option("--k", help="Number of neighbours, instead of the suite's.")
    ] = None,
    threads: Threads = None,
    signed: Signed = False,
    cluster: Cluster = None,
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Find the parameters for a recall, and prove them on held-out queries.

    Builds are tried until the budget is spent, each proposed from earlier results. On each
    built index the cheapest search setting that reaches the recall is found, with tuning queries
    only. The winner of each algorithm is then built again and measured like any other point; with
    two --minimize, at most five winners, which no other setting beats in both. The exit status is 1
    if one misses the recall there. The same command continues after Ctrl-C, and with a larger
    budget.

    Examples:

      annharness tune faiss-ivf -d glove-50-10k --recall .9 --budget 25s

      annharness tune pq faiss-pq -d glove-50-10k --recall .9 --max-bytes 250 --budget 5m

      annharness tune pq -d glove-50-10k --recall .5 --minimize query --minimize bytes --budget 1m
    """
    options = TuneOptions(
        recall=recall,
        budget=budget,
        dataset=dataset,
        max_bytes=max_bytes,
        minimize=minimize or ["query"],  # type: ignore[arg-type]  # checked with the other options
        seed=seed,
        k=k,
        threads=threads,
        signed=signed,
        cluster=cluster,
    )
    request = TuneRequest.of(what, options, results, plugins or ())
    with _telling() as told:
        found = tuned(request, told, plugins or ())
    with shown_work("summing up"):
        result = tune_result(found)
    _print(Terminal(markup=False, highlight=False), result)
    if not result.met.all() or result.missed:
        raise typer.Exit(_NOT_MET)


@contextmanager
def _telling() -> Iterator[Outputs]:
    """Tell what happens: in tables at a terminal, otherwise in lines."""
    console = Terminal(stderr=True)
    if console.is_terminal:
        yield Outputs(
            partial(say, to_errors=True),
            shown_progress,
            lambda: live_search(console),
            lambda: live_table(console),
        )
        return
    with plain_lines(sys.stderr) as lines:
        yield Outputs.by(lines)


def _print(console: Terminal, found: TuneResult) -> None:
    """Print each winner with its figures on the held-out queries, and where everything is."""
    from harness.report.analysis.recommendations import optimism_text

    limit = f" in {found.max_bytes:g} bytes per vector" if found.max_bytes is not None else ""
    goal = " to the frontier of time and bytes" if len(found.minimize) > 1 else ""
    console.print(Text(f"Tuned for recall {found.recall:g}{limit}{goal}", "bold"))
    lines = Table.grid(padding=(0, 2, 0, 0))
    for (_, row), met in zip(found.table.iterrows(), found.met, strict=True):
        lines.add_row(Text(row["label"], "bold"), _sentence(dict(row), met=bool(met)))
    for label, words in found.missed.items():
        lines.add_row(Text(label, "bold"), f"nothing reaches it; nearest: {words}")
    for words in dict.fromkeys(found.table["tuned"]):
        lines.add_row("found", words)
    gap = optimism_text(found.optimism)
    lines.add_row("optimism", f"recall on the tuning queries, by which they were chosen, is {gap}")
    console.print(lines)
    for what, paths in (("suite", [found.suite]), ("figures", found.figures)):
        for path in paths:
            console.print(Text(f"{what}: {path}"), soft_wrap=True)


def _sentence(row: Row, *, met: bool) -> str:
    """The figures of a winner; recall is that of the held-out queries."""
    from harness.report.texts import plus_minus, size_text

    if row["status"] != "ok":
        return f"{row['name']}: {row['status']}: {row['reason']}"
    held, low, high = (row[f"held_out_recall{end}"] for end in ("", "_low", "_high"))
    error = plus_minus(row["qps"], row["qps_low"], row["qps_high"])
    return (
        f"{row['name']}: {'met' if met else 'NOT MET'}, recall {held:.3f} [{low:.3f}, {high:.3f}], "
        f"{row['qps']:,.0f} queries/s {error}, {size_text(row)} bytes per vector"
    ).removeprefix(": ")
