"""Inverted lists of residual codes, against plain numpy."""

import numpy as np
import pytest
from harness.algorithms.quantization.encoding import encode
from harness.algorithms.quantization.list_adapter import AnisotropicIVF, ProductQuantizerIVF
from harness.algorithms.quantization.partition import partition
from harness.algorithms.quantization.simd import byte_lanes
from harness.algorithms.quantization.simd.tables import ROWS
from harness.algorithms.quantization.training import Sample, random_codebooks, train
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contracts import Bitmap, UserError

N, D = 1500, 20


def rows_of(seed, n=N, d=D, metric="angular"):
    """Rows around a few centres, so that lists mean something."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((12, d)) * 1.5
    rows = centres[rng.integers(0, 12, n)] + rng.standard_normal((n, d))
    if metric == "angular":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows.astype(np.float32)
    rows.flags.writeable = False
    return rows


def built(base, metric="angular", **build):
    adapter = ProductQuantizerIVF if metric == "euclidean" else AnisotropicIVF
    index = adapter(metric, **{"M": 10, "nlist": 16, "iterations": 3, **build})
    index.fit(base)
    return index


def scores_of(base, queries, metric):
    """Return the inner products, or less half the squared distances, `(nq, n)` float64."""
    base, queries = base.astype(np.float64), queries.astype(np.float64)
    if metric == "euclidean":
        return -((queries[:, None] - base[None]) ** 2).sum(axis=2) / 2
    return queries @ base.T


def exact(base, queries, k, metric="angular"):
    return np.argsort(-scores_of(base, queries, metric), axis=1)[:, :k]


def loss_of(residuals, rows, decoded, eta):
    """The definition: the direction is that of the row, not of its residual."""
    error = residuals.astype(np.float64) - decoded
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return (error**2).sum(axis=1) + (eta - 1) * (error * units).sum(axis=1) ** 2


class TestResidualCodes:
    """Encoding and training, where the direction is not the point's own."""

    @pytest.fixture
    def residuals(self):
        rows = rows_of(1)
        residuals = rows - rows[:200].mean(axis=0)
        residuals.flags.writeable = False
        return residuals, rows

    def test_no_single_change_of_a_code_lowers_the_loss(self, residuals):
        points, rows = residuals[0][:80], residuals[1][:80]
        codebooks = random_codebooks(points, 5, 8, np.random.default_rng(2))
        gains = np.full(1, 7, np.float32)
        codes = encode(points, gains, codebooks, directions=rows).codes

        def losses(codes):
            decoded = codebooks[np.arange(5), codes].reshape(len(codes), -1)
            return loss_of(points, rows, decoded, 8)

        best = losses(codes)
        for m in range(5):
            for c in range(8):
                other = codes.copy()
                other[:, m] = c
                assert (losses(other) >= best - 1e-5).all()

    def test_training_ends_at_the_least_squares_of_the_paper(self, residuals):
        """One subspace: sum (I + gain u u^T) (r - c) = 0 in every cell."""
        points, rows = residuals
        gains = np.full(1, 5, np.float32)
        sample = Sample.of(points, gains, np.ones(1), rows)
        start = random_codebooks(points, 1, 4, np.random.default_rng(3))
        codes = encode(points, gains, start, directions=rows).codes[:, 0]
        [codebook] = train(sample, start, iterations=1, tolerance=-1.0).codebooks
        units = rows.astype(np.float64) / np.linalg.norm(rows, axis=1, keepdims=True)
        for c in range(4):
            error = points[codes == c] - codebook[c]
            u = units[codes == c]
            gradient = error.sum(axis=0) + 5 * (u * (error * u).sum(axis=1)[:, None]).sum(axis=0)
            assert np.abs(gradient).max() < 1e-3 * (codes == c).sum()

    @settings(max_examples=10, deadline=None)
    @given(st.integers(0, 999), st.floats(1, 20))
    def test_training_never_raises_the_loss(self, seed, eta):
        rows = rows_of(seed, n=200)
        sample = Sample.of(
            rows - rows[:9].mean(axis=0), np.full(1, eta - 1, np.float32), np.ones(1), rows
        )
        start = random_codebooks(sample.points, 4, 4, np.random.default_rng(seed))
        losses = np.array(train(sample, start, iterations=5, tolerance=-1.0).losses)
        assert (np.diff(losses) <= 1e-6 * losses[0]).all()


