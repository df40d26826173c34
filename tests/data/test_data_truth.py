"""Ground truth: equal to brute force in float64, ties in order of ids, whatever the scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.contracts import UserError
from harness.contracts.dataset import METRICS, Metric
from harness.data.cache.cached import CachedDataset
from harness.data.loading import open_file
from harness.data.truth import store as truth_store
from harness.data.truth.store import truth_of
from harness.measures.distances import answer_distances

SLOW_OK = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def brute_force(dataset: CachedDataset, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Sort every distance of every query by distance, then id."""
    n, nq = len(dataset.base), len(dataset.queries)
    ids = np.broadcast_to(np.arange(n), (nq, n))
    distances = answer_distances(dataset.metric, dataset.base, dataset.queries, ids)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distances, order, axis=1)


def write(path: Path, base: np.ndarray, queries: np.ndarray) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("train", data=base)
        file.create_dataset("test", data=queries)
    return path


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 10, 300])
def test_equals_brute_force(make_hdf5, rng: np.random.Generator, metric: Metric, k: int) -> None:
    path = make_hdf5(
        train=rng.standard_normal((300, 12)).astype(np.float32),
        test=rng.standard_normal((40, 12)).astype(np.float32),
    )
    dataset = open_file(path, metric)
    ids, distances = brute_force(dataset, k)
    truth = dataset.truth(k)
    assert np.array_equal(truth.ids, ids)
    assert np.allclose(truth.distances, distances, rtol=0, atol=1e-12)


@SLOW_OK
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(40, 400),
    d=st.integers(1, 20),
    k=st.integers(1, 30),
    levels=st.integers(1, 3),
    metric=st.sampled_from(METRICS),
)
def test_ties_are_ordered_by_id(
    tmp_path: Path, seed: int, n: int, d: int, k: int, levels: int, metric: Metric
) -> None:
    # A few whole values: most rows are tied with others, many are equal, some are zero.
    rng = np.random.default_rng(seed)
    base = rng.integers(-levels, levels + 1, (n, d)).astype(np.float32)
    queries = rng.integers(-levels, levels + 1, (5, d)).astype(np.float32)
    dataset = open_file(write(tmp_path / f"{seed}-{n}-{d}.hdf5", base, queries), metric)
    _, distances = brute_force(dataset, k)
    truth = truth_of(dataset, k)
    assert np.allclose(truth.distances, distances, rtol=0, atol=1e-12)
    for row_ids, row_distances in zip(truth.ids, truth.distances, strict=True):
        assert len(set(row_ids.tolist())) == k
        order = np.lexsort((row_ids, row_distances))
        assert np.array_equal(order, np.arange(k))


def test_equal_rows_come_in_order_of_ids(make_hdf5) -> None:
    rows = np.tile(np.array([[1, 2, 3]], np.float32), (500, 1))
    truth = open_file(make_hdf5(train=rows, test=rows[:3]), "euclidean").truth(20)
    assert np.array_equal(truth.ids, np.tile(np.arange(20), (3, 1)))


@pytest.mark.parametrize("offset", [1e3, 1e5])
def test_cancellation_does_not_mislead(make_hdf5, rng: np.random.Generator, offset: float) -> None:
    # Far from the origin, float32 squared norms swallow the differences between the rows.
    base = (rng.standard_normal((2000, 16)) + offset).astype(np.float32)
    queries = (rng.standard_normal((10, 16)) + offset).astype(np.float32)
    dataset = open_file(make_hdf5(train=base, test=queries), "euclidean")
    ids, distances = brute_force(dataset, 10)
    truth = dataset.truth(10)
    assert np.allclose(truth.distances, distances, rtol=1e-12)
    assert np.array_equal(truth.ids, ids)


def test_zero_query_and_zero_rows(make_hdf5, rng: np.random.Generator) -> None:
    base = rng.standard_normal((100, 4)).astype(np.float32)
    base[[3, 50]] = 0
    queries = np.zeros((2, 4), np.float32)
    queries[1] = -base[0]
    dataset = open_file(make_hdf5(train=base, test=queries), "angular")
    truth = dataset.truth(5)
    assert np.array_equal(truth.ids[0], np.arange(5))
    assert (truth.distances[0] == 1).all()
    assert not dataset.search_base[3].any()


