"""Our results in the layout that ann-benchmarks' tools expect.

Its `plot.py`, `create_website.py` and `data_export.py` read `results/DATASET/COUNT/ALGORITHM` and
`data/DATASET.hdf5` below the folder they run in. Result files already have that schema; the dataset
file is made from the stored truth, with links to the vectors.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from harness.contracts import UserError
from harness.files.hdf5 import written_hdf5
from harness.files.replacing import written_whole
from harness.report.points import rows_of
from harness.results.files import read_point
from harness.results.store import ResultStore

_METRICS = {"inner_product": "ip"}


def lay_out(
    table: pd.DataFrame, results: Path, out: Path, vectors: Mapping[str, Path] | None = None
) -> list[Path]:
    """Write `results/` and `data/` below a folder and return the files.

    Parameters
    ----------
    table
        As from `harness.load_results`; failed points and `no-op` are left out.
    results
        The folder that the table was read from.
    vectors
        Files that hold `train` and `test` of a dataset. Without one the dataset file holds the
        truth only, which is all that plots need.

    Raises
    ------
    UserError
        If no point is left, or the folder cannot be written.
    """
    points = table[(table["status"] == "ok") & table["in_answers"].astype(bool)]
    if points.empty:
        raise UserError("there are no finished points to lay out", hint="annharness run demo")
    written = [_link_result(Path(row["path"]), _place(row, out)) for row in rows_of(points)]
    for dataset, rows in points.groupby("dataset", sort=True):
        widest = rows.sort_values("k", kind="stable").iloc[-1]
        path = out / "data" / f"{_site_name(str(dataset))}.hdf5"
        _write_dataset(path, ResultStore(results), widest, (vectors or {}).get(str(dataset)))
        written.append(path)
    return written


def _site_name(dataset: str) -> str:
    """The site splits names at underscores."""
    return dataset.replace("_", "-")


def _place(row: Mapping[str, object], out: Path) -> Path:
    batch = "-batch" if row["mode"] == "batch" else ""
    folder = out / "results" / _site_name(str(row["dataset"])) / str(row["k"])
    return folder / f"{row['algorithm']}{batch}" / Path(str(row["path"])).name


def _link_result(source: Path, target: Path) -> Path:
    """Make a hard link, or a copy if that fails; the tools open it to add their metrics."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
    except OSError as error:
        what = "cannot write into the folder"
        raise UserError(what, where=str(target), got=str(error)) from error
    try:
        if "_" in source.parent.parent.parent.name:
            raise OSError("the name inside must change, and ours must not")
        os.link(source, target)
    except OSError:
        with written_whole(target) as temporary:
            shutil.copyfile(source, temporary)
            with h5py.File(temporary, "r+", locking=False) as file:
                file.attrs["dataset"] = _site_name(source.parent.parent.parent.name)
    return target


def _write_dataset(
    path: Path, store: ResultStore, point: pd.Series[Any], vectors: Path | None
) -> None:
    identity = read_point(Path(point["path"])).header.identity
    truth = store.read_truth(identity)
    with written_hdf5(path) as file:
        file.create_dataset("neighbors", data=truth.ids.astype(np.int32))
        file.create_dataset("distances", data=truth.distances.astype(np.float32))
        if vectors is not None:
            for name in ("train", "test"):
                file[name] = h5py.ExternalLink(str(vectors.resolve()), f"/{name}")
        metric = str(point["metric"])
        file.attrs.update(
            {"distance": _METRICS.get(metric, metric), "dimension": int(point["d"]),
             "point_type": "float", "type": "dense"}
        )  # fmt: skip
