"""Results of ann-benchmarks, read; and ours in the layout that its tools expect."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.contracts import Dataset, UserError
from harness.contracts.dataset import Truth
from harness.data.cache.cached import CachedDataset
from harness.data.formats.hdf5 import opened
from harness.files.replacing import written_hdf5, written_whole
from harness.interop.point_checks import names_twice
from harness.measures.distances import distances_and_scales
from harness.registry.registry import Registry
from harness.report.analysis.points import rows_of, slug
from harness.results.files import read_point
from harness.results.identity import Machine, PointIdentity
from harness.results.point import Build, BuildFacts, PointHeader
from harness.results.store import ResultStore
from harness.results.untrusted.bounded import BoundedFile
from harness.results.untrusted.checks import BrokenResult, check_build, reading
from harness.results.untrusted.schema import (
    LABEL_CHARACTERS,
    MOST_BYTES,
    MOST_SECONDS,
    is_name,
    require_sound,
)
from harness.running.datasets import open_in
from harness.text import clean, is_clean

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
        If no point is left, or the folder cannot be written, or is that of the results: the layouts
        have the same names, so that ours would be replaced.
    """
    if ResultStore(results).owns(out / "results"):
        raise UserError(
            "its results/ is the results folder itself",
            where=str(out),
            expected="a folder for ann-benchmarks' tools alone",
            hint="name another folder (--out)",
        )
    theirs = table["mode"] != "load"  # they know no latency from when a query was due
    points = table[table["has_answers"] & table["in_answers"] & theirs]
    if points.empty:
        raise UserError("no finished point has its answers to lay out", hint="annharness run demo")
    written = [_copy_result(Path(row["path"]), _place(row, out)) for row in rows_of(points)]
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


def _copy_result(source: Path, target: Path) -> Path:
    """Copy a result file: the tools open it to add their metrics, and ours must stay as it is."""
    with written_whole(target) as temporary:
        shutil.copyfile(source, temporary)
        with h5py.File(temporary, "r+", locking=False) as file:
            file.attrs["dataset"] = _site_name(source.parent.parent.parent.name)
    return target


def _write_dataset(path: Path, store: ResultStore, point: pd.Series, vectors: Path | None) -> None:
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


_SOURCE = "imported from ann-benchmarks"
_NEEDED = ("dataset", "algo", "name", "count", "batch_mode")
_FACTS = (*_NEEDED, "build_time", "index_size", "dist_comps", "run_count")


@dataclass(frozen=True)
class Imported:
    """The outcome of one file: its path in the store, or why it was left out."""

    source: Path
    path: Path | None
    reason: str = ""


def import_folder(
    folder: Path, store: ResultStore, registry: Registry, machine: str
) -> list[Imported]:
    """Store the results of a folder of theirs; recall is recomputed from the stored neighbours.

    Parameters
    ----------
    folder
        Holds `results/`, and `data/NAME.hdf5` for datasets that the registry does not have.
    machine
        What to call the machine that they were measured on.

    Raises
    ------
    UserError
        If there is no such folder, no result in it, it is the store's, or the machine cannot be
        called so.
    """
    if not is_clean(machine, LABEL_CHARACTERS):
        raise UserError(
            "a machine cannot be called so",
            where="--machine",
            expected=f"at most {LABEL_CHARACTERS} characters, no control characters",
            got=clean(machine, LABEL_CHARACTERS),
        )
    if not folder.is_dir():
        raise UserError("no such folder", where=str(folder), expected="ann-benchmarks' folder")
    if store.owns(_results_of(folder)):
        raise UserError(
            "this is the results folder itself",
            where=str(folder),
            expected="ann-benchmarks' folder",
            hint="name another folder for what is imported (results)",
        )

    @lru_cache(maxsize=4)
    def open_dataset(name: str) -> CachedDataset:
        try:
            return _open(name, folder / "data" / f"{name}.hdf5", registry)
        except UserError as error:
            raise ValueError(f"dataset {name!r}: {error.what}") from error

    store.require_writable()
    done = list(import_results(folder, store, open_dataset, machine))
    if not done:
        raise UserError("no result files", where=str(folder), expected="results/**/*.hdf5")
    return done


def _open(name: str, theirs: Path, registry: Registry) -> CachedDataset:
    """Their own file if it has vectors, otherwise the cached dataset or the registry's."""
    return open_in(registry, str(theirs) if _holds_vectors(theirs) else name)


def _holds_vectors(path: Path) -> bool:
    """Whether the file itself has base and queries, and not only links to them as ours."""
    if not path.is_file():
        return False
    with opened(path) as file:
        links = [file.get(name, getlink=True) for name in ("train", "test")]
    return all(isinstance(link, h5py.HardLink) for link in links)


def import_results(
    folder: Path, store: ResultStore, open_dataset: Callable[[str], Dataset], machine: str
) -> Iterator[Imported]:
    """Import every result file below a folder into the store; yield the outcome of each.

    Parameters
    ----------
    folder
        Holds `results/`, or is it.
    open_dataset
        Gives a dataset by the name that their files use.
    machine
        What their machine is called in titles; points of different machines are kept apart.
    """
    taken: dict[Path, Path] = {}
    for source in sorted(_results_of(folder).rglob("*.hdf5")):
        try:
            header, build, truth = _converted(_read(source), open_dataset, machine)
            if (first := taken.setdefault(store.path_of(header), source)) is not source:
                raise ValueError(f"its algo, name, count and batch_mode are those of {first}")
            store.write_truth(header.identity, truth)
            yield Imported(source, store.add_build(header, build))
        except BrokenResult as broken:
            yield Imported(source, None, broken.reason)
        except (OSError, ValueError, UserError) as error:
            what = error.what if isinstance(error, UserError) else str(error)
            yield Imported(source, None, clean(" ".join(what.split())))


