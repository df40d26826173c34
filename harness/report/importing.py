"""Results of ann-benchmarks taken into our store, recall recomputed from their stored answers.

Their files hold one timed pass of one build each, so the intervals of QPS are unknown. Their
machine is not recorded; who imports them names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from harness.contracts import Dataset
from harness.measures.distances import distances_and_scales
from harness.report.points import slug
from harness.results.identity import Machine, PointIdentity
from harness.results.point import Build, PointHeader
from harness.results.store import ResultStore

_SOURCE = "imported from ann-benchmarks"


@dataclass(frozen=True)
class Imported:
    """What became of one file: its path in the store, or why it was left out."""

    source: Path
    path: Path | None
    reason: str = ""


def import_results(
    folder: Path, store: ResultStore, open_dataset: Callable[[str], Dataset], machine: str
) -> Iterator[Imported]:
    """Take every result file below a folder into the store; yield what became of each.

    Parameters
    ----------
    folder
        Holds `results/`, or is it.
    open_dataset
        Gives a dataset by the name that their files use.
    machine
        What their machine is called in titles; points of different machines are kept apart.
    """
    root = folder / "results" if (folder / "results").is_dir() else folder
    for source in sorted(root.rglob("*.hdf5")):
        try:
            yield Imported(source, _take(source, store, open_dataset, machine))
        except (OSError, KeyError, ValueError, TypeError) as error:
            yield Imported(source, None, " ".join(str(error).split()) or type(error).__name__)


def _take(
    source: Path, store: ResultStore, open_dataset: Callable[[str], Dataset], machine: str
) -> Path:
    with h5py.File(source, "r") as file:
        facts: dict[str, Any] = dict(file.attrs)
        times = np.asarray(file["times"], dtype=np.float64)
        ids = np.asarray(file["neighbors"], dtype=np.int64)
    dataset = open_dataset(str(facts["dataset"]))
    _check_answers(ids, times, int(facts["count"]), dataset)
    header = _header(facts, dataset, machine)
    distances, scales = distances_and_scales(dataset.metric, dataset.base, dataset.queries, ids)
    build = Build(
        number=0,
        times=times[None],
        walls=np.array([times.sum()]),
        neighbors=ids[None],
        distances=distances[None],
        scales=scales[None].astype(np.float32),
        facts=_build_facts(facts),
        provenance={"source": _SOURCE},
    )
    store.write_truth(header.identity, dataset.truth(header.identity.k))
    return store.add_build(header, build)


def _header(facts: dict[str, Any], dataset: Dataset, machine: str) -> PointHeader:
    name = str(facts["name"])
    identity = PointIdentity(
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        metric=dataset.metric,
        algorithm=f"{slug(str(facts['algo'])).lower()}.imported",
        adapter_sha256="",
        build={"name": name},
        search={},
        k=int(facts["count"]),
        mode="batch" if facts["batch_mode"] else "single",
        threads=1,
        build_threads=1,
        machine=Machine(cpu=machine, cores=0, memory_bytes=0),
        versions={},
    )
    n, d = dataset.base.shape
    label = str(facts["algo"])
    return PointHeader(identity, label=label, name=name, n=n, d=d, nq=len(dataset.queries))


def _build_facts(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "build_seconds": float(facts.get("build_time", np.nan)),
        "prepare_seconds": float("nan"),
        "index_bytes": 1024.0 * float(facts.get("index_size", np.nan)),
        "measured_index_bytes": float("nan"),
        "index_bytes_are_measured": True,
        "repeats_asked": 1,
        "warnings": [_SOURCE],
    }


def _check_answers(
    ids: NDArray[np.int64], times: NDArray[np.float64], k: int, dataset: Dataset
) -> None:
    """Refuse answers that could count twice or belong to other queries."""
    n, nq = len(dataset.base), len(dataset.queries)
    if ids.shape != (nq, k) or times.shape != (nq,):
        raise ValueError(f"{ids.shape} answers and {times.shape} times, ({nq}, {k}) are expected")
    if ids.max() >= n or ids.min() < -1:
        raise ValueError(f"an id lies outside 0 to {n - 1}")
    ordered = np.sort(ids, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise ValueError("a query is answered with the same id twice")
