"""`annharness list`: algorithms, datasets and suites, one line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.options import Plugins
from harness.cli.terminal import terminal
from harness.contracts import Metric, UserError, bytes_below
from harness.contracts.dataset import METRIC_OF_NAME, METRICS
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


class Entry(NamedTuple):
    """What a line of the list tells; a suite has no metrics of its own."""

    name: str
    about: str
    metrics: tuple[Metric, ...] = ()
    state: State = State("", "", "ready")

    def has(self, word: str) -> bool:
        """Whether it has a metric of this name, or else the word in its name or description."""
        if word in METRIC_OF_NAME:
            return METRIC_OF_NAME[word] in self.metrics
        return word in f"{self.name} {self.about} {' '.join(self.metrics)}".lower()


_COLOURS: dict[Level, str] = {
    "ready": "green",
    "obtainable": "cyan",
    "doubtful": "yellow",
    "broken": "red",
}
_MOST_NAMES = 12
_BY_DEFAULT = (Kind.ALGORITHMS, Kind.DATASETS, Kind.SUITES)
_LEAST_ROOM = 5  # characters for what an entry is, however narrow the terminal
_AMPLE_ROOM = 60  # characters for it, from which on metrics are whole words


def list_entries(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="algorithms, datasets, suites, plugins or environments: only these (the last two "
            "are shown only if asked for). A metric, such as euclidean or l2: only entries that "
            "take it. Any other word: only entries that have it in their name, description or "
            "metrics.",
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
    """List algorithms, datasets and suites, one line each, with their metrics and state.

    Without --check, libraries are looked up but not imported, and the findings of the last check
    are shown. `annharness list --plugins`, with no folder, is the same as `annharness list
    plugins`. `annharness show NAME` prints everything about one name.

    Examples:

      annharness list ivf

      annharness list algorithms euclidean

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
            listed = (one for one in _entries_of(kind, registry) if all(map(one.has, wanted)))
            entries = list(_with_states(kind, listed, registry, check))
            shown += len(entries)
            _print_entries(console, kind, entries, check)
    if wanted and not shown:
        names = [entry.name for kind in _BY_DEFAULT for entry in _entries_of(kind, registry)]
        raise UserError(
            f"nothing has {' and '.join(map(repr, wanted))} in its name, description or metrics",
            hint=did_you_mean(wanted[0], [*names, *(kind.value for kind in Kind)]),
        )
    if registry.problems and Kind.PLUGINS not in kinds:
        count = len(registry.problems)
        console.print(f"{count} broken in installed packages, skipped: annharness list plugins")


def _entries_of(kind: Kind, registry: Registry) -> Iterator[Entry]:
    """The entries of a kind, without their states, some of which take long to find out."""
    if kind is Kind.SUITES:
        for name in suite_names():
            yield Entry(name, read_suite(name, registry.algorithms).about)
    elif kind is Kind.ALGORITHMS:
        for algorithm in registry.algorithms.values():
            yield Entry(algorithm.name, algorithm.about, tuple(algorithm.metrics))
    else:
        for dataset in registry.datasets.values():
            yield Entry(dataset.name, dataset.about, (dataset.metric,))


def _with_states(
    kind: Kind, entries: Iterable[Entry], registry: Registry, check: bool
) -> Iterator[Entry]:
    environments = Environments()
    probes = Probes(environments) if check else None
    for entry in entries:
        if kind is Kind.ALGORITHMS:
            state = algorithm_state(registry.algorithms[entry.name], environments, probes)
            yield entry._replace(state=state)
        elif kind is Kind.DATASETS:
            yield entry._replace(state=dataset_state(registry.datasets[entry.name]))
        else:
            yield entry


def _print_entries(console: Console, kind: Kind, entries: Sequence[Entry], check: bool) -> None:
    """Print a line for each entry, cut to the terminal; after a check, its finding."""
    if not entries:
        return
    names = max(len(entry.name) for entry in entries)
    states = max(len(entry.state.word) for entry in entries)
    metrics, legend = [", ".join(entry.metrics) for entry in entries], ""
    room = console.width - names - states - max(map(len, metrics)) - 6
    if any(metrics) and room < _AMPLE_ROOM:
        metrics = [_letters(entry.metrics) for entry in entries]
        legend = ": " + ", ".join(f"{metric[0]} {metric}" for metric in METRICS)
        room = console.width - names - states - len(METRICS) - 6
    width, room = max(map(len, metrics)), max(_LEAST_ROOM, room)
    console.print(Text(f"{kind.value.capitalize()} ({len(entries)})", "bold").append(legend))
    for entry, shown in zip(entries, metrics, strict=True):
        line = Text(f"{entry.name:<{names}}  {_shorten(entry.about, room):<{room}}  ")
        line.append(f"{shown:<{width}}  " if width else "")
        line.append(entry.state.word, _COLOURS[entry.state.level])
        line.rstrip()
        console.print(line, soft_wrap=True)
    for entry in entries if check else ():
        if not entry.state.is_ready and kind is Kind.ALGORITHMS:
            found = Text(f"{entry.name}: {entry.state.detail}", _COLOURS[entry.state.level])
            console.print(found, soft_wrap=True)
    console.print()


def _letters(metrics: Sequence[Metric]) -> str:
    """The first letter of each metric, at a place of its own."""
    return "".join(metric[0] if metric in metrics else " " for metric in METRICS)


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
