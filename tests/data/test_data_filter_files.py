"""Filtered search on a file of one's own: attributes and filters from files."""

from __future__ import annotations

import json
import os
import pickle
from datetime import date, datetime, timedelta

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from harness.cli.main import app
from harness.contracts import UserError
from harness.contracts.definitions import FilterFiles, QuerySplit
from harness.contracts.filters import Category, Number, Tags, matching, text_of
from harness.data.adding import OwnData, add_entry
from harness.data.filtered import open_filtered
from harness.data.formats.attributes import read_attributes
from harness.data.loading import open_definition
from harness.registry.registry import load_registry

N = 240
ROWS = np.arange(N)
YEARS = 1990 + ROWS % 30
LANGUAGES = [("en", "de", "fr")[row % 3] for row in ROWS]
TAGS = [[f"t{row % 2}"] if row % 5 else [] for row in ROWS]
COLUMNS = {"year": YEARS.tolist(), "lang": LANGUAGES}


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, np.random.default_rng(0).random((N, 4), dtype=np.float32))
    return path


def write(path, columns):
    """Write columns in the format of the file's ending."""
    rows = list(zip(*columns.values(), strict=True))
    match path.suffix:
        case ".parquet":
            pq.write_table(pa.table(columns), path)
        case ".csv":
            lines = [
                ",".join(columns),
                *(",".join(map(str, row)) for row in rows),
            ]
            path.write_text("\n".join(lines) + "\n")
        case ".jsonl":
            items = [dict(zip(columns, row, strict=True)) for row in rows]
            path.write_text("".join(json.dumps(item) + "\n" for item in items))
        case ".npz":
            np.savez(path, **{name: np.array(values) for name, values in columns.items()})
        case ".hdf5":
            with h5py.File(path, "w") as file:
                for name, values in columns.items():
                    file[f"attributes/{name}"] = values
    return path


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".jsonl", ".npz", ".hdf5"])
def test_every_format_gives_the_same_attributes(tmp_path, ending):
    found = read_attributes(write(tmp_path / f"a{ending}", COLUMNS)).attributes
    assert set(found) == {"year", "lang"}
    assert found["year"].values.tolist() == YEARS.tolist()
    assert found["lang"].names == ("de", "en", "fr")
    assert [found["lang"].names[code] for code in found["lang"].codes] == LANGUAGES


