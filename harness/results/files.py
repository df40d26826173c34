"""The result file: ann-benchmarks' schema at the top level, and our own data in one group.

In format 2 each build has a group of its own, with its `block`. Files of format 1 (release 0.1) are
read as well: times of all builds are in one array, filled up with NaN, and there are no blocks.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from harness.files.replacing import replacing
from harness.results.point import (
    MOST_DIAGNOSTICS,
    BlockShare,
    Build,
    BuildCost,
    LoadShare,
    PointHeader,
    StoredPoint,
    sequence_of,
)
from harness.results.untrusted.bounded import BoundedFile, Shape
from harness.results.untrusted.checks import BrokenResult, check_build, check_seconds, reading
from harness.results.untrusted.schema import facts_of, header_of, provenance_of
from harness.text import Json, clean

GROUP = "annharness"
FORMAT = 2
_READABLE = (1, FORMAT)
_MOST_BUILDS = 1000  # no suite asks for more

_COMPRESSED: dict[str, object] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def add_build(path: Path, header: PointHeader, build: Build, keep_others: bool = True) -> None:
    """Add a build to a point's file, atomically; it replaces a stored one of its number, or all.

    The other builds are copied as they are stored: to compress them anew took longer than all else
    where a point has many. A damaged file is set aside, under a name that ends in `.broken`.

    Raises
    ------
    OSError
        If the file cannot be read or written; what stood there before is whole.
    """
    image, first = io.BytesIO(), build
    if keep_others and path.exists():
        try:
            image, first = _image_of_others(path, header, build)
        except BrokenResult as broken:
            broken.set_aside()
    with h5py.File(image, "a") as file:
        _write_point(file, header, build, first)
    with replacing(path, durable=True) as temporary:
        temporary.write_bytes(image.getbuffer())


def read_point(path: Path) -> StoredPoint:
    """Read a point and check it against the schema.

    Raises
    ------
    BrokenResult
        If it is not a whole result file of ours.
    """
    with reading(path), _opened(path) as stored:
        header = stored.header()
        builds = [stored.build(row) for row in stored.rows()]
        if not builds:
            raise ValueError("no build")
        for build in builds:
            check_build(header, build)
        return StoredPoint(header, sorted(builds, key=lambda build: build.number))


def read_settled(path: Path) -> dict[int, int]:
    """Return number and passes (made or given up) of each finished build; reads no times.

    Raises
    ------
    BrokenResult
        If it is not a whole result file of ours.
    """
    with reading(path), _opened(path) as stored:
        return dict(stored.settled(row) for row in stored.rows())


def read_sequence(path: Path) -> int:
    """Return the largest number of a point's builds, 0 if there is none; reads nothing else.

    Raises
    ------
    BrokenResult
        If it is not a whole result file of ours.
    """
    with reading(path), _opened(path) as stored:
        return max((sequence_of(stored.provenance(row)) for row in stored.rows()), default=0)


def read_costs(path: Path) -> tuple[PointHeader, list[BuildCost]]:
    """Return what the finished builds of a point took; reads no times of queries and no answers.

    Raises
    ------
    BrokenResult
        If it is not a whole result file of ours.
    """
    with reading(path), _opened(path) as stored:
        costs = [stored.cost(row) for row in stored.rows()]
        for cost in costs:
            check_seconds(cost.walls)
        return stored.header(), costs


def require_same_foreign_part(path: Path) -> None:
    """Check that the copy for ann-benchmarks' tools is that of the first build.

    Raises
    ------
    BrokenResult
        If it is another one, or the file is damaged.
    """
    with reading(path), _opened(path) as stored:
        first = min(stored.rows(), key=stored.number)
        build = stored.build(first)
        for name, array in _foreign_arrays(build).items():
            if not np.array_equal(stored.root_array(name), array):
                raise ValueError(f"its {name} for other tools are not those of the first build")
        if not stored.is_first_format:
            stored.require_root_attributes(_foreign_attributes(stored.header(), build))


@contextmanager
def _opened(path: Path) -> Iterator[_StoredFile]:
    """Open a result file; files are replaced whole, so readers need no lock."""
    with h5py.File(path, "r", locking=False) as file:
        yield _StoredFile(file, path)


class _StoredFile:
    """An open result file of either format; passes on h5py's exceptions for damaged files."""

    def __init__(self, file: h5py.File, path: Path) -> None:
        self.root = file
        self._file = BoundedFile(file, path)
        self.group = self._file.group(file, GROUP)
        self._builds = self._file.group(self.group, "builds")
        self._shared: dict[str, NDArray[np.float64]] = {}
        found = self._file.number(self.group, "format")
        if found not in _READABLE:
            raise ValueError(f"result format {found}, expected 1 or {FORMAT}")
        self.is_first_format = found != FORMAT

    def header(self) -> PointHeader:
        return header_of(self._file.attribute(self.group, "header"))

    def rows(self) -> list[str]:
        """The names of the builds' groups: their numbers, in format 1 their rows in `times`."""
        return self._file.names(self._builds, _MOST_BUILDS)

    def number(self, row: str) -> int:
        return int(self._file.number(self._own(row), "number"))

    def root_array(self, name: str) -> NDArray[np.generic]:
        return self._file.array(self.root, name, ("i4", "i8", "f4", "f8"))

    def require_root_attributes(self, expected: Mapping[str, object]) -> None:
        for name, value in expected.items():
            found = self._file.scalar(self.root, name)
            if found != value and not (found != found and value != value):
                raise ValueError(f"its {name} for other tools is not that of the first build")

    def copy(self, row: str, builds: h5py.Group, name: str) -> None:
        """Copy a build as it is stored, where its group holds all of it, as in format 2."""
        own = self._own(row)
        if "times" in own:
            builds.copy(own, name)
        else:
            _write_build(builds.create_group(name), self.build(row))

    def settled(self, row: str) -> tuple[int, int]:
        cost = self.cost(row)
        return self.number(row), max(len(cost.walls), cost.facts.repeats_asked)

    def cost(self, row: str) -> BuildCost:
        walls = self._walls(row)
        facts = facts_of(self._file.attribute(self._own(row), "facts"))
        return BuildCost(walls[~np.isnan(walls)], facts)

    def provenance(self, row: str) -> Json:
        return provenance_of(self._file.text(self._own(row), "provenance"))

    def build(self, row: str) -> Build:
        own, read = self._own(row), self._file.array
        walls = self._walls(row)
        done = ~np.isnan(walls)
        return Build(
            number=self.number(row),
            times=self._timed(row, "times", (None, None))[done],
            walls=walls[done],
            neighbors=read(own, "neighbors", ("i4", "i8"), (None,) * 3).astype(np.int64),
            distances=read(own, "distances", ("f8",), (None,) * 3),
            scales=read(own, "scales", ("f4",), (None,) * 3),
            facts=facts_of(self._file.attribute(own, "facts")),
            diagnostics=self._tables(own) if "diagnostics" in own else {},
            provenance=self.provenance(row),
            block=self._block(own) if "block" in own else None,
            load=self._load(own) if "load" in own else None,
        )

    def _own(self, row: str) -> h5py.Group:
        return self._file.group(self._builds, row)

    def _walls(self, row: str) -> NDArray[np.float64]:
        return self._timed(row, "walls", (None,))

    def _timed(self, row: str, name: str, shape: Shape) -> NDArray[np.float64]:
        """The `times` or `walls` of a build; in format 1 those of all builds are in one array."""
        own = self._own(row)
        if name in own:
            return self._file.array(own, name, ("f8",), shape)
        if name not in self._shared:
            self._shared[name] = self._file.array(self.group, name, ("f8",), (None, *shape))
        values: NDArray[np.float64] = self._shared[name][int(row)]
        return values

    def _block(self, own: h5py.Group) -> BlockShare:
        group = self._file.group(own, "block")
        return BlockShare(
            id=clean(self._file.attribute(group, "id")),
            cycles=self._file.array(group, "cycles", ("i2",), (None,)),
            window=self._file.number(group, "window"),
            reference_times=self._file.array(group, "reference_times", ("f8",), (None,)),
            # Early blocks of format 2 all had one order.
            order_seed=self._file.number(group, "order_seed") if "order_seed" in group.attrs else 0,
        )

    def _load(self, own: h5py.Group) -> LoadShare:
        group = self._file.group(own, "load")
        return LoadShare(
            rates=self._file.array(group, "rates", ("f8",), (None,)),
            arrivals_sha256=clean(self._file.attribute(group, "arrivals_sha256")),
            service=self._file.array(group, "service", ("f4",), (None, None)),
            outcomes=self._file.array(group, "outcomes", ("i1",), (None, None)),
        )

    def _tables(self, own: h5py.Group) -> dict[str, dict[str, NDArray[np.generic]]]:
        tables = self._file.group(own, "diagnostics")
        names = self._file.names(tables, MOST_DIAGNOSTICS)
        return {clean(table): self._columns(tables, table) for table in names}

    def _columns(self, tables: h5py.Group, table: str) -> dict[str, NDArray[np.generic]]:
        group = self._file.group(tables, table)
        names = self._file.names(group, MOST_DIAGNOSTICS)
        columns = {clean(name): self._file.column(group, name) for name in names}
        if len({len(values) for values in columns.values()}) > 1:
            raise ValueError(f"the columns of {table} differ in length")
        return columns


