"""Filtered queries of an entry: their truth, their cached form, and what is refused."""

from __future__ import annotations

import importlib
import itertools
import json
import shutil
import tarfile
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts import Equals, FilteredQueries, Range, UserError
from harness.contracts.filters import Category, Number, Tags
from harness.data.cache.cached import open_cached
from harness.data.cache.cached_filters import read_filters, require_sound, write_filters
from harness.data.filtered import open_filtered, with_filter_facts
from harness.data.loading import open_definition
from harness.data.truth.nearest import merged, nearest_matching
from harness.data.verifying import verified_cached
from harness.measures.distances import answer_distances
from harness.registry.registry import load_registry

METRICS = ("angular", "euclidean", "inner_product")
NAMES = ("a", "b", "c")
K = 4


@given(
    st.sampled_from(METRICS),
    st.lists(st.sampled_from((0, 0, 0, 1)), min_size=1, max_size=40),
    st.lists(st.integers(0, 2), min_size=1, max_size=6),
    st.integers(1, 3),
)
def test_the_truth_is_that_of_brute_force(metric, kinds, numbers, shards):
    """Over small whole numbers, so that there are ties, which go to the lower row."""
    rng = np.random.default_rng(len(kinds) * 7 + len(numbers))
    base = rng.integers(-2, 3, (len(kinds), 3)).astype(np.float32)
    queries = rng.integers(-2, 3, (len(numbers), 3)).astype(np.float32)
    dataset = SimpleNamespace(
        metric=metric, base=base, queries=queries, search_base=_unit(base, metric),
        search_queries=_unit(queries, metric),
    )  # fmt: skip
    filters = FilteredQueries(
        {"kind": Category(np.array(kinds, dtype=np.uint8), NAMES)},
        [Equals("kind", name) for name in NAMES],
        np.arange(len(numbers)),
        np.array(numbers),
    )
    bounds = np.linspace(0, len(kinds), min(shards, len(kinds)) + 1).astype(int)
    every = slice(0, len(numbers))
    parts = [
        (int(low), nearest_matching(dataset, filters, every, slice(int(low), int(high)), K))
        for low, high in itertools.pairwise(bounds)
    ]
    truth = merged(parts, K)
    for query, number in enumerate(numbers):
        rows = np.flatnonzero(np.array(kinds) == number)
        found = answer_distances(metric, base, queries[query : query + 1], rows[None])[0]
        order = rows[np.lexsort((rows, found))][:K]
        assert truth.ids[query].tolist() == [*order, *[-1] * (K - len(order))]
        assert np.isinf(truth.distances[query, len(order) :]).all()


def _unit(rows, metric):
    if metric != "angular":
        return rows
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0).astype(np.float32)


NUMBERS = itertools.count()  # a module of one name is imported once
CODE = """
import numpy as np
from harness.contracts import Category, Equals, FilteredQueries

def filters(source):
    assert (source.base_rows == np.arange(20)).all()
    kinds = Category(np.arange(20) % 2 {codes}, ("even", "odd"))
    asked = np.arange(4)
    return FilteredQueries({{"kind": kinds}}, (Equals("kind", "{value}"),), asked, asked * 0)
"""


@pytest.fixture
def write_entry(tmp_path: Path, small_hdf5):
    """Write a plug-in dataset with filtered queries and return its definition."""

    def write(value="even", codes=""):
        name = f"mine{next(NUMBERS)}"
        folder = tmp_path / name / "datasets" / name
        folder.mkdir(parents=True)
        np.save(folder / "rows.npy", np.random.default_rng(0).random((24, 5), dtype=np.float32))
        (folder / "making.py").write_text(CODE.format(value=value, codes=codes))
        (folder / "config.yml").write_text(
            f"{name}:\n  about: Tiny.\n  licence: none\n  metric: euclidean\n  dimension: 5\n"
            "  base: 20\n  queries: {first: 20}\n  filtered: making:filters\n"
            "  sources: [{kind: bundled, path: rows.npy, format: npy}]\n"
        )
        return load_registry([tmp_path / name]).datasets[name]

    return write


def test_an_entry_opens_with_and_without_filters(write_entry):
    definition = write_entry()
    whole, filtered = open_definition(definition), open_filtered(definition)
    assert whole.filters is None
    assert filtered.name == f"{definition.name}+filtered"
    assert filtered.fingerprint != whole.fingerprint
    truth = with_filter_facts(filtered, filtered.truth(12))
    assert truth.matches.tolist() == [10] * 4
    assert ((truth.ids % 2 == 0) | (truth.ids == -1)).all()
    assert (truth.ids[:, 10:] == -1).all()
    assert (whole.truth(12).ids >= 0).all()


def test_filtered_queries_are_verified_with_their_filters(write_entry):
    filtered = open_filtered(write_entry())
    for k in (3, 12):  # 10 rows match
        facts = verified_cached(filtered, k)
        assert "fault" not in facts
        assert "computed again, the same" in facts["fingerprint"]
        assert facts[f"near-ties at k={k}"] == "0 queries"
    with h5py.File(filtered.path, "r+") as file:
        file["annharness/filter_numbers"][...] = 0
        file["annharness/query_rows"][...] = [1, 0, 2, 3]
    assert "have changed" in verified_cached(open_cached(filtered.path), 3)["fault"]


def test_more_filters_than_fit_the_memory_are_refused():
    n = 10**12
    endless = Number(np.broadcast_to(np.zeros(1), n))
    asked = np.arange(100)
    made = FilteredQueries({"size": endless}, [Range("size", 0, i) for i in asked], asked, asked)
    with pytest.raises(UserError, match="a bitmap of each distinct filter"):
        require_sound(made, n, 100, "here")


