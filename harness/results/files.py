"""The result file: ann-benchmarks' schema at the top level, and our own data in one group.

In format 2 each build has a group of its own, with its `block`. Files of format 1 (release 0.1) are
read as well: times of all builds are in one array, filled up with NaN, and there are no blocks.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from harness.results.point import BlockShare, Build, PointHeader, StoredPoint
from harness.whole_files import replacing

GROUP = "annharness"
FORMAT = 2
_READABLE = (1, FORMAT)
_FOREIGN = ("times", "neighbors", "distances")
UNREADABLE = (OSError, KeyError, ValueError, TypeError, AttributeError)
"""What reading a damaged file may raise."""

_COMPRESSED: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def add_build(path: Path, header: PointHeader, build: Build) -> None:
    """Add a build to a point's file, atomically; it replaces a stored one of its number.

    The other builds are copied as they are stored: to compress them anew took longer than all else
    where a point has many. A file that cannot be read counts as none.

    Raises
    ------
    OSError
        If it cannot be written; the file that stood there before is whole.
    """
    try:
        with h5py.File(path, "r") as stored:
            image = _image(stored, header, build)
    except UNREADABLE:  # it is not there, or damaged
        image = _image(None, header, build)
    with replacing(path, durable=True) as temporary:
        temporary.write_bytes(image)


def read_point(path: Path) -> StoredPoint:
    """Read a point.

    Raises
    ------
    OSError, KeyError, ValueError, TypeError
        If it is not a whole result file of ours.
    """
    with h5py.File(path, "r") as file:
        group = file[GROUP]
        if group.attrs["format"] not in _READABLE:
            raise ValueError(f"result format {group.attrs['format']}, expected 1 or {FORMAT}")
        header = PointHeader.from_json(json.loads(group.attrs["header"]))
        builds = [_read_build(group, row) for row in _rows(group)]
        return StoredPoint(header, sorted(builds, key=lambda build: build.number))


def read_settled(path: Path) -> dict[int, int]:
    """Return the finished builds of a point: number to passes made or given up; reads no times.

    Raises
    ------
    OSError, KeyError, ValueError, TypeError
        If it is not a whole result file of ours.
    """
    with h5py.File(path, "r") as file:
        group = file[GROUP]
        return dict(_settled(group, row) for row in _rows(group))


def _settled(group: h5py.Group, row: str) -> tuple[int, int]:
    own = group[f"builds/{row}"].attrs
    made = int(np.count_nonzero(~np.isnan(_timed(group, row, "walls"))))
    facts = json.loads(own["facts"])
    return int(own["number"]), max(made, int(facts.get("repeats_asked", 0)))


def _image(stored: h5py.File | None, header: PointHeader, build: Build) -> memoryview:
    """The bytes of a point's file with a build more, made in memory.

    HDF5 may crash when a disk is full, so that it is we who write them.
    """
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        own = file.create_group(GROUP)
        own.attrs["format"] = FORMAT
        own.attrs["header"] = json.dumps(header.to_json())
        own.attrs["key"] = header.identity.key
        builds = own.create_group("builds")
        _write_build(builds.create_group(str(build.number)), build)
        first = True
        if stored is not None:
            others = _copy_others(stored[GROUP], builds, build.number)
            first = build.number < min(others, default=build.number + 1)
        if first:
            _write_foreign_part(file, header, build)
        else:
            _copy_foreign_part(stored, file)
    return image.getbuffer()


def _copy_others(stored: h5py.Group, builds: h5py.Group, number: int) -> list[int]:
    """Copy the stored builds of other numbers and return these."""
    others = []
    for row in _rows(stored):
        other = int(stored[f"builds/{row}"].attrs["number"])
        if other == number:
            continue
        others.append(other)
        if "times" in stored[f"builds/{row}"]:
            builds.copy(stored[f"builds/{row}"], str(other))
        else:
            _write_build(builds.create_group(str(other)), _read_build(stored, row))
    return others


def _copy_foreign_part(stored: h5py.File, file: h5py.File) -> None:
    for name in _FOREIGN:
        file.copy(stored[name], name)
    file.attrs.update(stored.attrs)


def _write_foreign_part(file: h5py.File, header: PointHeader, build: Build) -> None:
    """What ann-benchmarks' tools read: one run, the fastest repeat of the first build."""
    seconds = build.times.mean(axis=1)
    answer = min(int(seconds.argmin()), len(build.neighbors) - 1)
    arrays = (
        build.times[seconds.argmin()],
        _narrow(build.neighbors[answer]),
        build.distances[answer].astype(np.float32),
    )
    for name, array in zip(_FOREIGN, arrays, strict=True):
        file.create_dataset(name, data=array)
    identity = header.identity
    found = (build.neighbors[answer] >= 0).sum(axis=1)
    index_bytes = build.facts.get("index_bytes") or 0
    file.attrs.update(
        {
            "algo": header.label,
            "dataset": identity.dataset,
            "name": f"{header.label}({header.name})",
            "build_time": float(build.facts["build_seconds"]),
            "best_search_time": float(seconds.min()),
            "candidates": float(found.mean()),
            "index_size": index_bytes / 1024,
            "run_count": len(build.times),
            "batch_mode": identity.mode == "batch",
            "count": identity.k,
            "distance": {"inner_product": "ip"}.get(identity.metric, identity.metric),
            "expect_extra": False,
        }
    )