def _image_of_others(path: Path, header: PointHeader, build: Build) -> tuple[io.BytesIO, Build]:
    """A point's file, in memory, with its builds but this one; and the first of all of them.

    HDF5 may crash when a disk is full, so that it is we who write files.
    """
    image, rows = io.BytesIO(), {}
    with reading(path), _opened(path) as stored, h5py.File(image, "w") as file:
        builds = file.create_group(f"{GROUP}/builds")
        for row in stored.rows():
            number = stored.number(row)
            if number != build.number:
                stored.copy(row, builds, str(number))
                rows[number] = row
        lowest = min(rows, default=build.number)
        first = stored.build(rows[lowest]) if lowest < build.number else build
        check_build(header, first)
    return image, first


def _write_point(file: h5py.File, header: PointHeader, build: Build, first: Build) -> None:
    """Write a build beside the others in the file; the first is what other tools read."""
    own = file.require_group(GROUP)
    own.attrs["format"] = FORMAT
    own.attrs["header"] = json.dumps(header.to_json())
    own.attrs["key"] = header.identity.key
    _write_build(own.create_group(f"builds/{build.number}"), build)
    _write_foreign_part(file, header, first)


def _write_foreign_part(file: h5py.File, header: PointHeader, build: Build) -> None:
    """Write what ann-benchmarks' tools read: one run, the fastest pass of the first build."""
    for name, array in _foreign_arrays(build).items():
        file.create_dataset(name, data=array)
    file.attrs.update(_foreign_attributes(header, build))


