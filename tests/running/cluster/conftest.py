"""What the tests of clusters share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.clusters import SLOW_ADAPTER, SLOW_ENTRY, SLOW_SUITE, SUITE, Cluster
from tests.conftest import Command
from tests.forked import Forks

FILTERS = """
import numpy as np

from harness.contracts import FilteredQueries, Number, Range


def filters(source):
    years = 1990.0 + np.arange(len(source.base_rows))
    asked = np.arange(len(source.dataset.queries))
    wanted = [Range("year", 1990, {last}), Range("year", 1995, 2020)]
    return FilteredQueries({{"year": Number(years)}}, wanted, asked, asked % 2)
"""
ENTRY = """
years:
  about: Rows with a year each.
  licence: none
  metric: angular
  dimension: 5
  base: 20
  queries: {first: 20}
  filtered: "making:filters"
  sources: [{kind: bundled, path: rows.npy, format: npy}]
"""
_NUMBERS = itertools.count()  # a module of one name is imported once


@pytest.fixture
def write_filtered_entry(tmp_path: Path):
    """Write the entry `years` into a plug-in folder of its own, and return that folder."""

    def write(last: int = 2000) -> Path:
        number = next(_NUMBERS)
        root = tmp_path / f"plugins{number}"
        folder = root / "datasets" / f"years{number}"
        folder.mkdir(parents=True)
        rows = np.random.default_rng(0).random((32, 5), dtype=np.float32)
        np.save(folder / "rows.npy", rows)
        (folder / "making.py").write_text(FILTERS.format(last=last))
        (folder / "config.yml").write_text(ENTRY)
        return root

    return write


@pytest.fixture
def suite(tmp_path, small_hdf5):
    (tmp_path / "mine.yml").write_text(SUITE)
    return tmp_path / "mine.yml"


@pytest.fixture
def slow(tmp_path, small_hdf5):
    """A suite with an algorithm of one's own that is slow enough to be killed."""
    folder = tmp_path / "plugins" / "algorithms" / "slow"
    folder.mkdir(parents=True)
    (folder / "adapter.py").write_text(SLOW_ADAPTER.replace("{here}", str(tmp_path)))
    (folder / "config.yml").write_text(SLOW_ENTRY)
    (tmp_path / "slow.yml").write_text(SLOW_SUITE)
    return ("slow.yml", "--plugins", "plugins")


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """What calls of the command line are forked from; it has imported Dask, which takes long."""
    with Forks(loaded=("distributed",)) as forks:
        yield forks


@pytest.fixture
def cluster(tmp_path_factory, session_cache):
    made = Cluster(tmp_path_factory.mktemp("cluster"), session_cache)
    yield made
    made.end()


@pytest.fixture
def own_command(tmp_path, forks):
    """Give the command line, with a cache of its own that no node reads."""
    return Command(tmp_path, tmp_path / "own-cache", forks)
