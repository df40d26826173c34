"""A sample of the rows of a dataset, as a dataset."""

from __future__ import annotations

import numpy as np
import pytest

from harness.contracts import UserError
from harness.data.loading import open_file
from harness.data.row_samples import open_sample
from harness.registry import load_registry
from harness.running.datasets import open_in


@pytest.fixture
def whole(small_hdf5, session_cache, monkeypatch):
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))
    return open_file(small_hdf5)


def test_a_sample_has_some_rows_all_queries_and_its_own_true_neighbours(whole):
    before = {file: file.read_bytes() for file in whole.files}
    sample = open_sample(whole, 40)
    assert sample.base.shape == (40, whole.base.shape[1])
    assert {row.tobytes() for row in sample.base} < {row.tobytes() for row in whole.base}
    assert np.array_equal(sample.queries, whole.queries)
    assert sample.fingerprint != whole.fingerprint
    nearest = np.argmax(sample.search_queries @ sample.search_base.T, axis=1)
    assert np.array_equal(sample.truth(1).ids[:, 0], nearest)
    assert {file: file.read_bytes() for file in whole.files} == before


def test_a_sample_is_drawn_once(whole):
    one, again = open_sample(whole, 40), open_sample(whole, 40)
    assert one.path == again.path
    assert one.fingerprint == again.fingerprint != open_sample(whole, 41).fingerprint


@pytest.mark.parametrize("share", [0, 1])
def test_a_sample_of_no_or_all_rows_is_refused(whole, share):
    with pytest.raises(UserError, match="no sample of so many rows"):
        open_sample(whole, share * len(whole.base))


def test_filtered_queries_have_no_sample(session_cache, monkeypatch):
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))
    filtered = open_in(load_registry(), "glove-50-10k+filtered")
    with pytest.raises(UserError, match="filters choose from all rows"):
        open_sample(filtered, 40)