def _write_build(group: h5py.Group, build: Build) -> None:
    group.attrs["number"] = build.number
    group.attrs["facts"] = json.dumps(build.facts)
    group.create_dataset("provenance", data=json.dumps(build.provenance))
    group.create_dataset("times", data=build.times, **_COMPRESSED)
    group.create_dataset("walls", data=build.walls)
    group.create_dataset("neighbors", data=_narrow(build.neighbors), **_COMPRESSED)
    group.create_dataset("distances", data=build.distances, **_COMPRESSED)
    group.create_dataset("scales", data=build.scales.astype(np.float32), **_COMPRESSED)
    if build.block is not None:
        _write_block(group.create_group("block"), build.block)
    for table, columns in build.diagnostics.items():
        for column, values in columns.items():
            group.create_dataset(f"diagnostics/{table}/{column}", data=_storable(values))


def _rows(group: h5py.Group) -> Iterable[str]:
    """The names of the builds' groups: their numbers, in format 1 their rows in `times`."""
    return list(group["builds"])


def _timed(group: h5py.Group, row: str, name: str) -> NDArray[np.float64]:
    """The `times` or `walls` of a build; in format 1 those of all builds are in one array."""
    own = group[f"builds/{row}"]
    values = own[name][()] if name in own else group[name][int(row)]
    return np.asarray(values, dtype=np.float64)


def _read_build(group: h5py.Group, row: str) -> Build:
    own = group[f"builds/{row}"]
    walls = _timed(group, row, "walls")
    done = ~np.isnan(walls)
    return Build(
        number=int(own.attrs["number"]),
        times=_timed(group, row, "times")[done],
        walls=walls[done],
        neighbors=own["neighbors"][()].astype(np.int64),
        distances=own["distances"][()],
        scales=own["scales"][()],
        facts=json.loads(own.attrs["facts"]),
        diagnostics=_read_tables(own.get("diagnostics", {})),
        provenance=json.loads(own["provenance"].asstr()[()]),
        block=_read_block(own["block"], int(done.sum())) if "block" in own else None,
    )


def _write_block(group: h5py.Group, block: BlockShare) -> None:
    group.attrs["id"] = block.id
    group.attrs["window"] = block.window
    group.create_dataset("cycles", data=np.asarray(block.cycles, dtype=np.int16))
    group.create_dataset("reference_times", data=block.reference_times)


def _read_block(group: h5py.Group, passes: int) -> BlockShare:
    """A block that does not fit its build would spoil comparisons, so the file counts as broken."""
    cycles, window = group["cycles"][()].astype(np.int16), int(group.attrs["window"])
    if cycles.shape != (passes,) or (np.diff(cycles, prepend=-1) <= 0).any() or window < 1:
        raise ValueError(f"block of cycles {cycles} and windows of {window}, {passes} passes")
    times = group["reference_times"][()].astype(np.float64).ravel()
    return BlockShare(str(group.attrs["id"]), cycles, window, times)


def _read_tables(group: Mapping[str, Any]) -> dict[str, dict[str, NDArray[Any]]]:
    return {
        table: {column: _readable(values) for column, values in columns.items()}
        for table, columns in group.items()
    }


def _readable(values: Any) -> NDArray[Any]:
    is_text = h5py.check_string_dtype(values.dtype) is not None
    return np.asarray(values.asstr()[()] if is_text else values[()])


def _storable(values: NDArray[Any]) -> Any:
    array = np.asarray(values)
    return array.astype(h5py.string_dtype()) if array.dtype.kind in "UO" else array


def _narrow(ids: NDArray[np.int64]) -> NDArray[np.signedinteger[Any]]:
    fits = ids.size == 0 or ids.max() <= np.iinfo(np.int32).max
    return ids.astype(np.int32) if fits else ids
