"""The picture of a dataset: places of rows and queries on two principal components."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.data.loading import open_file
from harness.data.plane import MOST_QUERIES, MOST_ROWS, Plane, plane_of


@pytest.fixture
def picture(make_hdf5):
    """Return the picture of rows and queries."""

    def of(base, queries, distance="euclidean", name="mine.hdf5") -> Plane | None:
        parts = {"train": base.astype(np.float32), "test": queries.astype(np.float32)}
        return plane_of(open_file(make_hdf5(name, **parts, distance=distance, neighbors=None)))

    return of


def test_a_plane_in_many_dimensions_is_found_with_its_share_of_variance(picture, rng) -> None:
    axes = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    spread = np.array([5.0, 3.0, 1.0, 0, 0, 0, 0, 0])
    base = rng.normal(size=(200, 8)) * spread
    queries = rng.normal(size=(20, 8)) * spread
    found = picture(base @ axes, queries @ axes)
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(base.T)))[::-1]
    assert found.share == pytest.approx(eigenvalues[:2].sum() / eigenvalues.sum(), abs=1e-4)
    places = np.array([*found.base, *found.queries])
    assert places.shape == (220, 2)
    assert np.abs(places).max() == 1
    # On each axis, places are the coordinates of greatest variance but for noise of the others.
    first = np.concatenate([base, queries])[:, 0]
    assert abs(np.corrcoef(places[:, 0], first)[0, 1]) > 0.99


def test_queries_from_elsewhere_lie_apart(picture, rng) -> None:
    base = rng.normal(size=(3000, 6)) * [4, 3, 1, 1, 1, 1]
    found = picture(base, rng.normal(size=(500, 6)) + np.array([40.0, 0, 0, 0, 0, 0]))
    assert (len(found.base), len(found.queries)) == (MOST_ROWS, MOST_QUERIES)
    rows, asked = (np.array(places)[:, 0] for places in (found.base, found.queries))
    assert abs(asked.mean() - rows.mean()) > 5 * rows.std()


def test_angular_rows_have_one_length(picture, rng) -> None:
    base, queries = rng.normal(size=(50, 5)), rng.normal(size=(9, 5))
    found = picture(base, queries, "angular")
    longer = picture(base * rng.integers(1, 5, (50, 1)), queries, "angular", "longer.hdf5")
    assert np.allclose(found.base, longer.base, atol=0.0011)  # in steps of 0.001
    assert found.share == pytest.approx(longer.share)


def test_it_is_kept_and_a_damaged_one_is_made_again(picture, cache: Path, rng) -> None:
    base, queries = rng.normal(size=(30, 4)), rng.normal(size=(5, 4))
    found = picture(base, queries)
    (kept,) = cache.rglob("*.plane.json")
    text = kept.read_text()
    kept.write_text(text.replace(str(found.share), "0.5"))
    assert picture(base, queries).share == 0.5
    kept.write_text(text[:100])
    assert picture(base, queries) == found
    assert kept.read_text() == text


def test_one_dimension_is_a_line_and_equal_rows_have_no_picture(picture) -> None:
    line = picture(np.arange(6.0)[:, None], np.array([[2.5], [7.0]]))
    assert line.share == 1
    assert {y for _, y in (*line.base, *line.queries)} == {0}
    assert picture(np.ones((6, 3)), np.ones((2, 3)), name="same.hdf5") is None