class TestPartition:
    @pytest.mark.parametrize(
        ("metric", "away"),
        [
            ("angular", 0),
            ("inner_product", 0),
            ("euclidean", 0),
            ("inner_product", 3000),
            ("euclidean", 3000),
        ],
    )
    def test_rows_belong_to_the_nearest_centre(self, metric, away):
        base = rows_of(4, metric=metric) + np.float32(away)
        cut = partition(base, metric, nlist=9, spill=None, seed=0)
        centres = cut.centres.astype(np.float64)
        if metric == "angular":
            scores = base @ (centres / np.linalg.norm(centres, axis=1, keepdims=True)).T
        else:
            scores = base @ centres.T - (centres**2).sum(axis=1) / 2
        chosen = np.take_along_axis(scores, cut.lists, axis=1)[:, 0]
        assert (chosen >= scores.max(axis=1) - (1e-2 if away else 1e-4)).all()
        np.testing.assert_allclose(
            cut.residuals(base, slice(0, N)), base - cut.centres[cut.lists[:, 0]]
        )

    @pytest.mark.parametrize(("metric", "away"), [("angular", 0), ("euclidean", 3000)])
    def test_second_lists_are_those_of_least_loss(self, metric, away):
        base = rows_of(5, n=300, metric=metric) + np.float32(away)
        cut = partition(base, metric, nlist=12, spill=1.5, seed=0)
        first = base.astype(np.float64) - cut.centres[cut.lists[:, 0]]
        others = base[:, None].astype(np.float64) - cut.centres[None]
        along = (others * first[:, None]).sum(axis=2) ** 2 / (first**2).sum(axis=1)[:, None]
        losses = (others**2).sum(axis=2) + 1.5 * along
        losses[np.arange(300), cut.lists[:, 0]] = np.inf
        chosen = np.take_along_axis(losses, cut.lists[:, 1:], axis=1)[:, 0]
        assert (chosen <= losses.min(axis=1) + (1e-1 if away else 1e-4)).all()
        assert (cut.lists[:, 0] != cut.lists[:, 1]).all()

    def test_lists_beyond_the_rows_are_refused(self):
        with pytest.raises(UserError, match="number of lists"):
            partition(rows_of(0, n=10), "angular", nlist=11, spill=None, seed=0)

    def test_no_second_list_of_one(self):
        with pytest.raises(UserError, match="second lists"):
            partition(rows_of(0, n=10), "angular", nlist=1, spill=1.0, seed=0)


needs_avx2 = pytest.mark.skipif(byte_lanes.KIND is None, reason="the processor has no AVX2")


