"""The filtered queries of a dataset entry, as a dataset of their own beside it in the cache.

Its base is that of the entry, mapped from the same file. Its queries are those of the entry that
have a filter each, its true neighbours are the nearest rows that match, and its fingerprint covers
rows, attributes and filters. So whatever takes a dataset takes this one. What the true neighbours
say of the filters is added to the truth.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.contracts import FilteredQueries, UserError
from harness.contracts.dataset import FilterSource, Truth
from harness.contracts.definitions import DatasetDefinition, FilterFiles
from harness.contracts.filters import FILTERED_SUFFIX
from harness.data.cache.cached import CachedDataset, file_state, open_cached
from harness.data.cache.cached_filters import fingerprint_of, require_sound, write_filters
from harness.data.cache.folder import cache_lock, cache_subfolder
from harness.data.fetching.sources import function_of, other_files
from harness.data.filter_files import Shape, from_files
from harness.data.loading import is_made_from, open_definition, recipe_of
from harness.data.parts import base_rows
from harness.data.rows import blocks
from harness.data.truth.brute import pair_distances
from harness.files.paths import user_path
from harness.files.progress import Progress, silent
from harness.files.replacing import written_hdf5
from harness.files.source_code import source_sha256
from harness.measures.filtering import nearness_of

_QUERIES_AT_ONCE = 128


def filtered_name(definition: DatasetDefinition) -> str:
    """Return the name of an entry's filtered queries in results.

    Raises
    ------
    UserError
        If it has none.
    """
    if definition.filtered is None:
        raise UserError(
            f"{definition.name} has no filtered queries",
            where=definition.origin,
            expected="attributes: FILE or filtered: FILE:FUNCTION in the entry",
            hint="docs/how-to/filtered-search.md says how to add them",
        )
    return definition.name + FILTERED_SUFFIX


def open_filtered(definition: DatasetDefinition, progress: Progress = silent) -> CachedDataset:
    """Open the filtered queries of an entry; fetch and cache them first if necessary.

    Raises
    ------
    UserError
        If it has none, or what its function gives does not fit the dataset.
    """
    name = filtered_name(definition)
    whole = open_definition(definition, progress=progress)
    path, made_from = _path(name), _recipe(definition)
    if not is_made_from(path, made_from):
        with cache_lock(f"dataset-{name}"):
            if not is_made_from(path, made_from):
                _write(path, definition, whole, made_from, progress)
    return open_cached(path)


def cached_filtered_path(definition: DatasetDefinition) -> Path | None:
    """Return the file of an entry's filtered queries if it is cached and up to date, else None."""
    path = _path(filtered_name(definition))
    return path if is_made_from(path, _recipe(definition)) else None


def _path(name: str) -> Path:
    return cache_subfolder("datasets") / f"{name}.hdf5"


def _recipe(definition: DatasetDefinition) -> str:
    """A hash of everything that determines rows and filters."""
    facts = [recipe_of(definition), *_how(definition), source_sha256(definition.folder)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _how(definition: DatasetDefinition) -> list[str | None]:
    """The function, or the files and their states."""
    if not isinstance(definition.filtered, FilterFiles):
        return [definition.filtered]
    names = (definition.filtered.attributes, definition.filtered.filters)
    here = [_local(definition, name) for name in names if name is not None]
    return [*names, *(file_state(path) for path in here if path.is_file())]


def _local(definition: DatasetDefinition, name: str) -> Path:
    return definition.folder / user_path(name)


def _write(
    path: Path,
    definition: DatasetDefinition,
    whole: CachedDataset,
    made_from: str,
    progress: Progress,
) -> None:
    progress("making the filtered queries", 0, 0)
    made = _made(definition, whole, progress)
    with written_hdf5(path) as out:
        own = out.create_group("annharness").attrs
        own["name"] = definition.name + FILTERED_SUFFIX
        own["fingerprint"] = fingerprint_of(made, whole.fingerprint)
        own["made_from"] = made_from
        own["filters_of"] = whole.path.name
        own["base_fingerprint"] = whole.fingerprint
        write_filters(out, made)


def _made(
    definition: DatasetDefinition, whole: CachedDataset, progress: Progress
) -> FilteredQueries:
    n, nq = len(whole.base), len(whole.queries)
    with other_files(definition, progress) as file:
        if isinstance(definition.filtered, FilterFiles):

            def place(name: str) -> Path:
                here = _local(definition, name)
                return here if here.exists() else file(name, None)

            return from_files(definition.filtered, Shape(n, nq, definition.split), place).queries
        make = function_of(definition, "filtered", definition.filtered or "")
        made = make(FilterSource(whole, base_rows(n, definition.split), file))
    if not isinstance(made, FilteredQueries):
        raise UserError(
            "the function of the key filtered gives something else",
            where=definition.origin,
            expected="FilteredQueries",
            got=type(made).__name__,
        )
    require_sound(made, n, nq, definition.origin)
    return made


def with_filter_facts(dataset: CachedDataset, truth: Truth, progress: Progress = silent) -> Truth:
    """Return the truth of a dataset with `matches` and `nearness`, if its queries have filters."""
    filters = dataset.filters
    if filters is None:
        return truth
    counts = np.array([bitmap.count for bitmap in filters.bitmaps], dtype=np.int64)
    matches = counts[filters.filter_numbers]
    k = truth.ids.shape[1]
    nearer = _rows_nearer(dataset, _last_known(truth), progress)
    nearness = nearness_of(nearer, matches, len(dataset.base), k)
    return truth._replace(matches=matches, nearness=nearness)


def _last_known(truth: Truth) -> NDArray[np.float64]:
    """The distance of the k-th true neighbour, or of the last that there is; -inf for none."""
    known = np.isfinite(truth.distances)
    return np.asarray(np.max(truth.distances, axis=1, where=known, initial=-np.inf))


def _rows_nearer(
    dataset: CachedDataset, limits: NDArray[np.float64], progress: Progress
) -> NDArray[np.int64]:
    """How many rows of the base are nearer to each query than a distance, up to rounding."""
    nq = len(dataset.queries)
    counts = np.zeros(nq, dtype=np.int64)
    for start in range(0, nq, _QUERIES_AT_ONCE):
        progress("correlation of the filters", start, nq, "queries")
        some = slice(start, min(start + _QUERIES_AT_ONCE, nq))
        for rows in blocks(dataset.base):
            found = pair_distances(dataset.metric, dataset.base[rows], dataset.queries[some])
            counts[some] += (found < limits[some, None]).sum(axis=1)
    return counts
