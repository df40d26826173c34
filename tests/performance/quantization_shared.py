"""What the scripts about quantizers share: data, truth, competitors, timing.

Imported first by each script, because it limits the thread pools before any library loads.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

THREADS = int(os.environ.get("QUANTIZATION_THREADS", os.cpu_count() or 1))
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = str(THREADS)
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # as the harness sets it for its workers

_HERE = Path(__file__).resolve().parent
sys.path[:] = [path for path in sys.path if Path(path).resolve() != _HERE]  # no script is a package

import faiss  # noqa: E402
import numpy as np  # noqa: E402

from harness.running.processes.memory import private_bytes  # noqa: E402


@dataclass(frozen=True)
class Data:
    """Unit-norm, read-only rows, and the ten true neighbours of each query by inner product."""

    name: str
    base: np.ndarray
    queries: np.ndarray
    truth: np.ndarray


def parser(about: str) -> argparse.ArgumentParser:
    """Return the options that all scripts have."""
    options = argparse.ArgumentParser(description=about.splitlines()[0])
    options.add_argument("--dataset", default="glove-100", help="a registry name")
    options.add_argument("--base", type=Path, help="instead: unit-norm float32 rows, .npy")
    options.add_argument("--query-file", type=Path, help="the queries that go with --base, .npy")
    options.add_argument("--queries", type=int, default=2000, help="how many of them")
    options.add_argument("--rounds", type=int, default=5)
    return options


def load(options: argparse.Namespace) -> Data:
    """Open the dataset that the options name."""
    if options.base:
        base = np.load(options.base, mmap_mode="r")
        queries = np.load(options.query_file)
        name = options.base.stem
    else:
        from harness.data.loading import open_definition
        from harness.registry.registry import load_registry

        dataset = open_definition(load_registry().dataset(options.dataset))
        base, queries, name = dataset.search_base, dataset.search_queries, dataset.name
    queries = np.ascontiguousarray(queries[: options.queries])
    queries.flags.writeable = False
    _, truth = faiss.knn(queries, base, 10, metric=faiss.METRIC_INNER_PRODUCT)
    print(
        f"{name}: {base.shape[0]:,} x {base.shape[1]}, {len(queries):,} queries, {THREADS} threads"
    )
    return Data(name, np.asarray(base), queries, truth)


def scann_searcher(base: np.ndarray, M: int, threshold: float = 0.2, k: int = 10) -> Any:
    """Build scann's exhaustive search over 4-bit codes; exits with a hint where it is missing."""
    try:
        import scann
    except ImportError:
        sys.exit("this comparison needs scann: pip install scann==1.4.2")
    builder = scann.scann_ops_pybind.builder(base, k, "dot_product")
    width = base.shape[1] // M
    builder = builder.score_ah(width, anisotropic_quantization_threshold=threshold)
    return builder.set_n_training_threads(THREADS).build()


@dataclass
class Cost:
    """Of one call."""

    seconds: float
    cpu_seconds: float
    peak_private_mib: float
    result: Any


def cost(work: Callable[[], Any]) -> Cost:
    """Run once and measure wall time, processor time of all threads, and added private memory."""
    with _peak() as peak:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Cost(wall, cpu, peak[0] / 2**20, result)


@contextmanager
def _peak() -> Iterator[list[float]]:
    """Poll the private anonymous memory every 2 ms; what was there before is taken off."""
    start, peak, done = private_bytes(), [0.0], threading.Event()

    def poll() -> None:
        while not done.wait(0.002):
            peak[0] = max(peak[0], private_bytes() - start)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def hits(ids: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Return per query: recall 1@1, recall 1@10 and recall 10@10."""
    first = ids[:, :10] == truth[:, :1]
    every = (ids[:, :10, None] == truth[:, None, :]).any(axis=1).mean(axis=1)
    return {"1@1": first[:, 0] * 1.0, "1@10": first.any(axis=1) * 1.0, "10@10": every}


def interval(differences: np.ndarray, draws: int = 4000) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean over queries."""
    rng = np.random.default_rng(0)
    n = len(differences)
    means = [differences[rng.integers(0, n, n)].mean() for _ in range(draws)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
