"""`annharness check`: does an adapter keep the contract?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from harness.checks.conducting import DATASET, TIMEOUT_SECONDS, check_entry
from harness.checks.trials import Verdict
from harness.cli.options import Plugins, complete_algorithms
from harness.cli.terminal import Terminal
from harness.registry.registry import load_registry

_FAILED = 1
_STYLES = {"pass": "green", "fail": "bold red", "skip": "yellow", "expected": "cyan"}
_WIDTH_OF_STATUS, _WIDTH_OF_TITLE = 9, 29


def check(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME",
            help="Algorithms of the registry.",
            autocompletion=complete_algorithms,
        ),
    ],
    dataset: Annotated[
        str,
        typer.Option("--dataset", help="Check on 1,000 rows of this dataset (a name or a path)."),
    ] = DATASET,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Run only this check, such as k-one; may be repeated."),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", help="Seconds for each check.", min=1, max=1e9)
    ] = TIMEOUT_SECONDS,
    plugins: Plugins = None,
) -> None:
    """Check an adapter against the contract, one line for each check.

    Each line says pass; fail, with what was expected and got; skip, with the reason; or expected, a
    failure that the entry declares in `expected_failures`. The exit status is 1 if a check failed.

    Example: annharness check exact pq
    """
    registry = load_registry(plugins or ())
    for name in names:
        registry.algorithm(name)
    console = Terminal()
    verdicts = [
        verdict
        for name in names
        for verdict in _checked(console, name, tuple(plugins or ()), dataset, timeout, only)
    ]
    if any(verdict.status == "fail" for verdict in verdicts):
        raise typer.Exit(_FAILED)


def _checked(
    console: Console,
    name: str,
    plugins: Sequence[Path],
    dataset: str,
    timeout: float,
    only: Sequence[str] | None,
) -> list[Verdict]:
    with console.status(f"checking {name}") as status:

        def say(text: str) -> None:
            status.update(Text(f"checking {name}: {text}" if text else f"checking {name}"))

        verdicts = check_entry(name, plugins, dataset, timeout, only or (), say)
    console.print(Text(name, style="bold"))
    for verdict in verdicts:
        console.print(line_of(verdict), soft_wrap=True)
    console.print(Text(summary_of(verdicts)))
    return verdicts


def line_of(verdict: Verdict) -> Text:
    """Return the text of a verdict: one line, and two more if it failed."""
    line = Text(f"  {verdict.status:<{_WIDTH_OF_STATUS}}", style=_STYLES[verdict.status])
    line.append(f"{verdict.title:<{_WIDTH_OF_TITLE}}{verdict.why}".rstrip(), style="default")
    if verdict.status in ("fail", "expected"):
        margin = " " * (_WIDTH_OF_STATUS + 4)
        line.append(f"\n{margin}expected: {verdict.expected}", style="default")
        line.append(f"\n{margin}got:      {verdict.got}", style="default")
    return line


def summary_of(verdicts: Sequence[Verdict]) -> str:
    """Return the counts in one line."""
    counts = Counter[str](verdict.status for verdict in verdicts)
    names = {
        "pass": "passed",
        "fail": "failed",
        "skip": "skipped",
        "expected": "failed as declared",
    }
    parts = [f"{counts[status]} {word}" for status, word in names.items() if counts[status]]
    return f"{sum(counts.values())} checks: {', '.join(parts)}\n"