def test_smaller_k_is_served_by_larger(make_hdf5, cache: Path) -> None:
    dataset = open_file(make_hdf5())
    large = dataset.truth(50)
    stored = sorted(cache.glob("truth/*.hdf5"))
    small = dataset.truth(7)
    assert sorted(cache.glob("truth/*.hdf5")) == stored
    assert np.array_equal(small.ids, large.ids[:, :7])


@pytest.mark.parametrize("k", [0, -1, 201])
def test_k_out_of_range(make_hdf5, k: int, cache: Path) -> None:
    dataset = open_file(make_hdf5())
    with pytest.raises(UserError, match="1 to 200"):
        dataset.truth(k)
    assert not list(cache.glob("truth/*"))


def test_goes_on_where_it_stopped(make_hdf5, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    dataset = open_file(make_hdf5())
    monkeypatch.setattr(truth_store, "_MOST_QUERIES", 6)
    done: list[int] = []

    def interrupt(what: str, at: int, total: int, unit: str = "rows") -> None:
        done.append(at)
        if at >= 12 and len(done) == 3:  # the first call tells that it begins
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        truth_of(dataset, 9, interrupt)
    kept = {path: path.stat().st_mtime_ns for path in cache.glob("truth/.blocks-*/*.npz")}
    assert len(kept) == 2
    monkeypatch.setattr("shutil.rmtree", lambda *args, **kwargs: None)
    truth = truth_of(dataset, 9)
    assert all(path.stat().st_mtime_ns == at for path, at in kept.items())
    assert np.array_equal(truth.ids, brute_force(dataset, 9)[0])


def test_memory_decides_the_block_and_not_the_answer(make_hdf5) -> None:
    dataset = open_file(make_hdf5())
    small = truth_store.queries_at_once(dataset, 100, 128 << 20)
    large = truth_store.queries_at_once(dataset, 100, 1 << 30)
    assert 1 <= small < large
    with pytest.raises(UserError, match="too little memory"):
        truth_of(dataset, 5, memory_bytes=1 << 20)


def test_damaged_truth_is_computed_again(make_hdf5, cache: Path) -> None:
    dataset = open_file(make_hdf5())
    before = dataset.truth(5)
    (path,) = cache.glob("truth/*.hdf5")
    path.write_bytes(path.read_bytes()[:100])
    assert np.array_equal(dataset.truth(5).ids, before.ids)


@SLOW_OK
@given(
    shards=st.integers(1, 40), k=st.integers(1, 60), levels=st.integers(1, 4),
    metric=st.sampled_from(METRICS), seed=st.integers(0, 99),
)  # fmt: skip
def test_shards_of_the_base_have_the_same_neighbours(
    tmp_path, shards: int, k: int, levels: int, metric: Metric, seed: int
) -> None:
    """Few different values make ties, which go by id across the shards as well."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, levels + 1, (60, 3)).astype(np.float32)
    queries = rng.integers(0, levels + 1, (7, 3)).astype(np.float32)
    dataset = open_file(write(tmp_path / f"{seed}-{levels}.hdf5", base, queries), metric)
    ids, distances = brute_force(dataset, k)
    pieces = truth_store.pieces_of(dataset, 3, shards)
    assert sum((p.queries[1] - p.queries[0]) * (p.rows[1] - p.rows[0]) for p in pieces) == 420
    folder = tmp_path / f"truth-{rng.integers(1 << 60)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANNHARNESS_DATA", str(folder))
        truth = truth_of(dataset, k, shards=shards)
    assert np.array_equal(truth.ids, ids)
    assert np.allclose(truth.distances, distances, rtol=0, atol=1e-12)


def test_pieces_are_kept_and_not_computed_again(make_hdf5, cache: Path) -> None:
    dataset = open_file(make_hdf5())

    def some(dataset, k, pieces):
        for number, found in enumerate(truth_store.compute_here(dataset, k, pieces)):
            if number == 3:
                raise KeyboardInterrupt
            yield found

    def the_rest(dataset, k, pieces):
        rest.extend(pieces)
        return truth_store.compute_here(dataset, k, pieces)

    rest: list[object] = []
    with pytest.raises(KeyboardInterrupt):
        truth_of(dataset, 9, shards=7, compute=some)
    truth = truth_of(dataset, 9, shards=7, compute=the_rest)
    assert len(rest) == 4
    assert np.array_equal(truth.ids, brute_force(dataset, 9)[0])
    assert not list(cache.glob("truth/.blocks-*"))