@needs_avx2
class TestSearch:
    @settings(max_examples=12, deadline=None)
    @given(
        st.integers(0, 999),
        st.sampled_from([20, 75, 600]),
        st.sampled_from(["angular", "inner_product", "euclidean"]),
        st.sampled_from([None, 1.0]),
        st.sampled_from([(5, 2), (16, 3), (66, 34)]),
        st.sampled_from(byte_lanes.CODE_BITS or (4,)),
        st.sampled_from(["float32", "float16", "uint8"]),
        st.integers(1, 40),
    )
    def test_all_lists_fully_reranked_are_exact(
        self, seed, n, metric, spill, shape, nbits, kind, k
    ):
        d, M = shape
        base = rows_of(seed, n, d, metric)
        queries = rows_of(seed + 1, 8, d, metric)
        index = built(base, metric, nlist=7, M=M, nbits=nbits, spill=spill, rerank_copy=kind)
        index.set_search(nprobe=7, rerank=2 * n)
        ids = index.query_batch(queries, k)
        assert (np.stack([index.query(query, k) for query in queries]) == ids).all()
        found = min(k, n)
        assert (ids[:, found:] == -1).all()
        assert all(len(set(row)) == found for row in ids[:, :found].tolist())
        scores = scores_of(base, queries, metric)
        got = np.take_along_axis(scores, ids[:, :found], axis=1)
        largest = np.abs(base).max()
        spread = largest * np.abs(queries).sum(axis=1, keepdims=True)
        if metric == "euclidean":
            spread += d * largest**2
        close = {"float32": 1e-5, "float16": 1e-3, "uint8": 8e-3}[kind] * spread
        assert (got >= -np.sort(-scores, axis=1)[:, :found] - close).all()

    @pytest.mark.parametrize("rotation", ["none", "random"])
    @pytest.mark.parametrize("spill", [None, 1.0])
    @pytest.mark.parametrize("M", [10, 15, 20])
    @pytest.mark.parametrize("nbits", byte_lanes.CODE_BITS)
    def test_answers_without_reranking_score_best_by_the_codes(self, nbits, spill, M, rotation):
        """Scores by numpy: <q, centre + decoded residual>; a spilled row counts by its better."""
        base, queries = rows_of(6), rows_of(7, 30)
        index = built(base, M=M, nbits=nbits, spill=spill, rotation=rotation)
        index.set_search(nprobe=16, rerank=0)
        ids = index.query_batch(queries, 10)
        assert all(len(set(row)) == 10 for row in ids.tolist())
        if spill is None:
            scores = queries.astype(np.float64) @ index.reconstruct(slice(0, N)).T
            got = np.take_along_axis(scores, ids, axis=1)
            best = -np.sort(-scores, axis=1)[:, :10]
            assert np.abs(got - best).max() < 0.02
            assert np.isclose(got, best, atol=1e-5).mean() > 0.98

    @pytest.mark.parametrize("rotation", ["none", "random"])
    @pytest.mark.parametrize("M", [10, 15, 20])
    @pytest.mark.parametrize("nbits", byte_lanes.CODE_BITS)
    @pytest.mark.parametrize("away", [0, 50])
    def test_euclidean_costs_are_those_of_the_codes_and_a_share_of_the_error(
        self, away, nbits, M, rotation
    ):
        """By numpy: |q - x~|^2 + .2 |x - x~|^2, within what a byte for each row rounds."""
        base = rows_of(6, metric="euclidean") + np.float32(away)
        queries = rows_of(7, 30, metric="euclidean") + np.float32(away)
        index = built(base, "euclidean", M=M, nbits=nbits, rotation=rotation)
        index.set_search(nprobe=16, rerank=0)
        ids = index.query_batch(queries, 10)
        decoded = index.reconstruct(slice(0, N))
        errors = ((base.astype(np.float64) - decoded) ** 2).sum(axis=1)
        costs = 0.1 * errors - scores_of(decoded, queries, "euclidean")
        got = np.take_along_axis(costs, ids, axis=1)
        best = np.sort(costs, axis=1)[:, :10]
        assert np.abs(got - best).max() < 0.05 * best.mean()
        assert np.isclose(got, best, atol=0.01 * best.mean()).mean() > 0.98

    @pytest.mark.parametrize("metric", ["inner_product", "euclidean"])
    def test_filtered_rows_are_the_best_that_match(self, metric):
        base, queries = rows_of(26, metric=metric), rows_of(27, 30, metric=metric)
        index = built(base, metric)
        index.set_search(nprobe=16, rerank=N)
        allowed = np.arange(0, N, 3)
        matching = Bitmap.of(np.arange(N) % 3 == 0)
        for query in queries:
            ids = index.query_filtered(query, 10, matching)
            expected = allowed[exact(base[allowed], query[None], 10, metric)[0]]
            assert (ids == expected).mean() > 0.8
            assert set(ids) == set(expected)

    @pytest.mark.filterwarnings("ignore:the rows lie in a cone")
    def test_inner_products_are_looked_for_where_rows_are_long(self):
        """The list of short rows has the larger cosine, that of long ones the larger products."""
        along, aside = np.eye(D)[:2]
        noise = np.random.default_rng(28).standard_normal((2, 300, D)) * 0.03
        base = np.concatenate([along + noise[0], 3 * along + aside + noise[1]]).astype(np.float32)
        index = built(base, "inner_product", nlist=2)
        index.set_search(nprobe=1, rerank=100)
        query = along.astype(np.float32)
        assert set(index.query(query, 10)) == set(exact(base, query[None], 10)[0])

    def test_distances_are_no_matter_of_the_score_aware_loss(self):
        with pytest.raises(UserError, match="angular or inner_product"):
            AnisotropicIVF("euclidean", M=10, nlist=4).fit(rows_of(0, 100))

    @pytest.mark.parametrize("nbits", byte_lanes.CODE_BITS)
    def test_reconstructions_are_centre_and_codewords(self, nbits):
        """The codes stand for what encoding the residuals by hand stands for."""
        base = rows_of(8)
        index = built(base, M=10, nbits=nbits)
        decoded = index.reconstruct(slice(0, N))
        table = index.diagnostics()["distortion"]
        error = base.astype(np.float64) - decoded
        np.testing.assert_allclose(
            table["mean_squared_error"], (error**2).sum(axis=1).mean(), rtol=1e-6
        )
        assert (
            table["mean_squared_error"]
            < 0.6 * built(base, nlist=1).diagnostics()["distortion"]["mean_squared_error"]
        )

    @pytest.mark.parametrize("metric", ["angular", "euclidean"])
    def test_recall_grows_with_lists_and_candidates(self, metric):
        base, queries = rows_of(9, 4000), rows_of(10, 200)
        truth = exact(base, queries, 10, metric)
        index = built(base, metric, nlist=40, M=10)

        def recall(**search):
            index.set_search(**search)
            ids = index.query_batch(queries, 10)
            return (
                np.mean([len(np.intersect1d(a, b)) for a, b in zip(ids, truth, strict=True)]) / 10
            )

        by_lists = [recall(nprobe=nprobe, rerank=200) for nprobe in (1, 4, 16, 40)]
        by_candidates = [recall(nprobe=40, rerank=rerank) for rerank in (0, 10, 40, 200)]
        assert by_lists == sorted(by_lists)
        assert by_lists[-1] > 0.97 > by_lists[0]
        assert by_candidates[0] < by_candidates[2] <= by_candidates[3]

    @pytest.mark.parametrize("metric", ["angular", "euclidean"])
    def test_spilled_rows_are_found_in_fewer_lists(self, metric):
        base, queries = rows_of(11, 4000), rows_of(12, 200)
        truth = exact(base, queries, 10, metric)
        recalls = []
        for spill in (None, 1.0):
            index = built(base, metric, nlist=40, spill=spill)
            index.set_search(nprobe=4, rerank=200)
            ids = index.query_batch(queries, 10)
            assert all(len(set(row)) == 10 for row in ids.tolist())
            recalls.append(
                np.mean([len(np.intersect1d(a, b)) for a, b in zip(ids, truth, strict=True)])
            )
        assert recalls[1] > recalls[0]

    @pytest.mark.parametrize("metric", ["inner_product", "euclidean"])
    @pytest.mark.parametrize("size", [1e-12, 1e15])
    def test_scores_stay_in_float32(self, size, metric):
        base = (rows_of(13, metric=metric) * np.float32(size)).astype(np.float32)
        queries = (rows_of(14, 20) * np.float32(size)).astype(np.float32)
        index = built(base, metric)
        index.set_search(nprobe=16, rerank=N)
        assert (index.query_batch(queries, 5) == exact(base, queries, 5, metric)).mean() > 0.99

    @pytest.mark.parametrize("metric", ["angular", "euclidean"])
    def test_a_query_of_zeros_finds_any_rows(self, metric):
        index = built(rows_of(15), metric)
        for rerank in (0, 50):
            index.set_search(nprobe=16, rerank=rerank)
            ids = index.query(np.zeros(D, np.float32), 10)
            assert len(set(ids.tolist())) == 10
            assert ids.min() >= 0

    @pytest.mark.parametrize("far", [1e3, 1e4])
    def test_lists_are_chosen_whatever_a_single_row_is(self, far):
        base = rows_of(23, 4000, metric="euclidean").copy()
        base[7] *= far
        queries = rows_of(24, 50, metric="euclidean")
        index = built(base, "euclidean", nlist=100)
        index.set_search(nprobe=20, rerank=200)
        found, true = index.query_batch(queries, 10), exact(base, queries, 10, "euclidean")
        shared = [len(set(a) & set(b)) for a, b in zip(found, true, strict=True)]
        assert np.mean(shared) > 9

    def test_the_nearest_list_is_visited_however_far_from_zero_rows_are(self):
        base = rows_of(25, 4000, metric="euclidean") + np.float32(3000)
        queries = rows_of(26, 300, metric="euclidean") + np.float32(3000)
        index = built(base, "euclidean", nlist=100)
        index.set_search(nprobe=1, rerank=len(base))
        scanner = index._scanner
        centres = scanner._partition_centres.astype(np.float64)
        places = np.empty(len(base), np.int64)
        taken = scanner._row_ids >= 0
        places[scanner._row_ids[taken]] = np.flatnonzero(taken)
        found = places[index.query_batch(queries, 1)[:, 0]] // ROWS
        visited = np.searchsorted(scanner._starts, found, side="right") - 1
        distances = ((queries[:, None].astype(np.float64) - centres) ** 2).sum(axis=2)
        assert (visited == distances.argmin(axis=1)).mean() > 0.99

    @pytest.mark.parametrize("spill", [None, 1.0])
    def test_recall_is_the_same_far_from_zero(self, spill):
        recalls = []
        for away in (0, 3000):
            base = rows_of(25, 4000, metric="euclidean") + np.float32(away)
            queries = rows_of(26, 100, metric="euclidean") + np.float32(away)
            index = built(base, "euclidean", nlist=100, spill=spill)
            index.set_search(nprobe=5, rerank=100)
            found, true = index.query_batch(queries, 10), exact(base, queries, 10, "euclidean")
            recalls.append(np.mean([np.isin(a, b) for a, b in zip(found, true, strict=True)]))
        assert recalls[1] == pytest.approx(recalls[0], abs=0.05)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e-41, 3e38])
    def test_odd_queries_find_each_row_once(self, value):
        index = built(rows_of(25), nlist=37)
        index.set_search(nprobe=30, rerank=50)
        query = np.zeros(D, np.float32)
        query[[0, 3]] = value, -value
        found = index.query(query, 10)
        found = found[found >= 0]
        assert len(set(found.tolist())) == len(found)

    @pytest.mark.parametrize("k", [1, 1400])
    def test_constant_dimensions_lose_no_row(self, k):
        """Their tables are zeros, which rounding does not lower."""
        base = rows_of(26, d=64, metric="euclidean").copy()
        base[:, 20:] = 1
        index = built(base, "euclidean", M=64, nlist=8)
        index.set_search(nprobe=8, rerank=0)
        queries = np.ascontiguousarray(base[:40] + np.float32(0.3))
        found = index.query_batch(queries, k)
        decoded = index.reconstruct(slice(0, N))
        scores = scores_of(decoded, queries, "euclidean")
        best = np.sort(scores, axis=1)[:, -k]
        assert (found >= 0).all()
        worst = np.take_along_axis(scores, found, 1).min(axis=1)
        assert (worst >= best - 0.3).mean() > 0.9

    @pytest.mark.parametrize("M", [64, 100])
    def test_without_reranking_no_row_of_sparse_data_is_lost(self, M):
        """The best 10 are those of all rows, which are scored without a bound."""
        rng = np.random.default_rng(27)
        rows = rng.exponential(size=(N + 200, 2 * M)) * (rng.random((N + 200, 2 * M)) < 0.1)
        base, queries = np.split(rows.astype(np.float32), [N])
        index = built(base, "euclidean", M=M, nlist=8)
        index.set_search(nprobe=8, rerank=0)
        every_row = index.query_batch(queries, N)
        assert (np.sort(every_row, axis=1) == np.arange(N)).all()
        assert (index.query_batch(queries, 10) == every_row[:, :10]).mean() > 0.999

    def test_all_rows_are_found_where_as_many_are_asked_for(self):
        index = built(rows_of(28))
        index.set_search(nprobe=16, rerank=0)
        assert index.query_batch(rows_of(29, 600), N).min() >= 0

    @pytest.mark.filterwarnings("ignore:the rows lie in a cone")
    @pytest.mark.parametrize("metric", ["angular", "euclidean"])
    def test_equal_rows_are_all_found(self, metric):
        base = np.tile(rows_of(16, 1), (500, 1))
        base.flags.writeable = False
        index = built(base, metric, nlist=3, spill=1.0)
        index.set_search(nprobe=3, rerank=1000)
        assert sorted(index.query(base[0], 500).tolist()) == list(range(500))

    @pytest.mark.filterwarnings("ignore:the rows lie in a cone")
    @pytest.mark.parametrize("step", [0.0, 1e-7, 1e-3])
    def test_rows_that_get_better_and_better_are_followed(self, step):
        """No row is worse than those before it in its list, so that all are candidates."""
        growth = 1 + step * np.arange(3000, dtype=np.float32)
        base = rows_of(20, 1)[0] * growth[:, None]
        index = built(base, "inner_product", nlist=2, M=10)
        index.set_search(nprobe=2, rerank=20)
        found = np.sort(index.query(base[0], 10))
        assert len(set(found)) == 10
        scores = (base.astype(np.float64) @ base[0])[found]
        tenth = np.sort(base.astype(np.float64) @ base[0])[-10]
        assert (scores >= tenth * (1 - 2e-2)).all()

    @pytest.mark.parametrize("nbits", byte_lanes.CODE_BITS)
    @pytest.mark.parametrize("rerank", [0, 10, 100])
    def test_rows_after_many_equal_ones_are_found(self, rerank, nbits):
        five = rows_of(21, 5)
        rest = np.random.default_rng(22).integers(0, 5, 2000)
        base = np.concatenate([np.repeat(five[:1], 128, axis=0), five[rest]])
        index = built(base, nlist=1, nbits=nbits)
        index.set_search(nprobe=1, rerank=rerank)
        for query in five:
            ids = index.query(query, 10)
            assert len(set(ids.tolist())) == 10
            assert ids.min() >= 0

    @pytest.mark.parametrize("k", [1, 2, 3])
    def test_few_neighbours_are_found_in_many_small_lists(self, k):
        base, queries = rows_of(23, 600), rows_of(24, 300)
        index = built(base, nlist=200)
        matching = Bitmap.of(np.arange(600) % 5 == 0)
        for rerank in (0, k):
            index.set_search(nprobe=20, rerank=rerank)
            assert index.query_batch(queries, k).min() >= 0
            index.set_search(nprobe=200, rerank=rerank)
            for query in queries:
                ids = index.query_filtered(query, k, matching)
                assert (ids >= 0).all()
                assert (ids % 5 == 0).all()

    @pytest.mark.parametrize("nbits", byte_lanes.CODE_BITS)
    def test_many_subspaces_do_not_overflow(self, nbits):
        base = rows_of(25, 400, 500)
        index = built(base, nlist=4, M=500, nbits=nbits)
        index.set_search(nprobe=4, rerank=100)
        found = [index.query(row, 1)[0] for row in base[:50]]
        assert np.mean(np.array(found) == np.arange(50)) > 0.9

    def test_bytes_count_the_copy_that_is_read(self):
        base = rows_of(17)
        sizes = {}
        for kind in ("float32", "float16", "uint8"):
            index = built(base, rerank_copy=kind)
            index.set_search(nprobe=1, rerank=10)
            sizes[kind] = index.index_bytes()
            index.set_search(nprobe=1, rerank=0)
            assert (
                0
                <= sizes[kind]
                - index.index_bytes()
                - base.nbytes // {"float32": 1, "float16": 2, "uint8": 4}[kind]
                < 300
            )
        assert sizes["float32"] > sizes["float16"] > sizes["uint8"]

    @pytest.mark.parametrize(
        ("wrong", "match"), [({"nbits": 5}, "nbits"), ({"rerank_copy": "int4"}, "copy")]
    )
    def test_wrong_parameters_are_refused(self, wrong, match):
        with pytest.raises(UserError, match=match):
            built(rows_of(0, 100), **wrong)

    def test_lists_to_visit_are_checked(self):
        index = built(rows_of(0, 100))
        with pytest.raises(UserError, match="nprobe"):
            index.set_search(nprobe=0)


@pytest.mark.parametrize("metric", ["angular", "inner_product", "euclidean"])
def test_rows_compared_are_those_of_the_lists_visited_and_the_candidates(metric):
    base, queries = rows_of(3, metric=metric), rows_of(4, n=7, metric=metric)
    index = built(base, metric)
    for nprobe in (1, 2, 16):
        index.set_search(nprobe=nprobe, rerank=0)
        visited = sum(int((index.query(query, N) >= 0).sum()) for query in queries)
        assert index.distance_computations(queries, 10) == visited
    assert visited == 7 * N
    index.set_search(nprobe=16, rerank=50)
    assert index.distance_computations(queries, 10) == 7 * (N + 50)
    spilled = built(base, metric, spill=1.0)
    spilled.set_search(nprobe=16, rerank=0)
    assert spilled.distance_computations(queries, 10) == 7 * 2 * N
