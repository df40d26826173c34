"""A small store, made without running anything."""

from __future__ import annotations

import numpy as np
import pytest

from harness.contracts.dataset import Truth
from harness.results.identity import Machine, PointIdentity
from harness.results.point import BlockShare, Build, BuildFacts, PointHeader
from harness.results.store import ResultStore

NQ, K = 20, 10
TRUTH = Truth(np.tile(np.arange(K), (NQ, 1)), np.ones((NQ, K)))


def make_header(*, queries=NQ, **changes):
    facts = {
        "dataset": "small", "fingerprint": "f" * 64, "metric": "euclidean", "algorithm": "scan",
        "adapter_sha256": "0", "build": {"M": 4}, "search": {}, "k": K, "mode": "single",
        "threads": 1, "build_threads": 1, "machine": Machine("cpu", 2, 2**30), "versions": {},
    }  # fmt: skip
    return PointHeader(PointIdentity(**{**facts, **changes}), "scan", "M=4", 1000, 8, queries)


def make_build(number, *, seconds=1e-3, **provenance):
    rng = np.random.default_rng(number)
    times = seconds * rng.uniform(1, 2, (2, NQ))
    return Build(
        number=number, times=times, walls=times.sum(axis=1),
        neighbors=np.tile(np.arange(K), (1, NQ, 1)), distances=np.ones((1, NQ, K)),
        scales=np.ones((1, NQ, K), dtype=np.float32),
        facts=BuildFacts(build_seconds=1.0, index_bytes=1, measured_index_bytes=1,
                         prepare_seconds=0.0),
        diagnostics={"training": {"loss": np.array([2.0, 1.0])},
                     "graph": {"name": np.array(["a", "b"])}},
        provenance={"finished_at": "2026-01-01T00:00:00Z", **provenance},
        block=BlockShare("b", np.arange(2, dtype=np.int16), NQ, np.full(2, 1e-4)),
    )  # fmt: skip


def names_of_files(results):
    """The names of the files in a results folder, but for its locks."""
    files = (p.relative_to(results).as_posix() for p in results.rglob("*") if p.is_file())
    return sorted(name for name in files if not name.startswith(".locks/"))


@pytest.fixture
def header():
    """Give the maker of headers: keywords change the identity."""
    return make_header


@pytest.fixture
def build():
    """Give the maker of builds by their number."""
    return make_build


@pytest.fixture
def truth():
    """Give the truth that all builds reach."""
    return TRUTH


@pytest.fixture
def small_store(tmp_path):
    """Give a store with one point of two builds, and its truth."""
    made = ResultStore(tmp_path / "results")
    for number in range(2):
        made.add_build(make_header(), make_build(number))
    made.write_truth(make_header().identity, TRUTH)
    return made
