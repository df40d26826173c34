"""`annharness show`: everything about one algorithm, dataset or suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from packaging.requirements import Requirement
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.commands.data.looking import entry_facts, print_facts
from harness.cli.options import Plugins, complete_datasets, complete_names
from harness.cli.terminal import Terminal
from harness.contracts import UserError
from harness.contracts.definitions import Parameters
from harness.errors import did_you_mean
from harness.files.paths import user_path
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.grid import format_value, short_name
from harness.registry.registry import Registry, load_registry
from harness.registry.settings import Facts, Setting, dropped, settings
from harness.registry.suites import Suite, Variant, read_suite, suite_names
from harness.running.environments.isolated import Environments
from harness.running.plan import library_versions
from harness.running.states import algorithm_state, dataset_state
from harness.text import counted, percent

_MOST_LINES = 10  # of settings left out or refused, which may be thousands
_MOST_VALUES = 20  # of a parameter
_BUNDLED = "glove-50-10k"

FactLines = list[tuple[str, str]]
"""Names and what there is to say, in the order to be shown; an empty name goes on."""


def show(
    name: Annotated[
        str,
        typer.Argument(help="An algorithm, a dataset or a suite.", autocompletion=complete_names),
    ],
    dataset: Annotated[
        str,
        typer.Option(
            "-d",
            "--dataset",
            help="Dataset whose size and metric are used to expand the grids.",
            autocompletion=complete_datasets,
        ),
    ] = _BUNDLED,
    k: Annotated[
        int, typer.Option("--k", min=1, help="Number of neighbours used to expand the grids.")
    ] = 10,
    plugins: Plugins = None,
) -> None:
    """Show one algorithm, dataset or suite: parameters, groups, grid, requirements, state.

    For an algorithm, this includes the size of the grid, and what `where` leaves out and `require`
    refuses for a dataset and k. All entries of that name are shown.

    Examples:

      annharness show faiss-hnsw

      annharness show pq -d glove-100 --k 100

      annharness show demo
    """
    registry = load_registry(plugins or ())
    parts = []
    dataset_entry = registry.datasets.get(name)
    if name in registry.algorithms:
        definition = registry.algorithms[name]
        parts.append(_algorithm_facts(definition, _facts(registry, dataset, k, definition)))
    if name in suite_names() or Path(name).suffix in (".yml", ".yaml"):
        parts.append(_suite_facts(read_suite(name, registry.algorithms), registry))
    if not parts and dataset_entry is None:
        known = [*registry.algorithms, *registry.datasets, *suite_names()]
        raise UserError(
            f"no algorithm, dataset or suite is called {name!r}", hint=did_you_mean(name, known)
        )
    for part in parts:
        _print(Terminal(highlight=False), part)
    if dataset_entry is not None:
        print_facts(entry_facts(dataset_entry))  # with paths that can be copied


def _print(console: Console, facts: FactLines) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts:
        table.add_row(Text(name, "bold"), Text(fact))
    console.print(table)


def _facts(registry: Registry, dataset: str, k: int, definition: AlgorithmDefinition) -> Facts:
    """The facts for the grid; a metric that the algorithm lacks would refuse everything."""
    entry = registry.dataset(dataset)
    metric = entry.metric if entry.metric in definition.metrics else definition.metrics[0]
    return Facts(k=k, n=entry.base, d=entry.dimension, metric=metric)


# ---- an algorithm -------------------------------------------------------------------------------


def _algorithm_facts(definition: AlgorithmDefinition, facts: Facts) -> FactLines:
    return [
        ("name", definition.name),
        ("about", definition.about),
        *([("family", definition.family)] if definition.family else []),
        ("metrics", ", ".join(definition.metrics)),
        *_headed("requires", _requirement_lines(definition)),
        ("state", algorithm_state(definition, Environments()).detail),
        ("entry", definition.origin),
        *_headed("build", _parameter_lines(definition.build)),
        *_headed("search", _parameter_lines(definition.search)),
        *_headed("one of", (", ".join(names) for names in definition.one_of)),
        *_headed("groups", _group_lines(definition)),
        *([("where", definition.where.text)] if definition.where else []),
        *_headed("require", (f"{e.text}: {reason}" for e, reason in definition.require)),
        *_headed("grid", _grid_lines(definition, facts)),
        *_headed("checks", _check_lines(definition)),
    ]


def _requirement_lines(definition: AlgorithmDefinition) -> Iterator[str]:
    versions = library_versions(definition.requires, Environments().of(definition))
    for text in definition.requires:
        yield f"{text} (installed: {versions[Requirement(text).name]})"
    if not definition.requires:
        yield "nothing beyond the harness"


def _headed(name: str, lines: Iterator[str]) -> FactLines:
    return [(name if first else "", line) for first, line in _with_first(lines)]


def _with_first(lines: Iterator[str]) -> Iterator[tuple[bool, str]]:
    for number, line in enumerate(lines):
        yield number == 0, line


def _parameter_lines(grid: Parameters) -> Iterator[str]:
    """A line for each parameter: its default, or the values of the grid."""
    for name, values in grid.items():
        yield f"{name} = {_values(values)}"
    if not grid:
        yield "no parameters"


def _values(values: object) -> str:
    shown = values if isinstance(values, list) else [values]
    more = f", ... ({len(shown):,} values)" if len(shown) > _MOST_VALUES else ""
    return ", ".join(map(format_value, shown[:_MOST_VALUES])) + more


def _group_lines(definition: AlgorithmDefinition) -> Iterator[str]:
    for name, group in definition.groups.items():
        parts = {**group.build, **group.search}
        values = " ".join(f"{key}={_values(value)}" for key, value in parts.items())
        yield f"{name}: {values or 'a group of its own configuration'}"


def _grid_lines(definition: AlgorithmDefinition, facts: Facts) -> Iterator[str]:
    every = list(settings(definition, facts))
    yield f"for k = {facts.k}, {facts.n:,} rows of {facts.d}, {facts.metric}: {_size(every)}"
    for name in definition.groups:
        yield f"group {name}: {_size(list(settings(definition, facts, name)))}"
    lost = [_named(definition, *pair) for pair in dropped(definition, facts)]
    yield from _some(f"where drops {len(lost)}", lost)
    refused = [
        f"{_named(definition, one.build, one.search)}: {one.refusal}"
        for one in every
        if one.refusal
    ]
    yield from _some(f"refused: {len(refused)}", refused)


def _size(found: list[Setting]) -> str:
    builds = {repr(sorted(one.build.items(), key=repr)) for one in found}
    return f"{counted(len(builds), 'build')}, {counted(len(found), 'point')}"


def _named(definition: AlgorithmDefinition, build: Parameters, search: Parameters) -> str:
    parts = short_name(build, definition.build), short_name(search, definition.search)
    return " | ".join(filter(None, parts))


def _some(title: str, lines: list[str]) -> Iterator[str]:
    if not lines:
        return
    more = len(lines) - _MOST_LINES
    yield title
    yield from (f"  {line}" for line in lines[:_MOST_LINES])
    if more > 0:
        yield f"  ... and {more} more"


def _check_lines(definition: AlgorithmDefinition) -> Iterator[str]:
    if definition.floor is not None:
        yield f"recall of the group smoke: at least {definition.floor:g}"
    for check, reason in definition.expected_failures.items():
        yield f"{check} is expected to fail: {reason}"


# ---- a suite ------------------------------------------------------------------------------------


def _suite_facts(suite: Suite, registry: Registry) -> FactLines:
    threads = f"{suite.threads} for queries, {suite.build_threads or 'all'} for builds"
    return [
        ("name", suite.name),
        ("about", suite.about),
        ("file", str(suite.path)),
        ("k", ", ".join(map(str, suite.ks))),
        *_headed("datasets", (_dataset_line(name, registry) for name in suite.datasets)),
        *_headed("algorithms", (_variant_line(v, registry) for v in suite.variants)),
        *([("baseline", suite.baseline)] if suite.baseline else []),
        ("builds", f"{suite.builds}, each searched at least {counted(suite.repeats, 'time')}"),
        ("precision", "off" if suite.precision is None else percent(suite.precision)),
        ("mode", f"{suite.mode}, threads: {threads}"),
        *([("load", "; ".join(one.text() for one in suite.loads))] if suite.loads else []),
        ("limits", f"{suite.timeout:g} s for each build and setting"),
    ]


def _dataset_line(name: str, registry: Registry) -> str:
    entry = registry.datasets.get(name)
    if entry is None:
        return f"{name}: a file" if user_path(name).is_file() else f"{name}: not known here"
    state = dataset_state(entry)
    return f"{name}: {entry.base:,} x {entry.dimension}, {entry.metric}, {state.word}"


def _variant_line(variant: Variant, registry: Registry) -> str:
    values = " ".join(f"{k}={_values(v)}" for k, v in {**variant.build, **variant.search}.items())
    group = f"group {variant.group}" if variant.group else ""
    whose = f"{variant.label} ({variant.algorithm})" if variant.label != variant.algorithm else ""
    state = algorithm_state(registry.algorithm(variant.algorithm), Environments())
    facts = [group, values, state.word if state.word != "ready" else ""]
    return ": ".join(filter(None, [whose or variant.label, ", ".join(filter(None, facts))]))
