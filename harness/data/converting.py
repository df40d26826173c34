"""From one format to another, whole or not at all."""

from __future__ import annotations

import gzip
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from harness.contracts import UserError, Vectors
from harness.contracts.dataset import METRICS, Metric, Truth
from harness.contracts.definitions import QuerySplit
from harness.data.cache import layout
from harness.data.cache.cached import open_cached
from harness.data.cache.writing import Identity, inspect, write_cached
from harness.data.formats import format_named, read_vectors, required_format
from harness.data.formats.hdf5 import metric_of
from harness.data.formats.table import FORMATS, Writer
from harness.data.parts import Parts, split
from harness.data.rows import require_rows
from harness.files.replacing import written_hdf5, written_whole
from harness.files.space import require_disk
from harness.files.temporary import temporary_folder

_NAME_IT = "name it by --from or --to"

_NEIGHBOURS = 100


def convert(
    source: Path,
    target: Path,
    *,
    from_format: str | None = None,
    to_format: str | None = None,
    part: str = "base",
    how: QuerySplit | None = None,
    queries: Path | None = None,
    metric: Metric | None = None,
) -> None:
    """Read one file and write another; formats that are not named follow from the endings.

    Parameters
    ----------
    source, target
        `target` may end in `.gz` for any format but HDF5.
    from_format, to_format
        Names of formats.
    part
        `base` or `queries`: which to write to a format that holds one table.
    how, queries
        Where the queries of an HDF5 file come from, if the source has none: some rows held out, or
        another file.
    metric
        Of an HDF5 file; from the source if that says it.

    Raises
    ------
    UserError
        If the source cannot be read or the target cannot hold what it holds.
    """
    vectors = read_vectors(source, required_format(source, from_format, _NAME_IT))
    if queries is not None:
        rows = read_vectors(queries, required_format(queries, None, _NAME_IT)).rows
        vectors = replace(vectors, queries=rows)
    if source.resolve() == target.resolve():
        raise UserError("input and output are the same file", where=str(target))
    unpacked = target.with_suffix("") if _packed(target) else target
    name = required_format(unpacked, to_format, _NAME_IT)
    if not target.parent.is_dir():
        raise UserError("there is no such folder", where=str(target.parent))
    if name == "hdf5" and _packed(target):
        raise UserError(
            "HDF5 files are not packed",
            where=str(target),
            expected=f"a name without .gz, such as {unpacked.name}",
            hint="other tools can open them only as they are",
        )
    if name == "hdf5":
        chosen = metric or _metric_of_source(source, from_format)
        _write_hdf5(target, split(vectors, how or QuerySplit("file"), str(source)), chosen)
    else:
        _write_table(target, name, _chosen_part(vectors, part, source))


def _packed(path: Path) -> bool:
    return path.suffix == ".gz"


def _metric_of_source(source: Path, from_format: str | None) -> Metric:
    metric = metric_of(source) if required_format(source, from_format, _NAME_IT) == "hdf5" else None
    if metric is None:
        raise UserError(
            "the metric is needed",
            where=str(source),
            expected="one of " + ", ".join(METRICS),
            hint="name it by --metric",
        )
    return metric


def _chosen_part(vectors: Vectors, part: str, source: Path) -> Vectors:
    if part == "base":
        chosen = Vectors(rows=vectors.rows, labels=vectors.labels)
    elif vectors.queries is None:
        raise UserError("the source has no queries", where=str(source))
    else:
        chosen = Vectors(rows=vectors.queries, labels=vectors.query_labels)
    require_rows(chosen.rows, f"{part} vectors", str(source), minimum=1)
    return chosen


def _write_table(target: Path, name: str, vectors: Vectors) -> None:
    write = format_named(name).write
    if write is None:
        writable = ", ".join(sorted(n for n, form in FORMATS.items() if form.write))
        raise UserError(
            f"{name} cannot be written", where=str(target), expected=f"hdf5, {writable}"
        )
    require_disk(target.parent, vectors.rows.nbytes, target.name)
    with written_whole(target) as temporary:
        if not _packed(target):
            _written(write, temporary, vectors, target)
            return
        with temporary_folder(target.parent, target.stem) as folder:
            plain = folder / "plain"
            _written(write, plain, vectors, target)
            with plain.open("rb") as rows, gzip.open(temporary, "wb") as out:
                shutil.copyfileobj(rows, out)


def _written(write: Writer, temporary: Path, vectors: Vectors, target: Path) -> None:
    """Write a table; an error names the file that the user asked for."""
    try:
        write(temporary, vectors)
    except UserError as error:
        raise UserError(
            error.what, where=str(target), expected=error.expected, got=error.got, hint=error.hint
        ) from error


def _write_hdf5(target: Path, parts: Parts, metric: Metric) -> None:
    """Write ann-benchmarks' schema, the true neighbours included."""
    found = inspect(parts, metric)
    identity = Identity(target.stem, metric, found.fingerprint)
    values = (len(parts.base) + len(parts.queries)) * parts.base.dimension
    require_disk(target.parent, 4 * values, target.name)
    with temporary_folder(target.parent, target.stem) as folder:
        # With its unit rows the file is a dataset, of which the neighbours can be asked.
        whole = folder / "whole.hdf5"
        write_cached(whole, parts, identity, unit_rows=found.unit_rows)
        truth = open_cached(whole).truth(min(_NEIGHBOURS, len(parts.base)))
        with h5py.File(whole, "r", locking=False) as made, written_hdf5(target) as file:
            _copy_public(made, file, truth)


def _copy_public(made: h5py.File, file: h5py.File, truth: Truth) -> None:
    """Copy what other tools read, without unit rows and names, which only we use."""
    for name, value in made.attrs.items():
        file.attrs[name] = value
    for name in (layout.BASE, layout.QUERIES):
        made.copy(name, file)
    file.create_dataset("neighbors", data=truth.ids.astype(np.int32))
    file.create_dataset("distances", data=truth.distances.astype(np.float32))
