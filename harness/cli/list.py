"""`annharness list`: what can be named."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.options import Plugins
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.registry import Registry, load_registry
from harness.registry.suites import read_suite, suite_names


class Kind(StrEnum):
    """What can be listed."""

    ALGORITHMS = "algorithms"
    DATASETS = "datasets"
    SUITES = "suites"


def list_entries(
    kind: Annotated[Kind | None, typer.Argument(help="Only these.", show_default=False)] = None,
    plugins: Plugins = None,
) -> None:
    """List the algorithms, datasets and suites that can be named.

    Example: annharness list algorithms
    """
    registry = load_registry(plugins or ())
    console = Console()
    tables = {
        Kind.ALGORITHMS: _algorithms,
        Kind.DATASETS: _datasets,
        Kind.SUITES: _suites,
    }
    for name, table in tables.items():
        if kind in (None, name):
            console.print(table(registry))
            console.print()


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    return table


def _algorithms(registry: Registry) -> Table:
    table = _table("Algorithms", "name", "what it is", "metrics", "state")
    for definition in registry.algorithms.values():
        metrics = ", ".join(definition.metrics)
        table.add_row(definition.name, Text(definition.about), metrics, _state(definition))
    return table


def _state(definition: AlgorithmDefinition) -> Text:
    missing = definition.missing()
    if not missing:
        return Text("ready", style="green")
    return Text(f"missing {', '.join(missing)}: {definition.install_line()}", style="yellow")


def _datasets(registry: Registry) -> Table:
    table = _table("Datasets", "name", "what it is", "base", "d", "metric")
    for entry in registry.datasets.values():
        about = entry.about + (" (untested)" if entry.untested else "")
        table.add_row(
            entry.name, Text(about), f"{entry.base:,}", str(entry.dimension), entry.metric
        )
    return table


def _suites(registry: Registry) -> Table:
    table = _table("Suites", "name", "what it is", "datasets", "algorithms")
    for name in suite_names():
        suite = read_suite(name, registry.algorithms)
        labels = dict.fromkeys(variant.label for variant in suite.variants)
        table.add_row(name, Text(suite.about), ", ".join(suite.datasets), ", ".join(labels))
    return table
