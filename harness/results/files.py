"""The result file: ann-benchmarks' schema at the top level, and our own data in one group.

Format 2 adds the group `block` to each build. Files of format 1 (release 0.1) are read as well:
their builds have no block, and their dataset `yardsticks` is ignored.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
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
_COMPRESSED: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def write_point(path: Path, point: StoredPoint) -> None:
    """Write a point atomically.

    Raises
    ------
    OSError
        If it cannot be written; the file that stood there before is whole.
    """
    # HDF5 may crash when a disk is full, so the file is made in memory and written by us.
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        _write_foreign_part(file, point)
        _write_own_part(file.create_group(GROUP), point)
    with replacing(path, durable=True) as temporary:
        temporary.write_bytes(image.getbuffer())


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
        return StoredPoint(header, [_read_build(group, row) for row in range(len(group["walls"]))])


def read_settled(path: Path) -> dict[int, int]:
    """Return the finished builds of a point: number to passes made or given up; reads no times.

    Raises
    ------
    OSError, KeyError, ValueError, TypeError
        If it is not a whole result file of ours.
    """
    with h5py.File(path, "r") as file:
        group = file[GROUP]
        made = np.count_nonzero(~np.isnan(group["walls"][()]), axis=1)
        return dict(_settled(group[f"builds/{row}"].attrs, int(n)) for row, n in enumerate(made))


def _settled(build: Mapping[str, Any], made: int) -> tuple[int, int]:
    facts = json.loads(build["facts"])
    return int(build["number"]), max(made, int(facts.get("repeats_asked", 0)))


def _write_foreign_part(file: h5py.File, point: StoredPoint) -> None:
    """What ann-benchmarks' tools read: one run, the fastest repeat of the first build."""
    header, build = point.header, point.builds[0]
    seconds = build.times.mean(axis=1)
    answer = min(int(seconds.argmin()), len(build.neighbors) - 1)
    file.create_dataset("times", data=build.times[seconds.argmin()])
    file.create_dataset("neighbors", data=_narrow(build.neighbors[answer]))
    file.create_dataset("distances", data=build.distances[answer].astype(np.float32))
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


def _write_own_part(group: h5py.Group, point: StoredPoint) -> None:
    group.attrs["format"] = FORMAT
    group.attrs["header"] = json.dumps(point.header.to_json())
    group.attrs["key"] = point.header.identity.key
    group.create_dataset("times", data=stacked([b.times for b in point.builds]), **_COMPRESSED)
    group.create_dataset("walls", data=stacked([b.walls for b in point.builds]))
    for row, build in enumerate(point.builds):
        _write_build(group.create_group(f"builds/{row}"), build)


def _write_build(group: h5py.Group, build: Build) -> None:
    group.attrs["number"] = build.number
    group.attrs["facts"] = json.dumps(build.facts)
    group.create_dataset("provenance", data=json.dumps(build.provenance))
    group.create_dataset("neighbors", data=_narrow(build.neighbors), **_COMPRESSED)
    group.create_dataset("distances", data=build.distances, **_COMPRESSED)
    group.create_dataset("scales", data=build.scales.astype(np.float32), **_COMPRESSED)
    if build.block is not None:
        _write_block(group.create_group("block"), build.block)
    for table, columns in build.diagnostics.items():
        for column, values in columns.items():
            group.create_dataset(f"diagnostics/{table}/{column}", data=_storable(values))


def _read_build(group: h5py.Group, row: int) -> Build:
    own = group[f"builds/{row}"]
    walls = group["walls"][row]
    done = ~np.isnan(walls)
    return Build(
        number=int(own.attrs["number"]),
        times=group["times"][row][done],
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


def stacked(rows: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Stack arrays of unequal length, NaN where a build had fewer repeats."""
    longest = max(len(row) for row in rows)
    stacked = np.full((len(rows), longest, *rows[0].shape[1:]), np.nan)
    for target, row in zip(stacked, rows, strict=True):
        target[: len(row)] = row
    return stacked


def _narrow(ids: NDArray[np.int64]) -> NDArray[np.signedinteger[Any]]:
    fits = ids.size == 0 or ids.max() <= np.iinfo(np.int32).max
    return ids.astype(np.int32) if fits else ids
