"""Datasets as users name them: by a name of the registry, or by the path of a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.contracts import UserError
from harness.contracts.definitions import DatasetDefinition
from harness.contracts.filters import FILTERED_SUFFIX
from harness.data.cache.cached import CachedDataset, cached_by_name, open_cached
from harness.data.filtered import cached_filtered_path, filtered_name, open_filtered
from harness.data.formats import FORMATS
from harness.data.loading import (
    cached_file,
    cached_path,
    is_name_of_file,
    open_definition,
    open_file,
    shape_of_file,
)
from harness.errors import did_you_mean
from harness.files.paths import no_file, user_path
from harness.files.progress import Progress, silent
from harness.registry.registry import Registry, load_registry
from harness.running.plan import DatasetFacts, facts_of

_ASSUMED_QUERIES = 10_000  # of a dataset with its own queries that is not in the cache


@dataclass(frozen=True)
class OwnFile:
    """A file of the user's, given by its path."""

    path: Path


@dataclass(frozen=True)
class KnownFile:
    """A file that was opened by its path before; `path` is its cached form."""

    path: Path


@dataclass(frozen=True)
class FilteredEntry:
    """The filtered queries of an entry: its name ends in `+filtered`."""

    definition: DatasetDefinition


Named = DatasetDefinition | OwnFile | KnownFile | FilteredEntry


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
    if name.removesuffix(FILTERED_SUFFIX) in registry.datasets:
        definition = registry.datasets[name.removesuffix(FILTERED_SUFFIX)]
        filtered_name(definition)  # it has some
        return FilteredEntry(definition)
    if name and os.path.lexists(path):
        raise no_file(path, "give the path of an HDF5 file, or a name of `annharness data list`")
    if is_name_of_file(name):
        cached = cached_by_name(name)
        if cached is not None:
            return KnownFile(cached)
        raise UserError(
            f"no dataset is called {name!r}: this is the name that results give to a file",
            where=where,
            hint="give the path of that file, with -d",
        )
    if name.endswith(FILTERED_SUFFIX) and user_path(name.removesuffix(FILTERED_SUFFIX)).is_file():
        raise _no_filters(user_path(name.removesuffix(FILTERED_SUFFIX)))
    nearby = [
        str(path.parent / other.name)
        for ending in FORMATS["hdf5"].endings
        for other in path.parent.glob(f"*{ending}")
    ]
    names = nearby if path.suffix in FORMATS["hdf5"].endings and nearby else registry.datasets
    raise UserError(
        f"no dataset is called {name!r}, and no file either",
        where=where,
        hint=did_you_mean(name, names),
    )


def _no_filters(path: Path) -> UserError:
    return UserError(
        "a file given by its path has no filtered queries",
        where=str(path),
        expected="a dataset with attributes",
        hint=f"annharness data add NAME {path.name} --metric angular --attributes ROWS.parquet",
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
        case FilteredEntry(definition):
            return open_filtered(definition, progress)
        case definition:
            return open_definition(definition, progress=progress)


def open_named(
    name: str, plugins: Sequence[Path] | None = None, progress: Progress = silent
) -> CachedDataset:
    """Do as `open_in`, in the registry with these plug-ins."""
    return open_in(load_registry(plugins or ()), name, progress)


def known_facts(name: str, registry: Registry) -> DatasetFacts:
    """Return the facts of a dataset that are known without fetching or caching it."""
    match named(name, registry):
        case OwnFile(path):
            known = cached_file(path)
            return facts_of(known) if known is not None else _facts_of_file(path)
        case KnownFile(path):
            return facts_of(open_cached(path))
        case FilteredEntry(definition):
            cached = cached_filtered_path(definition)
            if cached is not None:
                return facts_of(open_cached(cached))
            return replace(_facts_of_entry(definition), name=filtered_name(definition))
        case definition:
            cached = cached_path(definition)
            return facts_of(open_cached(cached)) if cached else _facts_of_entry(definition)


def _facts_of_entry(entry: DatasetDefinition) -> DatasetFacts:
    nq = entry.split.count or _ASSUMED_QUERIES
    return DatasetFacts(entry.name, entry.metric, "", entry.base, entry.dimension, nq)


def _facts_of_file(path: Path) -> DatasetFacts:
    metric, n, d, nq = shape_of_file(path)
    return DatasetFacts(path.stem, metric, "", n, d, nq)
