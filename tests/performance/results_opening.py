"""How long `load_results` takes for 1,000 points of 10,000 queries: first, again, with one more.

    python tests/performance/results_opening.py

It needs 2 GB in the folder for temporary files, for as long as it runs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

import harness
from harness.contracts.dataset import Truth
from harness.results.identity import Machine, PointIdentity
from harness.results.point import BlockShare, Build, BuildFacts, PointHeader
from harness.results.store import ResultStore

NQ, K, PASSES, WINDOW = 10_000, 10, 2, 250


def main() -> None:
    """Fill a folder, and print the seconds of each opening."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=1000)
    points = parser.parse_args().points
    with tempfile.TemporaryDirectory() as name:
        store = ResultStore(Path(name))
        fill(store, points)
        print(f"{points} points, {megabytes(store.root):,.0f} MB")
        seconds("first", store)
        kept = store.root / ".rows"
        print(f"kept rows: {megabytes(kept):,.0f} MB")
        seconds("again", store)
        time.sleep(3)  # what was written in the last two seconds is hashed each time
        seconds("again, entries settled", store)
        seconds("again, entries settled", store)
        one_more(store, next(store.root.rglob("*.hdf5")), points)
        seconds("with one new point", store)
        for path in kept.iterdir():
            path.write_bytes(path.read_bytes()[:-1])
        seconds("all entries damaged", store)


def seconds(title: str, store: ResultStore) -> None:
    began = time.perf_counter()
    table = harness.load_results(store.root)
    print(f"{title}: {time.perf_counter() - began:.2f} s, {len(table)} rows", flush=True)


def fill(store: ResultStore, points: int) -> None:
    """Write one point and copies of it with other parameters."""
    rng = np.random.default_rng(0)
    true = np.sort(rng.uniform(0.5, 1, (NQ, 100)), axis=1)
    store.write_truth(header(0).identity, Truth(np.tile(np.arange(K), (NQ, 1)), true[:, :K]))
    times = rng.lognormal(-9, 0.2, (PASSES, NQ))
    found = np.where(rng.random((1, NQ, K)) < 0.9, true[:, :K], true[:, -K:])
    build = Build(
        number=0, times=times, walls=times.sum(axis=1),
        neighbors=rng.integers(0, 10**6, (1, NQ, K)), distances=np.sort(found),
        scales=np.ones((1, NQ, K), dtype=np.float32),
        facts=BuildFacts(build_seconds=1.0, index_bytes=10**6, measured_index_bytes=10**6,
                         prepare_seconds=0.0),
        provenance={"finished_at": "2026-01-01T00:00:00Z"},
        block=BlockShare("b", np.arange(PASSES, dtype=np.int16), WINDOW,
                         np.full(PASSES * NQ // WINDOW, 1e-4)),
    )  # fmt: skip
    first = store.add_build(header(0), build)
    for number in range(1, points):
        one_more(store, first, number)


def one_more(store: ResultStore, source: Path, number: int) -> None:
    made = header(number)
    target = store.files_of(store.path_of(made))[0]
    target.write_bytes(source.read_bytes())
    with h5py.File(target, "r+") as file:
        file["annharness"].attrs["header"] = json.dumps(made.to_json())


def header(number: int) -> PointHeader:
    identity = PointIdentity(
        dataset="made-up", fingerprint="f" * 64, metric="euclidean", algorithm="scan",
        adapter_sha256="0", build={"M": 8}, search={"ef": 0}, k=K, mode="single", threads=1,
        build_threads=1, machine=Machine("cpu", 2, 2**30), versions={},
    )  # fmt: skip
    identity = replace(identity, search={"ef": number})
    return PointHeader(identity, "scan", f"M=8 | ef={number}", 10**6, 8, NQ)


def megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
