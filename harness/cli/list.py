"""`annharness list`: what can be named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.options import Plugins
from harness.contracts import UserError
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.registry import Registry, load_registry
from harness.registry.suites import read_suite, suite_names
from harness.running.environments.isolated import (
    Environment,
    EnvironmentFailed,
    Environments,
    folder_bytes,
    made_environments,
)
from harness.running.environments.probe import Finding, Probes, remembered


class Kind(StrEnum):
    """What can be listed."""

    ALGORITHMS = "algorithms"
    DATASETS = "datasets"
    SUITES = "suites"
    PLUGINS = "plugins"
    ENVIRONMENTS = "environments"


_MOST_NAMES = 12
_BY_DEFAULT = (Kind.ALGORITHMS, Kind.DATASETS, Kind.SUITES)


def list_entries(
    kind: Annotated[
        Kind | None,
        typer.Argument(
            help="Only these; plugins and environments are shown only if asked for.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Import every adapter in a child process and tell how."),
    ] = False,
    plugins: Plugins = None,
) -> None:
    """List what can be named, where it comes from, and whether its libraries are there.

    Without --check, libraries are looked up but not imported; what the last check found is told
    again. `annharness list --plugins`, with no folder, is `annharness list plugins`.

    Examples:

      annharness list algorithms --check

      annharness list plugins
    """
    registry = load_registry(plugins or ())
    console = Console()
    tables: dict[Kind, Callable[[Registry], Table]] = {
        Kind.ALGORITHMS: lambda registry: _algorithms(registry, check),
        Kind.DATASETS: _datasets,
        Kind.SUITES: _suites,
        Kind.PLUGINS: _plugins,
        Kind.ENVIRONMENTS: _environments,
    }
    for name, table in tables.items():
        if kind == name or (kind is None and name in _BY_DEFAULT):
            console.print(table(registry))
            console.print()
    if registry.problems and kind is not Kind.PLUGINS:
        count = len(registry.problems)
        console.print(f"{count} broken in installed packages, skipped: annharness list plugins")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    return table


def _algorithms(registry: Registry, check: bool) -> Table:
    table = _table("Algorithms", "name", "what it is", "metrics", "state")
    environments = Environments()
    probes = Probes(environments) if check else None
    for definition in registry.algorithms.values():
        metrics = ", ".join(definition.metrics)
        state = _state(definition, environments, probes)
        table.add_row(definition.name, Text(definition.about), metrics, state)
    return table


def _state(
    definition: AlgorithmDefinition, environments: Environments, probes: Probes | None
) -> Text:
    missing = definition.missing()
    if missing:
        return Text(f"missing {', '.join(missing)}: {definition.install_line()}", style="yellow")
    if isinstance(environments.of(definition), EnvironmentFailed):
        return Text(f"makes an environment first: {', '.join(definition.requires)}", style="cyan")
    known = probes.of(definition) if probes else remembered(definition, environments)
    finding = known or Finding(True, "")
    if not finding.imports:
        return Text(finding.note, style="red")
    ready = "ready" + (", isolated" if definition.isolated else "")
    if finding.note:
        return Text(f"{ready}, but {finding.note}", style="yellow")
    return Text(ready, style="green")


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


def _plugins(registry: Registry) -> Table:
    table = _table("Plug-ins", "brought by", "folder", "algorithms", "datasets", "problems")
    for source in registry.sources:
        table.add_row(
            Text(source.brought_by),
            Text(str(source.path or "")),
            _names(source.algorithms),
            _names(source.datasets),
            _problems(source.problems),
        )
    return table


def _names(names: Sequence[str]) -> Text:
    """Name a few, count many: `annharness list algorithms` names them all."""
    return Text(", ".join(names) if len(names) <= _MOST_NAMES else f"{len(names)} entries")


def _problems(problems: Sequence[UserError]) -> Text:
    if not problems:
        return Text("none", style="green")
    return Text("\n".join(problem.describe() for problem in problems), style="red")


def _environments(registry: Registry) -> Table:
    table = _table("Environments", "requires", "Python", "used by", "MB", "folder")
    for environment in made_environments():
        table.add_row(
            ", ".join(environment.requires),
            environment.python_version,
            ", ".join(_users(registry, environment)) or "no entry",
            f"{folder_bytes(environment.folder) / 1e6:,.0f}",
            Text(str(environment.folder)),
        )
    return table


def _users(registry: Registry, environment: Environment) -> list[str]:
    isolated = [one for one in registry.algorithms.values() if one.isolated]
    held = Environments()
    return [one.name for one in isolated if held.of(one) == environment]
