"""`annharness list`: algorithms, datasets and suites, one line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.options import Plugins
from harness.cli.terminal import terminal
from harness.contracts import UserError, bytes_below
from harness.errors import did_you_mean
from harness.registry.registry import Registry, load_registry
from harness.registry.suites import read_suite, suite_names
from harness.running.environments.isolated import Environment, Environments, made_environments
from harness.running.environments.probe import Probes
from harness.running.states import Level, State, algorithm_state, dataset_state


class Kind(StrEnum):
    """A kind of entries that can be listed."""

    ALGORITHMS = "algorithms"
    DATASETS = "datasets"
    SUITES = "suites"
    PLUGINS = "plugins"
    ENVIRONMENTS = "environments"


Entry = tuple[str, str, State]
"""A name, what it is, and its state."""

_COLOURS: dict[Level, str] = {
    "ready": "green",
    "obtainable": "cyan",
    "doubtful": "yellow",
    "broken": "red",
}
_MOST_NAMES = 12
_BY_DEFAULT = (Kind.ALGORITHMS, Kind.DATASETS, Kind.SUITES)
_LEAST_ROOM = 10  # characters for what an entry is, however narrow the terminal


def list_entries(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="algorithms, datasets, suites, plugins or environments: only these (the last two "
            "are shown only if asked for). Any other word: only entries that have it in their "
            "name or description.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Import every adapter in a child process and print what failed."
        ),
    ] = False,
    plugins: Plugins = None,
) -> None:
    """List algorithms, datasets and suites, one line each, with their state.

    Without --check, libraries are looked up but not imported, and the findings of the last check
    are shown. `annharness list --plugins`, with no folder, is the same as `annharness list
    plugins`. `annharness show NAME` prints everything about one name.

    Examples:

      annharness list ivf

      annharness list algorithms --check

      annharness list plugins
    """
    registry = load_registry(plugins or ())
    kinds = [kind for kind in Kind if kind in (words or ())]
    wanted = [word.lower() for word in words or () if word not in list(Kind)]
    console = terminal()
    shown = 0
    for kind in kinds or _BY_DEFAULT:
        if kind is Kind.PLUGINS:
            console.print(_plugins(registry))
        elif kind is Kind.ENVIRONMENTS:
            console.print(_environments(registry))
        else:
            entries = list(_entries(kind, registry, wanted, check))
            shown += len(entries)
            _print_entries(console, kind, entries, check)
    if wanted and not shown:
        names = [name for kind in _BY_DEFAULT for name, _ in _names_of(kind, registry)]
        raise UserError(
            f"nothing has {' and '.join(map(repr, wanted))} in its name or description",
            hint=did_you_mean(wanted[0], [*names, *Kind]),
        )
    if registry.problems and Kind.PLUGINS not in kinds:
        count = len(registry.problems)
        console.print(f"{count} broken in installed packages, skipped: annharness list plugins")


def _names_of(kind: Kind, registry: Registry) -> Iterator[tuple[str, str]]:
    """The names of a kind, each with its description."""
    if kind is Kind.SUITES:
        for name in suite_names():
            yield name, read_suite(name, registry.algorithms).about
    elif kind is Kind.ALGORITHMS:
        yield from ((entry.name, entry.about) for entry in registry.algorithms.values())
    else:
        yield from ((entry.name, entry.about) for entry in registry.datasets.values())


def _entries(kind: Kind, registry: Registry, words: Sequence[str], check: bool) -> Iterator[Entry]:
    """The entries that have all the words in their name or description."""
    environments = Environments()
    probes = Probes(environments) if check else None
    for name, about in _names_of(kind, registry):
        if not all(word in f"{name} {about}".lower() for word in words):
            continue
        if kind is Kind.ALGORITHMS:
            state = algorithm_state(registry.algorithms[name], environments, probes)
        elif kind is Kind.DATASETS:
            state = dataset_state(registry.datasets[name])
        else:
            state = State("", "", "ready")
        yield name, about, state


def _print_entries(console: Console, kind: Kind, entries: Sequence[Entry], check: bool) -> None:
    """Print a line for each entry, cut to the terminal; after a check, its finding."""
    if not entries:
        return
    console.print(Text(f"{kind.value.capitalize()} ({len(entries)})", "bold"))
    names = max(len(name) for name, _, _ in entries)
    states = max(len(state.word) for _, _, state in entries)
    room = max(_LEAST_ROOM, console.width - names - states - 4)
    for name, about, state in entries:
        line = Text(f"{name:<{names}}  ").append(f"{_shorten(about, room):<{room}}  ")
        line.append(state.word, _COLOURS[state.level])
        line.rstrip()
        console.print(line, soft_wrap=True)
    for name, _, state in entries if check else ():
        if not state.is_ready and kind is Kind.ALGORITHMS:
            console.print(Text(f"{name}: {state.detail}", _COLOURS[state.level]), soft_wrap=True)
    console.print()


def _shorten(text: str, characters: int) -> str:
    """Return a text that is no longer than this, cut after a word."""
    if len(text) <= characters:
        return text
    cut = text[: characters - 1].rpartition(" ")[0] or text[: characters - 1]
    return f"{cut.rstrip(',;:')}…"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "name")
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
    """List a few names, or only count many: `annharness list algorithms` shows all."""
    return Text(", ".join(names) if len(names) <= _MOST_NAMES else f"{len(names)} entries")


def _problems(problems: Sequence[UserError]) -> Text:
    if not problems:
        return Text("none", style="green")
    return Text("\n".join(problem.describe() for problem in problems), style="red")


def _environments(registry: Registry) -> Table:
    table = _table("Environments", "requires", "Python", "used by", "MB", "folder")
    for environment in made_environments():
        table.add_row(
            Text(", ".join(environment.requires)),
            environment.python_version,
            ", ".join(_users(registry, environment)) or "no entry",
            f"{bytes_below(environment.folder) / 1e6:,.0f}",
            Text(str(environment.folder)),
        )
    return table


def _users(registry: Registry, environment: Environment) -> list[str]:
    isolated = [one for one in registry.algorithms.values() if one.isolated]
    held = Environments()
    return [one.name for one in isolated if held.of(one) == environment]
