"""The filtered queries of a dataset entry, as a dataset of their own beside it in the cache.

Its base is that of the entry, mapped from the same file. Its queries are those of the entry that
have a filter each, its true neighbours are the nearest rows that match, and its fingerprint covers
rows, attributes and filters. So whatever takes a dataset takes this one.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from harness.contracts import FilteredQueries, UserError
from harness.contracts.dataset import FilterSource
from harness.contracts.definitions import DatasetDefinition
from harness.contracts.filters import FILTERED_SUFFIX
from harness.data.cache.cached import CachedDataset, open_cached
from harness.data.cache.filters import fingerprint_of, require_sound, write_filters
from harness.data.cache.folder import cache_lock, cache_subfolder
from harness.data.fetching.sources import function_of, other_files
from harness.data.loading import is_made_from, open_definition, recipe_of
from harness.data.parts import base_rows
from harness.files.progress import Progress, silent
from harness.files.replacing import written_hdf5


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
            expected="filtered: FILE:FUNCTION in the entry",
            hint="annharness show glove-50-10k shows one that has; "
            "docs/how-to/filtered-search.md says how to add them",
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
    sources = [path.read_bytes() for path in sorted(definition.folder.rglob("*.py"))]
    hashes = [hashlib.sha256(source).hexdigest() for source in sources]
    facts = [recipe_of(definition), definition.filtered, hashes]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _write(
    path: Path,
    definition: DatasetDefinition,
    whole: CachedDataset,
    made_from: str,
    progress: Progress,
) -> None:
    progress("making the filtered queries", 0, 0)
    n = len(whole.base)
    make = function_of(definition, "filtered", definition.filtered or "")
    with other_files(definition, progress) as file:
        made = make(FilterSource(whole, base_rows(n, definition.split), file))
    if not isinstance(made, FilteredQueries):
        raise UserError(
            "the function of the key filtered gives something else",
            where=definition.origin,
            expected="FilteredQueries",
            got=type(made).__name__,
        )
    require_sound(made, n, len(whole.queries), definition.origin)
    with written_hdf5(path) as out:
        own = out.create_group("annharness").attrs
        own["name"] = definition.name + FILTERED_SUFFIX
        own["fingerprint"] = fingerprint_of(made, whole.fingerprint)
        own["made_from"] = made_from
        own["filters_of"] = whole.path.name
        own["base_fingerprint"] = whole.fingerprint
        write_filters(out, made)
