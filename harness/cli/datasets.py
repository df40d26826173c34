"""Datasets as users name them: by entry, by the path of a file, or by a file's name in results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.contracts import UserError
from harness.contracts.definitions import DatasetDefinition
from harness.contracts.paths import user_path
from harness.data.cached import CachedDataset, cached_by_name, open_cached
from harness.data.file_names import is_name_of_file
from harness.data.loading import open_definition, open_file
from harness.files.progress import Progress, silent
from harness.registry.names import did_you_mean
from harness.registry.registry import Registry, load_registry

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
