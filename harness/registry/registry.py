"""The registry: every algorithm and dataset, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from harness.contracts import UserError
from harness.contracts.definitions import DatasetDefinition, FilterFiles, QuerySplit, Source
from harness.errors import did_you_mean
from harness.registry.algorithms import AlgorithmDefinition, read_algorithms
from harness.registry.plugins import (
    InstalledRoot,
    Kind,
    PluginFolder,
    PluginSource,
    brought_by,
    candidates,
    check_folder_name,
    find_folders,
    installed_roots,
    open_roots,
    plugin_roots,
    two_folders,
)
from harness.registry.schema.checking import check, read_entries
from harness.registry.schema.entries import DatasetSchema, QueriesSchema, SourceSchema
from harness.registry.yaml_source import Document


def read_datasets(folder: PluginFolder) -> list[DatasetDefinition]:
    """Return the entries of one plug-in folder.

    Raises
    ------
    UserError
        Names the file, the line and the key of each mistake.
    """
    document = read_entries(folder.config, "dataset", "name: {about: ..., ...}")
    return [_definition(name, folder, document) for name in document.data]


def _definition(name: str, folder: PluginFolder, document: Document) -> DatasetDefinition:
    place = document.place((name,))
    schema = check(DatasetSchema, document.data[name], document, (name,))
    return DatasetDefinition(
        name=name,
        about=schema.about,
        licence=schema.licence,
        metric=schema.metric,
        dimension=schema.dimension,
        base=schema.base,
        split=_split(schema.queries),
        sources=tuple(_source(source) for source in schema.sources),
        folder=folder.path,
        origin=place,
        loader=schema.loader,
        untested=schema.untested,
        filtered=schema.filtered or _filter_files(schema),
        query_distribution=schema.query_distribution,
    )


def _filter_files(schema: DatasetSchema) -> FilterFiles | None:
    return None if schema.attributes is None else FilterFiles(schema.attributes, schema.filters)


def _split(queries: QueriesSchema) -> QuerySplit:
    if queries.first is not None:
        return QuerySplit("first", queries.count, queries.first, queries.seed)
    if queries.draw is not None:
        return QuerySplit("random", queries.count, None, queries.seed)
    return QuerySplit("file", queries.count, None, queries.seed)


def _source(schema: SourceSchema) -> Source:
    return Source(**schema.model_dump())


class _Entry(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def origin(self) -> str: ...


Entry = TypeVar("Entry", bound=_Entry)

_READERS: dict[Kind, Callable[[PluginFolder], Sequence[_Entry]]] = {
    "algorithms": read_algorithms,
    "datasets": read_datasets,
}


@dataclass(frozen=True)
class Registry:
    """All entries by name. `roots` are the searched folders, `sources` say who brought them."""

    algorithms: Mapping[str, AlgorithmDefinition]
    datasets: Mapping[str, DatasetDefinition]
    roots: tuple[Path, ...]
    sources: tuple[PluginSource, ...] = ()

    @property
    def problems(self) -> list[UserError]:
        """The errors of everything that was skipped because it was broken."""
        return [problem for source in self.sources for problem in source.problems]

    def algorithm(self, name: str) -> AlgorithmDefinition:
        """Return an entry, or raise a `UserError` that names the nearest ones."""
        return _named("algorithm", name, self.algorithms)

    def dataset(self, name: str) -> DatasetDefinition:
        """Return an entry, or raise a `UserError` that names the nearest ones."""
        return _named("dataset", name, self.datasets)


def load_registry(plugins: Sequence[Path] = ()) -> Registry:
    """Read all registry files: this repository's, the user's, named folders', installed packages'.

    No adapter is imported. Afterwards the plug-ins can be imported by their package names. What is
    broken in an installed package is skipped and listed in `sources`: only its author can fix it.

    Raises
    ------
    UserError
        If a file elsewhere has mistakes, or two folders or entries share a name.
    """
    roots = plugin_roots(plugins)
    reading = _Reading()
    for kind in _READERS:
        for folder in find_folders(kind, roots):
            reading.take(folder)
    own = [reading.source(root, brought_by(root, plugins)) for root in roots]
    installed = [reading.take_installed(found) for found in installed_roots()]
    sources = [*own, *(source for source in installed if source.path not in roots)]
    opened = [source.path for source in sources if source.path is not None]
    open_roots(opened)
    return Registry(
        algorithms=dict(sorted(reading.entries["algorithms"].items())),
        datasets=dict(sorted(reading.entries["datasets"].items())),
        roots=tuple(opened),
        sources=tuple(sources),
    )


class _Reading:
    """Entries as they are read, folder by folder, with the folder that each came from."""

    def __init__(self) -> None:
        self.entries: dict[Kind, dict[str, Any]] = {kind: {} for kind in _READERS}
        self._folders: dict[tuple[Kind, str], PluginFolder] = {}

    def take(self, folder: PluginFolder) -> None:
        """Add all entries of a folder, or none."""
        taken = self._folders.setdefault((folder.kind, folder.path.name), folder)
        if taken.path != folder.path:
            raise two_folders(taken.path, folder.path)
        known = self.entries[folder.kind]
        found = {}
        for entry in _READERS[folder.kind](folder):
            if entry.name in known:
                raise UserError(
                    f"two entries are called {entry.name!r}",
                    where=f"{known[entry.name].origin} and {entry.origin}",
                    hint="rename one of them",
                )
            found[entry.name] = entry
        known.update(found)

    def take_installed(self, found: InstalledRoot | UserError) -> PluginSource:
        """Add the plug-ins of an installed package, except broken ones."""
        if isinstance(found, UserError):
            return PluginSource(None, "an installed package", problems=(found,))
        problems = []
        for kind in _READERS:
            for path in candidates(kind, [found.path]):
                try:
                    check_folder_name(path)
                    self.take(PluginFolder(kind, path))
                except UserError as problem:
                    problems.append(problem)
        whose = f"{found.package} {found.version}"
        source = self.source(found.path, whose)
        return replace(
            source, package=found.package, version=found.version, problems=tuple(problems)
        )

    def source(self, root: Path, whose: str) -> PluginSource:
        """Return what was found below a root."""
        names = {
            kind: tuple(sorted(n for n, entry in known.items() if _stands_below(entry, root)))
            for kind, known in self.entries.items()
        }
        return PluginSource(root, whose, algorithms=names["algorithms"], datasets=names["datasets"])


def _stands_below(entry: Any, root: Path) -> bool:
    folder = entry.folder if isinstance(entry.folder, Path) else entry.folder.path
    return Path(folder).parent.parent == root


def _named(kind: str, name: str, entries: Mapping[str, Entry]) -> Entry:
    if name not in entries:
        raise UserError(f"no {kind} is called {name!r}", hint=did_you_mean(name, entries))
    return entries[name]