def _results_of(folder: Path) -> Path:
    return folder / "results" if (folder / "results").is_dir() else folder


@dataclass(frozen=True)
class _Theirs:
    """The contents of one of their files: `(nq,)` seconds, `(nq, k)` ids."""

    dataset: str
    algo: str
    name: str
    k: int
    batch: bool
    build_seconds: float
    index_bytes: float
    dist_comps: float
    run_count: float
    times: NDArray[np.float64]
    ids: NDArray[np.int64]


def _read(source: Path) -> _Theirs:
    with reading(source), h5py.File(source, "r", locking=False) as file:
        bounded = BoundedFile(file, source)
        missing = [name for name in _NEEDED if name not in file.attrs]
        if missing:
            raise ValueError(f"no result file: it lacks the attributes {', '.join(missing)}")
        facts = {name: bounded.scalar(file, name) for name in _FACTS if name in file.attrs}
        return _Theirs(
            dataset=str(facts["dataset"]),
            algo=str(facts["algo"]),
            name=str(facts["name"]),
            k=int(facts["count"]),
            batch=bool(facts["batch_mode"]),
            build_seconds=float(facts.get("build_time", np.nan)),
            index_bytes=1024.0 * float(facts.get("index_size", np.nan)),
            dist_comps=float(facts.get("dist_comps", np.nan)),
            run_count=float(facts.get("run_count", 1)),
            times=bounded.array(file, "times", ("f8", "f4"), (None,)).astype(np.float64),
            ids=bounded.array(file, "neighbors", ("i8", "i4"), (None, None)).astype(np.int64),
        )


def _converted(
    theirs: _Theirs, open_dataset: Callable[[str], Dataset], machine: str
) -> tuple[PointHeader, Build, Truth]:
    if not is_name(theirs.dataset):
        raise ValueError(f"no dataset can be called {theirs.dataset!r}")
    dataset, ids, times = open_dataset(theirs.dataset), theirs.ids, theirs.times
    _check_answers(ids, times, theirs.k, dataset)
    header = _header(theirs, dataset, machine)
    distances, scales = distances_and_scales(dataset.metric, dataset.base, dataset.queries, ids)
    build = Build(
        number=0,
        times=times[None],
        walls=np.array([times.sum()]),
        neighbors=ids[None],
        distances=distances[None],
        scales=scales[None].astype(np.float32),
        facts=_build_facts(theirs),
        provenance={"source": _SOURCE},
    )
    require_sound(header)
    check_build(header, build)
    return header, build, dataset.truth(header.identity.k)


def _header(theirs: _Theirs, dataset: Dataset, machine: str) -> PointHeader:
    identity = PointIdentity(
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        metric=dataset.metric,
        algorithm=f"{slug(theirs.algo).lower()}.imported",
        adapter_sha256="",
        build={"name": theirs.name},
        search={},
        k=theirs.k,
        mode="batch" if theirs.batch else "single",
        threads=1,
        build_threads=1,
        machine=Machine(cpu=machine, cores=0, memory_bytes=0),
        versions={},
    )
    n, d = dataset.base.shape
    return PointHeader(
        identity, label=theirs.algo, name=theirs.name, n=n, d=d, nq=len(dataset.queries)
    )


def _build_facts(theirs: _Theirs) -> BuildFacts:
    """Their figures; impossible ones count as unknown."""
    return BuildFacts(
        build_seconds=_known(theirs.build_seconds, MOST_SECONDS),
        prepare_seconds=float("nan"),
        index_bytes=_known(theirs.index_bytes, MOST_BYTES),
        measured_index_bytes=float("nan"),
        index_bytes_are_measured=True,
        distance_computations=_compared(theirs),
        repeats_asked=1,
        warnings=(_SOURCE,),
    )


def _compared(theirs: _Theirs) -> float | None:
    """Distance computations of a query; theirs are of all runs together."""
    asked = max(theirs.run_count, 1.0) * len(theirs.times)
    compared = _known(theirs.dist_comps / asked, MOST_BYTES)
    return None if np.isnan(compared) else compared


def _known(value: float, most: float) -> float:
    return value if 0 <= value <= most else float("nan")


def _check_answers(
    ids: NDArray[np.int64], times: NDArray[np.float64], k: int, dataset: Dataset
) -> None:
    """Refuse neighbours that are repeated or belong to other queries."""
    n, nq = len(dataset.base), len(dataset.queries)
    if ids.shape != (nq, k) or times.shape != (nq,):
        raise ValueError(f"{ids.shape} answers and {times.shape} times, ({nq}, {k}) are expected")
    if ids.max() >= n or ids.min() < -1:
        raise ValueError(f"an id lies outside 0 to {n - 1}")
    if names_twice(ids):
        raise ValueError("a query is answered with the same id twice")
