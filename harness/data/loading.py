"""From a definition or a path to an opened dataset, through the cache."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py

from harness.contracts import UserError, Vectors
from harness.contracts.dataset import METRICS, Metric
from harness.contracts.definitions import DatasetDefinition, QuerySplit, Source
from harness.data.cache.cached import CachedDataset, file_state, open_cached
from harness.data.cache.folder import cache_lock, cache_subfolder
from harness.data.cache.writing import Identity, inspect, write_cached
from harness.data.fetching.sources import from_first_source, source_state
from harness.data.formats import format_of, read_vectors
from harness.data.formats.hdf5 import can_be_used_in_place, metric_of, require_queries, shapes_of
from harness.data.parts import Parts, split
from harness.files.paths import require_file, user_path
from harness.files.progress import Progress, silent
from harness.files.replacing import written_whole
from harness.files.source_code import source_sha256
from harness.text import Json


class FileShape(NamedTuple):
    """The metric, base rows, dimensions and queries of a file."""

    metric: Metric
    n: int
    d: int
    nq: int


def open_definition(
    definition: DatasetDefinition, *, progress: Progress | None = None
) -> CachedDataset:
    """Open the dataset of a registry entry; fetch and cache it first if necessary.

    Raises
    ------
    UserError
        If no source can be had, or what it holds does not fit the entry.
    """
    path = cache_subfolder("datasets") / f"{definition.name}.hdf5"
    if cached_path(definition) is None:
        with cache_lock(f"dataset-{definition.name}"):
            if cached_path(definition) is None:
                _make(definition, path, recipe_of(definition), progress or silent)
    return open_cached(path)


def open_file(
    path: Path, metric: Metric | None = None, progress: Progress = silent
) -> CachedDataset:
    """Open a file of the user's that holds both base and queries.

    It is mapped as it is if its rows are contiguous float32, otherwise copied into the cache. It is
    never written to.

    Parameters
    ----------
    path
        An ann-benchmarks HDF5 file.
    metric
        Taken from the file if None.
    progress
        Told what is being done and how far it is.

    Raises
    ------
    UserError
        If the file does not hold a usable dataset.
    """
    path = user_path(path).absolute()
    known = _already_known(path, metric)
    if known is not None:
        return known
    progress(f"reading {path.name}", 0, 0)
    parts, chosen = _parts_of_file(path, metric, lambda path: read_vectors(path, "hdf5"))
    found = inspect(parts, chosen, progress)
    name = name_of_file(path, found.fingerprint)
    target = cache_subfolder("files") / f"{name}.hdf5"
    with cache_lock(f"file-{name}"):
        known = _already_known(path, metric)
        if known is not None:  # another run made it meanwhile, and may be using it
            return known
        rows_file = path if can_be_used_in_place(path) else None
        identity = Identity(name, chosen, found.fingerprint)
        write_cached(
            target,
            parts,
            identity,
            unit_rows=found.unit_rows,
            rows_file=rows_file,
            progress=progress,
        )
        _remember(path, metric, target)
    return open_cached(target)


def shape_of_file(path: Path) -> FileShape:
    """Return what a file holds that `open_file` would open; its rows are not read.

    Raises
    ------
    UserError
        As `open_file`, unless it is the rows that are at fault.
    """
    parts, metric = _parts_of_file(user_path(path).absolute(), None, shapes_of)
    return FileShape(metric, len(parts.base), parts.base.dimension, len(parts.queries))


def _parts_of_file(
    path: Path, metric: Metric | None, read: Callable[[Path], Vectors]
) -> tuple[Parts, Metric]:
    _require_both_parts(path)
    require_queries(path)
    parts = split(read(path), QuerySplit("file"), str(path))
    return parts, metric or metric_of(path) or _no_metric(path)


def cached_path(definition: DatasetDefinition) -> Path | None:
    """Return the file of an entry that is cached already and up to date, else None."""
    path = cache_subfolder("datasets") / f"{definition.name}.hdf5"
    # What 0.1 cached stays, since its source may be out of reach.
    recipes = (recipe_of(definition, with_code=with_code) for with_code in (True, False))
    return path if any(is_made_from(path, recipe) for recipe in recipes) else None


def cached_file(path: Path) -> CachedDataset | None:
    """Return the cached form of a file that was checked before and has not changed, else None."""
    return _already_known(user_path(path).absolute(), None)


def recipe_of(definition: DatasetDefinition, *, with_code: bool = True) -> str:
    """Return a hash of everything that determines the rows of an entry.

    Version 0.1 left out the code of its loader, as if `with_code` were false.
    """
    facts: Json = {
        "metric": definition.metric,
        "shape": [definition.base, definition.dimension],
        "split": dataclasses.asdict(definition.split),
        "sources": [source_state(source, definition.folder) for source in definition.sources],
        "loader": definition.loader,
    }
    if definition.loader is not None and with_code:
        facts["code"] = source_sha256(definition.folder)
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def is_made_from(path: Path, made_from: str) -> bool:
    """Whether a file of the cache is there and was made by this recipe."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            return bool(file["annharness"].attrs["made_from"] == made_from)
    except (OSError, KeyError, RuntimeError, ValueError):
        return False


