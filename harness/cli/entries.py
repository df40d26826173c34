"""Entries as users name them, and whether they can be used here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.contracts import UserError
from harness.contracts.definitions import DatasetDefinition
from harness.data.cache.cached import CachedDataset, cached_by_name, open_cached
from harness.data.loading import cached_path, is_name_of_file, open_definition, open_file
from harness.files.paths import user_path
from harness.files.progress import Progress, silent
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.names import did_you_mean
from harness.registry.registry import Registry, load_registry
from harness.running.environments.isolated import EnvironmentFailed, Environments
from harness.running.environments.probe import Probes, remembered

FILE_ENDINGS = (".hdf5", ".h5")


@dataclass(frozen=True)
class OwnFile:
    """A file of the user's, given by its path."""

    path: Path


@dataclass(frozen=True)
class KnownFile:
    """A file that was opened by its path before; `path` is its cached form."""

    path: Path


Named = DatasetDefinition | OwnFile | KnownFile


def named(name: str, registry: Registry, where: str = "DATASET") -> Named:
    """Return the dataset of a name; nothing is opened.

    Raises
    ------
    UserError
        If there is none, with the nearest names and files. `where` is where the name was given.
    """
    path = user_path(name)
    if path.is_file():
        return OwnFile(path)
    if name in registry.datasets:
        return registry.datasets[name]
    if is_name_of_file(name):
        cached = cached_by_name(name)
        if cached is not None:
            return KnownFile(cached)
        raise UserError(
            f"no dataset is called {name!r}: this is the name that results give to a file",
            where=where,
            hint="give the path of that file, with -d",
        )
    nearby = [
        str(path.parent / other.name)
        for ending in FILE_ENDINGS
        for other in path.parent.glob(f"*{ending}")
    ]
    names = nearby if path.suffix in FILE_ENDINGS and nearby else registry.datasets
    raise UserError(
        f"no dataset is called {name!r}, and no file either",
        where=where,
        hint=did_you_mean(name, names),
    )


def open_in(registry: Registry, name: str, progress: Progress = silent) -> CachedDataset:
    """Open the dataset of a name.

    Raises
    ------
    UserError
        As `named`, and if the dataset cannot be fetched or used.
    """
    return open_found(named(name, registry), progress)


def open_found(found: Named, progress: Progress = silent) -> CachedDataset:
    """Open a dataset that `named` has found."""
    match found:
        case OwnFile(path):
            return open_file(path, progress=progress)
        case KnownFile(path):
            return open_cached(path)
        case definition:
            return open_definition(definition, progress=progress)


def open_named(
    name: str, plugins: Sequence[Path] | None = None, progress: Progress = silent
) -> CachedDataset:
    """Do as `open_in`, in the registry with these plug-ins."""
    return open_in(load_registry(plugins or ()), name, progress)


@dataclass(frozen=True)
class State:
    """`word` is for a column, `detail` says why and what to do, `style` is a colour."""

    word: str
    detail: str
    style: str

    @property
    def must_be_fetched(self) -> bool:
        """Whether it is a dataset that is not here yet."""
        return self.word == "to fetch"

    @property
    def is_ready(self) -> bool:
        """Whether the entry can be used."""
        return self.style == "green"


def algorithm_state(
    definition: AlgorithmDefinition, environments: Environments, probes: Probes | None = None
) -> State:
    """Return whether an algorithm runs here; its libraries are imported only by probes."""
    missing = definition.missing()
    if missing:
        what = f"{', '.join(missing)}: {definition.install_line()}"
        return State("not installed", f"not installed: {what}", "yellow")
    if isinstance(environments.of(definition), EnvironmentFailed):
        what = f"makes an environment first: {', '.join(definition.requires)}"
        return State("isolated", what, "cyan")
    known = probes.of(definition) if probes else remembered(definition, environments)
    if known is not None and not known.imports:
        return State("no import", known.note, "red")
    ready = "ready" + (", isolated" if definition.isolated else "")
    untested = definition.untested()
    if untested:
        return State("other version", f"{ready}, but {'; '.join(untested)}", "yellow")
    if known is not None and known.note:
        return State("ready", f"{ready}, but {known.note}", "yellow")
    return State("ready", ready, "green")


def dataset_state(definition: DatasetDefinition) -> State:
    """Return whether a dataset is here, and whether its entry was ever loaded."""
    if definition.sources[0].kind == "bundled":
        word, detail = "bundled", "bundled with its entry"
    elif cached_path(definition) is not None:
        word, detail = "here", "in the cache"
    else:
        word, detail = "to fetch", f"not here yet: annharness data fetch {definition.name}"
    if definition.untested:
        return State(word, f"{detail}; this entry was never loaded end to end", "yellow")
    return State(word, detail, "cyan" if word == "to fetch" else "green")
