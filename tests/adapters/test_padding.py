"""What libraries put where they find fewer than k rows becomes -1, and real rows stay."""

import importlib

import numpy as np
import pytest

from harness.running.worker.libraries import pools_limited

pytestmark = [
    pytest.mark.adapters,
    pytest.mark.filterwarnings("default"),  # what libraries warn of is not ours to mend
]


@pytest.fixture
def base():
    """300 unit-norm rows, of which row 0 is the best answer to the first query."""
    rows = np.random.default_rng(4).standard_normal((300, 20)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows.flags.writeable = False
    return rows


def adapter(folder, name, library, **build):
    pytest.importorskip(library)
    module = importlib.import_module(f"harness.algorithms.{folder}.adapter")
    return getattr(module, name)("angular", seed=0, **build)


def require_padded(ids, base):
    """Row 0 is found first, once; what follows is distinct, then -1 to the end."""
    assert ids.shape == (2, 400)
    for row in ids:
        found = row[row >= 0]
        assert (row[len(found) :] == -1).all()
        assert len(np.unique(found)) == len(found) <= len(base)
    assert ids[0, 0] == 0


def test_batches_of_scann_that_find_few(base):
    scann = adapter(
        "google_scann",
        "ScannTree",
        "scann",
        leaves=10,
        block=2,
        threshold=0.2,
        training_points=300,
        soar=None,
        init="kmeans++",
    )
    scann.fit(base)
    scann.set_search(leaves_to_search=1, rerank=100)
    for threads in (1, 2):
        with pools_limited(threads):
            require_padded(scann.query_batch(base[:2], 400), base)
    single = np.stack([scann.query(row, 400) for row in base[:2]])
    require_padded(single, base)


def test_svs_fills_up_with_row_0_which_is_also_a_row(base):
    svs = adapter(
        "svs_vamana", "SvsVamana", "svs", degree=32, window=64, alpha=None, rows="float32"
    )
    svs.fit(base)
    svs.set_search(search_window=10)
    ids = svs.query_batch(base[:2], 400)
    require_padded(ids, base)
    assert (np.sort(ids[0])[-300:] == np.arange(300)).all()


def test_lists_of_rabitq_that_hold_few(base):
    rabitq = adapter("rabitqlib_indexes", "RaBitQIvf", "rabitqlib", clusters=8, nbits=8)
    rabitq.fit(base)
    rabitq.set_search(nprobe=1)
    ids = rabitq.query_batch(base[:2], 400)
    require_padded(ids, base)
    assert (ids == -1).sum() > 200


def test_symphony_answers_with_what_it_reaches(base):
    symphony = adapter(
        "rabitqlib_indexes", "SymphonyQG", "rabitqlib", degree=32, ef_construction=50, nbits=0
    )
    symphony.fit(base)
    symphony.set_search(ef=20)
    require_padded(symphony.query_batch(base[:2], 400), base)


def test_a_database_finds_no_row_of_zeros(base):
    pytest.importorskip("apsw")
    rows = base.copy()
    rows[5] = 0
    sqlite = adapter("sqlite_vec_table", "SqliteVec", "sqlite_vec", chunk=1024)
    sqlite.fit(rows)
    sqlite.set_search()
    ids = np.stack([sqlite.query(row, 400) for row in rows[:2]])
    require_padded(ids, rows)
    assert (ids >= 0).sum() == 2 * 299
    assert 5 not in ids