def _foreign_attributes(header: PointHeader, build: Build) -> dict[str, str | float]:
    seconds, answer = _fastest(build)
    identity = header.identity
    found = (build.neighbors[answer] >= 0).sum(axis=1)
    compared = build.facts.distance_computations
    counted = {} if compared is None else {"dist_comps": compared * build.times.size}
    return {
        **counted,
        "algo": clean(header.label),
        "dataset": identity.dataset,
        "name": clean(f"{header.label}({header.name})"),
        "build_time": float(build.facts.build_seconds),
        "best_search_time": float(seconds.min()),
        "candidates": float(found.mean()),
        "index_size": build.facts.index_bytes / 1024,
        "run_count": len(build.times),
        "batch_mode": identity.mode == "batch",
        "count": identity.k,
        "distance": {"inner_product": "ip"}.get(identity.metric, identity.metric),
        "expect_extra": False,
    }


def _foreign_arrays(build: Build) -> dict[str, NDArray[np.generic]]:
    """The arrays that ann-benchmarks' tools read, by their names there."""
    seconds, answer = _fastest(build)
    return {
        "times": build.times[seconds.argmin()],
        "neighbors": _narrow(build.neighbors[answer]),
        "distances": build.distances[answer].astype(np.float32),
    }


def _fastest(build: Build) -> tuple[NDArray[np.float64], int]:
    """The mean seconds of a query in each pass, and the number of the fastest pass's answer."""
    seconds = build.times.mean(axis=1)
    return seconds, min(int(seconds.argmin()), len(build.neighbors) - 1)


def _write_build(group: h5py.Group, build: Build) -> None:
    group.attrs["number"] = build.number
    group.attrs["facts"] = json.dumps(build.facts.to_json())
    group.create_dataset("provenance", data=json.dumps(build.provenance))
    group.create_dataset("times", data=build.times, **_COMPRESSED)
    group.create_dataset("walls", data=build.walls)
    group.create_dataset("neighbors", data=_narrow(build.neighbors), **_COMPRESSED)
    group.create_dataset("distances", data=build.distances, **_COMPRESSED)
    group.create_dataset("scales", data=build.scales.astype(np.float32), **_COMPRESSED)
    if build.block is not None:
        _write_block(group.create_group("block"), build.block)
    if build.load is not None:
        _write_load(group.create_group("load"), build.load)
    for table, columns in build.diagnostics.items():
        for column, values in columns.items():
            group.create_dataset(f"diagnostics/{table}/{column}", data=_storable(values))


def _write_block(group: h5py.Group, block: BlockShare) -> None:
    group.attrs["id"] = block.id
    group.attrs["window"] = block.window
    group.attrs["order_seed"] = block.order_seed
    group.create_dataset("cycles", data=np.asarray(block.cycles, dtype=np.int16))
    group.create_dataset("reference_times", data=block.reference_times.astype(np.float64))


def _write_load(group: h5py.Group, load: LoadShare) -> None:
    group.attrs["arrivals_sha256"] = load.arrivals_sha256
    group.create_dataset("rates", data=load.rates)
    group.create_dataset("service", data=load.service, **_COMPRESSED)
    group.create_dataset("outcomes", data=load.outcomes, **_COMPRESSED)


def _storable(values: NDArray[np.generic]) -> NDArray[np.generic]:
    array = np.asarray(values)
    return array.astype(h5py.string_dtype()) if array.dtype.kind in "UO" else array


def _narrow(ids: NDArray[np.int64]) -> NDArray[np.signedinteger]:
    fits = ids.size == 0 or ids.max() <= np.iinfo(np.int32).max
    return ids.astype(np.int32) if fits else ids
