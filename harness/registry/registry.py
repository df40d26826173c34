"""The registry: every algorithm and dataset that can be named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from harness.contracts import UserError
from harness.contracts.definitions import DatasetDefinition
from harness.registry.algorithms import AlgorithmDefinition, read_algorithms
from harness.registry.datasets import read_datasets
from harness.registry.names import did_you_mean
from harness.registry.plugins import PluginFolder, find_folders, open_roots, plugin_roots


class _Entry(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def origin(self) -> str: ...


Entry = TypeVar("Entry", bound=_Entry)


@dataclass(frozen=True)
class Registry:
    """All entries by name. `roots` are the folders that were searched."""

    algorithms: Mapping[str, AlgorithmDefinition]
    datasets: Mapping[str, DatasetDefinition]
    roots: tuple[Path, ...]

    def algorithm(self, name: str) -> AlgorithmDefinition:
        """Return an entry, or raise a `UserError` that names the nearest ones."""
        return _named("algorithm", name, self.algorithms)

    def dataset(self, name: str) -> DatasetDefinition:
        """Return an entry, or raise a `UserError` that names the nearest ones."""
        return _named("dataset", name, self.datasets)


def load_registry(plugins: Sequence[Path] = ()) -> Registry:
    """Read every registry file of the house, of the user and of the named folders.

    No adapter is imported. Afterwards the plug-ins can be imported by their package names.

    Raises
    ------
    UserError
        If a file has mistakes, or two folders or entries share a name.
    """
    roots = plugin_roots(plugins)
    open_roots(roots)
    return Registry(
        algorithms=_entries(find_folders("algorithms", roots), read_algorithms),
        datasets=_entries(find_folders("datasets", roots), read_datasets),
        roots=tuple(roots),
    )


def _entries(
    folders: Iterable[PluginFolder], read: Callable[[PluginFolder], list[Entry]]
) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for folder in folders:
        for entry in read(folder):
            if entry.name in found:
                raise UserError(
                    f"two entries are called {entry.name!r}",
                    where=f"{found[entry.name].origin} and {entry.origin}",
                    hint="rename one of them",
                )
            found[entry.name] = entry
    return dict(sorted(found.items()))


def _named(kind: str, name: str, entries: Mapping[str, Entry]) -> Entry:
    if name not in entries:
        raise UserError(f"no {kind} is called {name!r}", hint=did_you_mean(name, entries))
    return entries[name]