@pytest.mark.parametrize("length", range(1, 9))
def test_attributes_are_aligned_whatever_lies_before_them_in_the_file(tmp_path, length):
    """HDF5 does not align what it stores, and libraries such as LanceDB need it."""
    made = FilteredQueries(
        {
            "kind": Category(np.zeros(3, dtype=np.int32), ("a" * length,)),
            "size": Number(np.arange(3.0)),
            "tags": Tags(np.arange(4), np.zeros(3, dtype=np.int16), ("b",)),
        },
        [Equals("kind", "a" * length)],
        np.arange(2),
        np.zeros(2, dtype=np.int64),
    )
    path = tmp_path / "filters.hdf5"
    with h5py.File(path, "w") as file:
        write_filters(file, made)
    with h5py.File(path, "r") as file:
        found = read_filters(file, path)
    for name, column in found.attributes.items():
        for part, values in vars(column).items():
            if part != "names":
                np.testing.assert_array_equal(values, getattr(made.attributes[name], part))
                assert values.flags.aligned
                assert not values.flags.writeable


def test_other_filters_have_another_fingerprint(write_entry):
    prints = {open_filtered(write_entry(value)).fingerprint for value in ("even", "odd")}
    assert len(prints) == 2


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"value": "green"}, "no row can be called 'green'"),
        ({"codes": "+ 5"}, "the filtered queries cannot be used"),
        ({"codes": "/ 2"}, "the filtered queries cannot be used"),
    ],
)
def test_filters_that_do_not_fit_are_refused(write_entry, given, reason):
    with pytest.raises(UserError, match=reason):
        open_filtered(write_entry(**given))


def test_an_entry_without_filters_says_so():
    definition = load_registry().datasets["glove-50"]
    with pytest.raises(UserError, match="glove-50 has no filtered queries"):
        open_filtered(definition)


def test_the_tags_of_yfcc_are_read(tmp_path):
    load_registry()
    reader = importlib.import_module("harness.datasets.yfcc.filtered")

    def write(name, rows):
        codes = np.array([code for row in rows for code in row], dtype=np.int32)
        starts = np.cumsum([0, *map(len, rows)])
        head = np.array([len(rows), 4, len(codes)])
        (tmp_path / name).write_bytes(
            head.tobytes() + starts.tobytes() + codes.tobytes() + bytes(4 * len(codes))
        )

    write("base.metadata.10M.spmat", [[0, 1], [], [1, 3]])
    write("query.metadata.public.100K.spmat", [[1], [1, 3]])
    found = reader.filters(SimpleNamespace(file=lambda name, sha256: tmp_path / name))
    assert [bitmap.ids.tolist() for bitmap in found.bitmaps] == [[0, 2], [2]]
    (tmp_path / "base.metadata.10M.spmat").write_bytes(b"short")
    with pytest.raises(UserError, match="no sparse matrix"):
        reader.filters(SimpleNamespace(file=lambda name, sha256: tmp_path / name))


PAPERS = [
    {"labels": ["cs.IR", "math.ST"], "submitter": "Ada's", "update_date_ts": 100, "id": "1"},
    {"labels": ["cs.IR"], "submitter": None, "update_date_ts": 200},
    {"labels": [], "submitter": "Ada's", "update_date_ts": 300},
    {"submitter": "Bo", "update_date_ts": None},
]
TESTS = [
    ({"labels": {"match": {"value": "cs.IR"}}}, [0, 1]),
    ({"submitter": {"match": {"value": "Ada's"}}}, [0, 2]),
    ({"update_date_ts": {"range": {"gt": 100, "lt": 300}}}, [1]),
]


@pytest.fixture
def papers(tmp_path: Path):
    """Write an archive laid out as that of arxiv-papers, with its entry; return the definition."""

    def write(conditions):
        name = f"papers{next(NUMBERS)}"
        folder = tmp_path / name / "datasets" / name
        shutil.copytree(load_registry().datasets["arxiv-papers"].folder, folder)
        entry = (folder / "config.yml").read_text().replace("arxiv-papers", name)
        entry = entry.replace("2138591", str(len(PAPERS))).replace("384", "2")
        (folder / "config.yml").write_text(entry)
        files = folder / "files"
        files.mkdir()
        rows = np.random.default_rng(0).random((len(PAPERS), 2), dtype=np.float32)
        np.save(files / "vectors.npy", rows)
        (files / "payloads.jsonl").write_text("".join(json.dumps(one) + "\n" for one in PAPERS))
        tests = [
            {"query": rows[row].tolist(), "conditions": one, "closest_ids": [0, 1]}
            for row, one in enumerate(conditions)
        ]
        (files / "tests.jsonl").write_text("".join(json.dumps(one) + "\n" for one in tests))
        with tarfile.open(folder / "arxiv.tar.gz", "w:gz") as archive:
            archive.add(files, ".")
        return load_registry([tmp_path / name]).datasets[name]

    return write


def test_the_conditions_of_papers_are_read(papers):
    found = open_filtered(papers([{"and": [one]} for one, _ in TESTS]))
    assert found.queries.shape == (3, 2)
    assert [bitmap.ids.tolist() for bitmap in found.filters.bitmaps] == [ids for _, ids in TESTS]
    assert found.filters.filter_numbers.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "conditions",
    [
        {"or": [TESTS[0][0]]},
        {"and": [{"title": {"match": {"value": "a"}}}]},
        {"and": [{"update_date_ts": {"range": {"gt": 100}}}]},
        None,
    ],
)
def test_other_conditions_of_papers_are_refused_with_their_place(papers, conditions):
    definition = papers([{"and": [TESTS[0][0]]}, conditions])
    with pytest.raises(UserError, match="of another kind") as caught:
        open_filtered(definition)
    assert "tests.jsonl, line 2" in caught.value.describe()