def _make(definition: DatasetDefinition, path: Path, made_from: str, progress: Progress) -> None:
    def write(vectors: Vectors, source: Source) -> None:
        parts = split(vectors, definition.split, _where(definition, source))
        _require_shape(parts, definition)
        found = inspect(parts, definition.metric, progress)
        identity = Identity(definition.name, definition.metric, found.fingerprint, made_from)
        write_cached(path, parts, identity, unit_rows=found.unit_rows, progress=progress)

    from_first_source(definition, progress, write)


def _where(definition: DatasetDefinition, source: Source) -> str:
    place = source.path or source.package or source.url
    return f"{definition.name} ({place})"


def _require_shape(parts: Parts, definition: DatasetDefinition) -> None:
    got = (len(parts.base), parts.base.dimension)
    if got != (definition.base, definition.dimension):
        raise UserError(
            "the source does not hold what the entry says",
            where=definition.origin,
            expected=f"{definition.base:,} base rows of dimension {definition.dimension}",
            got=f"{got[0]:,} of dimension {got[1]}",
            hint="correct base: and dimension: in the entry",
        )


def _require_both_parts(path: Path) -> None:
    require_file(path)
    if format_of(path) != "hdf5":
        raise UserError(
            "a file named by its path must hold base and queries",
            where=str(path),
            expected="an HDF5 file with 'train' and 'test'",
            got=path.suffix or "a name without an ending",
            hint=f"annharness data add NAME {path.name} --holdout 1000 --metric angular",
        )


def _no_metric(path: Path) -> Metric:
    raise UserError(
        "the file does not state its metric",
        where=f"{path}, attribute distance",
        expected="one of " + ", ".join(METRICS),
        hint=f"annharness data add NAME {path.name} --metric angular",
    )


def _index_path(path: Path, metric: Metric | None) -> Path:
    key = hashlib.sha256(f"{path.resolve()}\n{metric}".encode()).hexdigest()[:32]
    return cache_subfolder("files") / f"{key}.json"


def _already_known(path: Path, metric: Metric | None) -> CachedDataset | None:
    """The cached form of a file that was checked before and has not changed since."""
    try:
        record = json.loads(_index_path(path, metric).read_text(encoding="utf-8"))
        if record["state"] == file_state(path):
            return open_cached(cache_subfolder("files") / record["cached"])
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return None
    return None


def _remember(path: Path, metric: Metric | None, target: Path) -> None:
    record = {"path": str(path), "state": file_state(path), "cached": target.name}
    with written_whole(_index_path(path, metric)) as temporary:
        temporary.write_text(json.dumps(record), encoding="utf-8")


_FINGERPRINT_DIGITS = 8
_SLUG_CHARACTERS = 60


def name_of_file(path: Path, fingerprint: str) -> str:
    """Return the name that results give to a file."""
    return f"{_slug(path.stem)}-{fingerprint[:_FINGERPRINT_DIGITS]}"


def is_name_of_file(name: str) -> bool:
    """Whether a name is such as `name_of_file` gives."""
    return re.fullmatch(rf"[a-z0-9.-]+-[0-9a-f]{{{_FINGERPRINT_DIGITS}}}", name) is not None


def is_named_after(name: str, path: Path) -> bool:
    """Whether a name is that of a file at such a path, whatever it holds."""
    return is_name_of_file(name) and name[: -_FINGERPRINT_DIGITS - 1] == _slug(path.stem)


def _slug(stem: str) -> str:
    slug = re.sub(r"[^a-z0-9.]+", "-", stem.lower()).strip("-.")
    return slug[:_SLUG_CHARACTERS].rstrip("-.") or "file"