def test_the_kinds_of_columns_and_what_is_missing_in_them(tmp_path):
    table = pa.table(
        {
            "vector": pa.array([[1.0], [2.0], [3.0]]),
            "size": pa.array([1, None, 3]),
            "name": pa.array(["b", None, "a"]),
            "coded": pa.array(["x", "y", "x"]).dictionary_encode(),
            "public": pa.array([True, False, None]),
            "tags": pa.array([["q", "p", "q"], None, []]),
            "day": pa.array([date(1970, 1, 2), None, date(1970, 1, 1)]),
            "for": pa.array([timedelta(1)] * 3),
            "at": pa.array([datetime(1970, 1, 1, 0, 0, 1)] * 3, pa.timestamp("ms", "UTC")),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    read = read_attributes(tmp_path / "a.parquet")
    found = read.attributes
    assert read.left_out == {"vector": "list<element: double>", "for": "duration[us]"}
    np.testing.assert_array_equal(found["size"].values, [1, np.nan, 3])
    np.testing.assert_array_equal(found["day"].values, [86400, np.nan, 0])
    assert found["at"].values.tolist() == [1, 1, 1]
    assert found["name"].names == ("", "a", "b")
    assert found["coded"].names == ("x", "y")
    assert found["public"].names == ("", "false", "true")
    tags = found["tags"]
    assert (tags.starts.tolist(), [tags.names[code] for code in tags.codes]) == (
        [0, 2, 2, 2],
        ["q", "p"],
    )
    assert [type(found[name]) for name in ("size", "name", "tags")] == [Number, Category, Tags]


def added(vectors, attributes, filters=None, split=None, name="mine", **more):
    """Add the file as `mine` and return its definition."""
    folder = vectors.parent / "plugins"
    own = OwnData(
        name, vectors, "euclidean", split or QuerySplit("random", 40, seed=3),
        filtered=FilterFiles(str(attributes), None if filters is None else str(filters)), **more,
    )  # fmt: skip
    add_entry(own, folder / "datasets")
    return load_registry([folder]).datasets[name]


def asked(path, *lines):
    path.write_text("".join(json.dumps({"query": q, "filter": f}) + "\n" for q, f in lines))
    return path


def test_rows_drawn_as_queries_keep_the_attributes_of_the_others_in_step(vectors, tmp_path):
    table = write(tmp_path / "a.parquet", {"number": ROWS.tolist(), "tags": TAGS, **COLUMNS})
    lines = [
        (0, ["range", "number", 100, 120]),
        (1, ["contains", "tags", "t1"]),
        (1, ["and", ["equals", "lang", "de"], ["range", "year", 1990, 1999]]),
        (7, ["range", "number", 100, 120]),
    ]
    found = open_filtered(added(vectors, table, asked(tmp_path / "f.jsonl", *lines)))
    given = np.load(vectors)
    kept = np.array([np.flatnonzero((given == row).all(axis=1))[0] for row in found.base])
    assert len(kept) == N - 40
    filters = found.filters
    assert filters.query_rows.tolist() == [0, 1, 1, 7]
    assert filters.filter_numbers.tolist() == [0, 1, 2, 0]
    tagged = [bool(TAGS[row]) and TAGS[row][0] == "t1" for row in kept]
    german = [LANGUAGES[row] == "de" and YEARS[row] <= 1999 for row in kept]
    assert filters.bitmaps[0].ids.tolist() == np.flatnonzero((kept >= 100) & (kept <= 120)).tolist()
    assert filters.bitmaps[1].ids.tolist() == np.flatnonzero(tagged).tolist()
    assert filters.bitmaps[2].ids.tolist() == np.flatnonzero(german).tolist()


def test_attributes_that_no_filter_names_are_not_kept(vectors, tmp_path):
    table = write(tmp_path / "a.parquet", {"odd name": ROWS.tolist(), **COLUMNS})
    lines = asked(tmp_path / "f.jsonl", *((q, ["equals", "lang", "de"]) for q in range(4)))
    assert set(open_filtered(added(vectors, table, lines)).filters.attributes) == {"lang"}


def test_filters_are_drawn_where_no_file_gives_them(vectors, tmp_path):
    definition = added(vectors, write(tmp_path / "a.parquet", {"tags": TAGS, **COLUMNS}))
    filters = open_filtered(definition).filters
    texts = [text_of(one) for one in filters.filters]
    assert '["equals", "lang", "de"]' in texts
    assert '["contains", "tags", "t0"]' in texts
    assert any(text.startswith('["range", "year"') for text in texts)
    assert any("of all" in text for text in texts)
    assert len(filters.query_rows) == 40
    counts = [matching(one, filters.attributes).sum() for one in filters.filters]
    assert min(counts) >= 8  # 10 of the rows of the file, less those drawn as queries
    first = open_filtered(definition)
    first.path.unlink()
    assert open_filtered(definition).fingerprint == first.fingerprint


def test_a_changed_file_gives_other_filters(vectors, tmp_path):
    table = write(tmp_path / "a.csv", COLUMNS)
    definition = added(vectors, table)
    before = open_filtered(definition).fingerprint
    write(table, {**COLUMNS, "lang": ["en"] * N})
    assert open_filtered(definition).fingerprint != before
    assert open_definition(definition).filters is None


def test_the_file_may_hold_vectors_and_attributes_in_one(tmp_path):
    rows = np.random.default_rng(0).random((N, 4)).tolist()
    path = write(tmp_path / "all.parquet", {"embedding": rows, "tags": TAGS, **COLUMNS})
    assert open_filtered(added(path, path)).base.shape == (N - 40, 4)


LINE = (0, ["equals", "lang", "de"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ((0, ["equals", "lnag", "de"]), "did you mean 'lang'"),
        ((0, ["equals", "lang", "dutch"]), "no row can be called 'dutch'"),
        ((0, ["and", ["in", "lang", ["en", "ed"]]]), "did you mean 'en' or 'de'"),
        ((0, ["range", "year", -(10**400), 1999]), "no filter"),
        ((0, ["equals", "year", 1999]), "range with two numbers"),
        ((0, ["range", "lang", 1, 2]), "needs a number, 'lang' is category"),
        ((40, ["equals", "lang", "de"]), "a row from 0 to 39"),
        ((True, ["equals", "lang", "de"]), "a row from 0 to 39"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_written(vectors, tmp_path, line, words):
    table = write(tmp_path / "a.csv", COLUMNS)
    with pytest.raises(UserError) as refused:
        added(vectors, table, asked(tmp_path / "f.jsonl", LINE, line))
    assert words in refused.value.describe()
    assert "f.jsonl, line 2" in refused.value.describe()
    assert not (tmp_path / "plugins").exists()


@pytest.mark.parametrize("text", ["[", '["equals", "lang", "de"]', '{"query": 0}', "\x80"])
def test_lines_that_are_no_filtered_queries_are_named(vectors, tmp_path, text):
    (tmp_path / "f.jsonl").write_bytes(text.encode("latin-1") + b"\n")
    with pytest.raises(UserError, match="the line is no filtered query") as refused:
        added(vectors, write(tmp_path / "a.csv", COLUMNS), tmp_path / "f.jsonl")
    assert "f.jsonl, line 1" in refused.value.describe()


def test_filters_nested_beyond_measure_are_named(vectors, tmp_path):
    table = write(tmp_path / "a.csv", COLUMNS)
    for inner, outer in (('"filter": ["and", ', "]"), ('"filter": [], "query": [', "]")):
        nested = inner + '["and", ' * 900 + '["equals", "lang", "de"]' + "]" * 900 + outer
        line = nested if "query" in nested else f'"query": 0, {nested}'
        (tmp_path / "f.jsonl").write_text("{" + line + "}\n")
        with pytest.raises(UserError) as refused:
            added(vectors, table, tmp_path / "f.jsonl")
        assert "f.jsonl, line 1" in refused.value.describe()


def test_a_pipe_is_no_file_of_filters(vectors, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="this is no regular file"):
        added(vectors, write(tmp_path / "a.csv", COLUMNS), tmp_path / "pipe")
    with pytest.raises(UserError, match="there is no such file"):
        added(vectors, write(tmp_path / "a.csv", COLUMNS), tmp_path / "nothing")


def test_attributes_of_other_rows_are_refused(vectors, tmp_path):
    table = write(tmp_path / "a.csv", {name: values[1:] for name, values in COLUMNS.items()})
    with pytest.raises(UserError, match="not those of the vectors") as refused:
        added(vectors, table)
    assert "240 rows" in refused.value.describe()


@pytest.mark.parametrize("ending", [".npz", ".hdf5"])
def test_arrays_that_can_be_no_attributes_are_left_out(tmp_path, ending):
    odd = {"waves": np.zeros(N, complex), "pairs": np.zeros(N, [("x", "f4"), ("y", "f4")])}
    path = write(tmp_path / f"a{ending}", {"big": YEARS.astype(">i4"), **odd})
    found = read_attributes(path)
    assert found.attributes["big"].values.tolist() == YEARS.tolist()
    assert list(found.attributes) == ["big"]
    assert found.left_out["waves"] == "complex128"
    assert "'x'" in found.left_out["pairs"]


def test_columns_of_one_name_and_of_other_encodings_are_refused(tmp_path):
    (tmp_path / "twice.csv").write_text("year,year\n1,2\n")
    pq.write_table(pa.table([[1], [[1.0]]], names=["year", "year"]), tmp_path / "twice.parquet")
    for name in ("twice.csv", "twice.parquet"):
        with pytest.raises(UserError, match="two columns have the same name"):
            read_attributes(tmp_path / name)
    (tmp_path / "latin.csv").write_bytes("city,year\nM\xfcnchen,1\n".encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8"):
        read_attributes(tmp_path / "latin.csv")


def test_a_column_whose_name_no_filter_can_have_is_left_out_of_the_draw(vectors, tmp_path):
    table = write(tmp_path / "a.csv", {"Product Name": LANGUAGES, **COLUMNS})
    assert set(open_filtered(added(vectors, table)).filters.attributes) == {
        "subsets", "year", "lang",
    }  # fmt: skip
    lines = asked(tmp_path / "f.jsonl", (0, ["equals", "Product Name", "de"]))
    with pytest.raises(UserError, match="not a name like"):
        added(vectors, table, lines, name="other")


def test_what_is_missing_for_filters_is_told(vectors, tmp_path):
    table = write(tmp_path / "a.csv", COLUMNS)
    (tmp_path / "f.jsonl").write_text("\n")
    with pytest.raises(UserError, match="the file has no filtered query"):
        added(vectors, table, tmp_path / "f.jsonl")
    with pytest.raises(UserError, match="no filter names an attribute"):
        added(vectors, table, asked(tmp_path / "f.jsonl", (0, ["and"]), (1, ["and"])))
    np.save(vectors, np.random.default_rng(0).random((12, 4), dtype=np.float32))
    few = write(tmp_path / "few.csv", {name: values[:12] for name, values in COLUMNS.items()})
    with pytest.raises(UserError, match="no filter can be drawn"):
        added(vectors, few, split=QuerySplit("random", 4))


class Planted:
    def __reduce__(self):
        return (exec, ("raise SystemExit('ran')",))


def test_files_that_hold_no_attributes_are_refused_and_nothing_in_them_runs(tmp_path):
    np.savez(tmp_path / "objects.npz", a=np.array([Planted()], dtype=object))
    (tmp_path / "a.parquet").write_bytes(pickle.dumps(Planted()))
    (tmp_path / "a.jsonl").write_text("[1, 2]\n")
    pq.write_table(pa.table({"vector": [[1.0]]}), tmp_path / "vectors.parquet")
    with h5py.File(tmp_path / "links.hdf5", "w") as file:
        file["attributes/year"] = h5py.ExternalLink("/etc/passwd", "x")
    with h5py.File(tmp_path / "none.hdf5", "w") as file:
        file["train"] = np.zeros((2, 2))
    (tmp_path / "a.fvecs").write_bytes(b"")
    for name in ("objects.npz", "a.parquet", "a.jsonl", "vectors.parquet", "links.hdf5",
                 "none.hdf5", "a.fvecs", "nowhere.csv"):  # fmt: skip
        with pytest.raises(UserError) as refused:
            read_attributes(tmp_path / name)
        assert name in refused.value.describe()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"filters": "f.jsonl"}, "filters: FILE needs attributes: FILE"),
        ({"filtered": "a:b", "attributes": "a.csv"}, "either filtered:"),
    ],
)
def test_an_entry_has_one_way_to_its_filters(vectors, tmp_path, keys, words):
    definition = added(vectors, write(tmp_path / "a.csv", COLUMNS))
    config = definition.folder / "config.yml"
    entry = yaml.safe_load(config.read_text())
    del entry["mine"]["attributes"]
    config.write_text(yaml.safe_dump({"mine": {**entry["mine"], **keys}}))
    with pytest.raises(UserError) as refused:
        load_registry([tmp_path / "plugins"])
    assert words in refused.value.describe()


def test_from_a_file_to_measured_points(vectors, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.csv", {**COLUMNS, "at": ["12:30"] * N})
    (tmp_path / "suite.yml").write_text(
        "k: 5\ntrack: filtered\ndatasets: mine\nalgorithms: {exact: }\nbuilds: 1\nrepeats: 1\n"
        "precision: off\nleast_seconds: 0\n"
    )
    added_words = invoked("data add mine rows.npy --holdout 40 --metric l2 --attributes a.csv")
    assert "annharness run filtered-demo -d mine" in added_words
    assert "attributes: year, lang\n" in added_words
    assert "left out: at (time32[s])\n" in added_words
    assert "lang (3 names)" in invoked("data info mine+filtered --no-difficulty")
    assert "exact" in invoked("run suite.yml --results results")


def test_a_file_by_its_path_says_how_it_gets_filters(tmp_path, monkeypatch, small_hdf5):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as refused:
        invoked(f"run filtered-demo -d {small_hdf5} --dry-run")
    assert "--metric angular --attributes" in refused.value.describe()


def test_filters_alone_are_refused(vectors, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="--filters needs --attributes"):
        invoked("data add mine rows.npy --metric l2 --filters f.jsonl")


def invoked(line):
    done = CliRunner().invoke(app, line.split(), env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output
