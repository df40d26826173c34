"""Ground truth of a base that memory does not hold, by shards, against FAISS's flat search.

    python tests/performance/ground_truth_shards.py --rows 10000000

Rows of 96 dimensions are drawn around 10,000 centres and written to a file. Its shards are searched
in turns by FAISS (k neighbours, not proved) and by the harness (exact in float64, ties by id), each
in the same blocks of queries. Printed are the ratio of their times, the most memory that is not the
mapped file, and whether the merged shards equal one search of the first rows.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import faiss
import h5py
import numpy as np

from harness.data.loading import open_file
from harness.data.truth.nearest import Space, merged, nearest_of_block
from harness.data.truth.store import compute_here, pieces_of, queries_at_once

DIMENSION, QUERIES, K = 96, 1000, 100
PART = 200_000


def main() -> None:
    """Write the rows, search the shards in turns, and print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--memory", type=int, default=1 << 30, help="bytes for ground truth")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "rows.hdf5", options.rows)
        dataset = open_file(path, "euclidean")
        step = queries_at_once(dataset, K, options.memory)
        shards = -(-dataset.base.nbytes // (2 << 30))
        pieces = pieces_of(dataset, step, shards)
        seconds = {"faiss": 0.0, "ours": 0.0}
        parts, most = [], 0
        for piece in pieces:
            rows = dataset.base[slice(*piece.rows)]
            queries = dataset.queries[slice(*piece.queries)]
            began = time.perf_counter()
            faiss.knn(queries, rows, K, metric=faiss.METRIC_L2)
            seconds["faiss"] += time.perf_counter() - began
            began = time.perf_counter()
            parts += [(one.rows[0], truth) for one, truth in compute_here(dataset, K, [piece])]
            seconds["ours"] += time.perf_counter() - began
            most = max(most, anonymous_bytes())
        merged(parts, K)
        print(f"{options.rows:,} x {DIMENSION}, {QUERIES} queries, k={K}, {len(pieces)} pieces")
        print({name: round(value, 1) for name, value in seconds.items()}, "s")
        print(f"speed of ours over FAISS: {seconds['faiss'] / seconds['ours']:.3f}")
        print(f"most memory beside the mapped file: {most / 2**20:,.0f} MiB")
        print("a part equals one search:", same_as_one_search(dataset))


def anonymous_bytes() -> int:
    """The memory of this process that no file backs."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return (
        next(int(one.split()[1]) for one in text.splitlines() if one.startswith("Anonymous")) << 10
    )


def write(path: Path, rows: int) -> Path:
    """Write base and queries block by block."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((10_000, DIMENSION)).astype(np.float32)
    with h5py.File(path, "w") as file:
        base = file.create_dataset("train", (rows, DIMENSION), "<f4")
        for start in range(0, rows, 250_000):
            base[start : start + 250_000] = around(centres, min(250_000, rows - start), rng)
        file["test"] = around(centres, QUERIES, rng)
    return path


def around(centres: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw rows around random centres."""
    noise = rng.standard_normal((count, DIMENSION), np.float32)
    return centres[rng.integers(0, len(centres), count)] + 0.5 * noise


def same_as_one_search(dataset: object) -> bool:
    """Whether shards of the first rows merge to what one search of them finds."""
    whole = nearest_of_block(Space.of(dataset, slice(0, PART)), slice(0, 100), K)
    bounds = np.linspace(0, PART, 8).astype(int)
    parts = [
        (int(a), nearest_of_block(Space.of(dataset, slice(a, b)), slice(0, 100), K))
        for a, b in pairwise(bounds)
    ]
    found = merged(parts, K)
    return bool((found.ids == whole.ids).all() and (found.distances == whole.distances).all())


if __name__ == "__main__":
    main()
