"""Ground truth at the edges of float32: right by exact integer arithmetic, whatever the scale."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.contracts import UserError
from harness.contracts.dataset import METRICS, Metric
from harness.data.loading import open_file

K = 8
D = 6
LARGEST = np.finfo(np.float32).max
LEAST = np.float32(2.0**-149)

Tables = tuple[np.ndarray, np.ndarray]


def tables(kind: str, seed: int = 0) -> Tables:
    """Base and queries of one extreme kind, float32."""
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((90, D))
    queries = rng.standard_normal((24, D))  # from 20 on FAISS multiplies matrices
    base_scale, query_scale = SCALES.get(kind, (1.0, 1.0))
    base, queries = base * base_scale, queries * query_scale
    change = CHANGES.get(kind)
    if change is not None:
        base, queries = change(rng, base, queries)
    return _float32(base), _float32(queries)


def _float32(rows: np.ndarray) -> np.ndarray:
    return np.clip(rows, -float(LARGEST), float(LARGEST)).astype(np.float32)


def _spread(low: float, high: float):
    def change(rng: np.random.Generator, base: np.ndarray, queries: np.ndarray) -> Tables:
        row_scales = 10.0 ** rng.uniform(low, high, (len(base), 1))
        return base * row_scales, queries * 10.0 ** rng.uniform(low, high, (len(queries), 1))

    return change


def _columns(rng: np.random.Generator, base: np.ndarray, queries: np.ndarray) -> Tables:
    scales = 10.0 ** np.linspace(-36, 36, D)
    return base * scales, queries * scales


def _opposite_columns(rng: np.random.Generator, base: np.ndarray, queries: np.ndarray) -> Tables:
    scales = 10.0 ** np.linspace(-36, 36, D)
    return base * scales, queries / scales


def _one_giant(rng: np.random.Generator, base: np.ndarray, queries: np.ndarray) -> Tables:
    base[17] *= 1e36
    return base, queries


def _giant_query(rng: np.random.Generator, base: np.ndarray, queries: np.ndarray) -> Tables:
    queries[3] *= 1e36
    queries[4] *= 1e-36
    return base, queries


def _least_steps(rng: np.random.Generator, base: np.ndarray, queries: np.ndarray) -> Tables:
    """A few steps of the least denormal: everything is tied with something."""
    return np.round(base * 2) * float(LEAST), np.round(queries * 2) * float(LEAST)


def _largest_signs(rng: np.random.Generator, base: np.ndarray, queries: np.ndarray) -> Tables:
    return np.sign(base) * float(LARGEST), np.sign(queries) * float(LARGEST)


def _far_and_close(rng: np.random.Generator, base: np.ndarray, queries: np.ndarray) -> Tables:
    """Differences of one part in ten million, far from the origin."""
    return 1e30 * (1 + 1e-6 * base), 1e30 * (1 + 1e-6 * queries)


def _with_zeros(rng: np.random.Generator, base: np.ndarray, queries: np.ndarray) -> Tables:
    base[::3] = 0
    queries[:2] = 0
    return base * 1e-42, queries * 1e-42


def _sparse(rng: np.random.Generator, base: np.ndarray, queries: np.ndarray) -> Tables:
    base[rng.random(base.shape) < 0.7] = 0
    return base * 1e25, queries


def _copies(rng: np.random.Generator, base: np.ndarray, queries: np.ndarray) -> Tables:
    base[10:40] = base[5]
    return base * 1e22, queries * 1e22


SCALES = {
    "large 1e15": (1e15, 1e15),
    "large 1e19": (1e19, 1e19),
    "large 1e22": (1e22, 1e22),
    "large 1e30": (1e30, 1e30),
    "large 1e36": (1e36, 1e36),
    "largest": (1e38, 1e38),
    "small 1e-15": (1e-15, 1e-15),
    "small 1e-20": (1e-20, 1e-20),
    "small 1e-30": (1e-30, 1e-30),
    "denormal 1e-40": (1e-40, 1e-40),
    "denormal 1e-44": (1e-44, 1e-44),
    "large base": (1e36, 1.0),
    "large queries": (1.0, 1e36),
    "large base, small queries": (1e36, 1e-36),
    "small base, large queries": (1e-40, 1e36),
}
CHANGES = {
    "rows of 1e-44 to 1e38": _spread(-44, 38),
    "rows of 1e-10 to 1e10": _spread(-10, 10),
    "rows of 1e15 to 1e25": _spread(15, 25),
    "columns of 1e-36 to 1e36": _columns,
    "columns of opposite scales": _opposite_columns,
    "one row of 1e36": _one_giant,
    "queries of 1e36 and 1e-36": _giant_query,
    "steps of the least number": _least_steps,
    "signs of the largest number": _largest_signs,
    "far and close": _far_and_close,
    "denormals and zeros": _with_zeros,
    "sparse large rows": _sparse,
    "equal large rows": _copies,
}


def exact(metric: Metric, base: np.ndarray, query: np.ndarray) -> list[Decimal]:
    """The distances of one query to every row, to 50 digits: all of float32 are whole here."""
    rows = [_whole(row) for row in base]
    asked = _whole(query)
    with localcontext() as context:
        context.prec = 50
        unit = Decimal(2) ** -149
        if metric == "euclidean":
            squares = [sum((a - b) ** 2 for a, b in zip(row, asked, strict=True)) for row in rows]
            return [Decimal(square).sqrt() * unit for square in squares]
        products = [sum(a * b for a, b in zip(row, asked, strict=True)) for row in rows]
        if metric == "inner_product":
            return [-Decimal(product) * unit * unit for product in products]
        norms = [Decimal(_square(row) * _square(asked)).sqrt() for row in rows]
        pairs = zip(products, norms, strict=True)
        return [1 - Decimal(p) / norm if norm else Decimal(1) for p, norm in pairs]


def _whole(row: np.ndarray) -> list[int]:
    return [int(math.ldexp(float(value), 149)) for value in row]


def _square(row: list[int]) -> int:
    return sum(value * value for value in row)


def tolerance(metric: Metric, base: np.ndarray, query: np.ndarray) -> float:
    """What float64 may get wrong in a distance that is near zero."""
    if metric == "euclidean":
        return 0.0
    if metric == "angular":
        return 1e-13
    return (
        1e-13
        * float(np.linalg.norm(base.astype(float), axis=1).max())
        * float(np.linalg.norm(query.astype(float)))
    )


def check(path: Path, metric: Metric, base: np.ndarray, queries: np.ndarray) -> None:
    """Compare the truth of every query with exact arithmetic."""
    with h5py.File(path, "w") as file:
        file["train"], file["test"] = base, queries
    truth = open_file(path, metric).truth(K)
    for row, query in enumerate(queries):
        distances = exact(metric, base, query)
        answered = [distances[i] for i in truth.ids[row].tolist()]
        assert len(set(truth.ids[row].tolist())) == K
        near = tolerance(metric, base, query)
        expected = [float(value) for value in sorted(distances)[:K]]
        np.testing.assert_allclose(
            [float(value) for value in sorted(answered)], expected, rtol=1e-12, atol=near
        )
        np.testing.assert_allclose(truth.distances[row], expected, rtol=1e-12, atol=near)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", [*SCALES, *CHANGES])
def test_extreme_table(tmp_path: Path, kind: str, metric: Metric) -> None:
    check(tmp_path / "extreme.hdf5", metric, *tables(kind))


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 10**6),
    metric=st.sampled_from(METRICS),
    base=st.tuples(st.floats(-44, 38), st.floats(-44, 38)),
    queries=st.tuples(st.floats(-44, 38), st.floats(-44, 38)),
)
def test_any_mixture_of_scales(
    tmp_path: Path,
    seed: int,
    metric: Metric,
    base: tuple[float, float],
    queries: tuple[float, float],
) -> None:
    rng = np.random.default_rng(seed)
    rows, asked = (
        _float32(rng.standard_normal((n, D)) * 10.0 ** rng.uniform(*sorted(ends), (n, 1)))
        for n, ends in ((60, base), (3, queries))
    )
    check(tmp_path / f"{rng.integers(1 << 60)}.hdf5", metric, rows, asked)


def test_more_rows_than_memory_to_scale_them_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(needed_bytes: int, what: str, where: str) -> None:
        raise UserError(f"not enough memory for {what}", where=where)

    base, queries = tables("large 1e30")
    with h5py.File(tmp_path / "large.hdf5", "w") as file:
        file["train"], file["test"] = base, queries
    dataset = open_file(tmp_path / "large.hdf5", "inner_product")
    monkeypatch.setattr("harness.data.truth.nearest.require_memory", refuse)
    with pytest.raises(UserError, match="not enough memory"):
        dataset.truth(K)
