"""Files with several columns or arrays: the vectors are found, chosen by name, or asked for."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from harness.contracts import UserError, Vectors
from harness.data.adding import OwnData, add_entry
from harness.data.formats import read_vectors
from harness.data.loading import open_definition
from harness.registry.registry import load_registry

ROWS = np.array([[1, 2.5, -3e-7], [4, 5, 6.25], [7, 8, 9]], np.float32)
FUZZ = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read(path: Path, content: str | bytes, column: str | None = None) -> Vectors:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    options = {} if column is None else {"column": column}
    return read_vectors(path, path.suffix[1:], options)


def refused(path: Path, content: str | bytes, match: str, column: str | None = None) -> None:
    with pytest.raises(UserError, match=match) as caught:
        read(path, content, column)
    assert str(path) in str(caught.value)


def npz(path: Path, **arrays: np.ndarray) -> bytes:
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path.read_bytes()


# ---- npz


def test_npz_takes_the_one_table(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    content = npz(path, ids=np.arange(3), rows=np.asfortranarray(ROWS), names=np.array(["a"] * 3))
    assert np.array_equal(read(path, content).rows, ROWS)


def test_npz_with_several_tables_says_which_and_takes_the_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    content = npz(path, one=ROWS, two=ROWS[:2].astype(np.int64), flat=np.arange(3))
    refused(path, content, r"one \(3 x 3, float32\), two \(2 x 3, int64\), flat \(3, int64\)")
    refused(path, content, "--column NAME")
    assert read(path, content, "two").rows.shape == (2, 3)
    for name in ("flat", "three"):
        refused(path, content, f"'{name}'", name)


def test_npz_never_unpickles(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    content = npz(path, rows=np.array([[{}, 1]], dtype=object))
    refused(path, content, r"no array holds vectors(?s:.*)rows \(1 x 2, object\)")


def test_npz_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000, 400)}"
    member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(100)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("rows.npy", member)
    refused(tmp_path / "a.npz", (tmp_path / "a.npz").read_bytes(), "cannot read the .npz file")


# ---- jsonl


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_jsonl_of_lists_and_of_objects(tmp_path: Path, end: str) -> None:
    path = tmp_path / "a.jsonl"
    lists = "\n".join(json.dumps(row) for row in ROWS.tolist()) + end
    assert np.array_equal(read(path, lists).rows, ROWS)
    objects = [{"n": 1, "text": f"w{i}", "v": row} for i, row in enumerate(ROWS.tolist())]
    vectors = read(path, "\r\n".join(map(json.dumps, objects)) + end)
    assert np.array_equal(vectors.rows, ROWS)
    assert list(vectors.labels or ()) == ["w0", "w1", "w2"]


def test_jsonl_with_several_lists_says_which_and_takes_the_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    content = json.dumps({"id": 1, "a": [1, 2], "b": [3]})
    refused(path, content, r"id \(int\), a \(list\), b \(list\)")
    assert read(path, content, "b").rows.tolist() == [[3]]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "no rows"),
        ("[1, 2]\n[1]", r"row 2(?s:.*)list of 2 numbers(?s:.*)1 numbers"),
        ("[1, 2]\n[1, null]", "row 2"),
        ('[1, 2]\n[1, "2"]', "row 2"),
        ("[1, 2]\n[1, true]", "row 2"),
        ("[1, 2]\n{}", "row 2"),
        ('{"v": [1]}\n{"w": [1]}', "row 2"),
        ("[[1]]", "row 1"),
        ("[]", "row 1"),
        ("[1, 2]\n[1,", r"row 2(?s:.*)got"),
        ("[" * 200_000, "row 1"),
        ("[1" + "0" * 400 + "]", "row 1"),
        ('{"v": 1}', "no column holds vectors"),
        ("\ufeff\x00", "row 1"),
    ],
)
def test_odd_jsonl_is_refused_with_its_row(tmp_path: Path, content: str, match: str) -> None:
    refused(tmp_path / "a.jsonl", content, match)


# ---- csv


def lines(rows: np.ndarray) -> list[str]:
    return [",".join(map(str, row)) for row in rows]


def test_csv_of_numbered_columns_beside_others(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f'{i},"w, {i}",{line}' for i, line in enumerate(lines(ROWS))]
    vectors = read(path, "\n".join(["id,word,x0,x1,x2", *rows]))
    assert np.array_equal(vectors.rows, ROWS)
    assert list(vectors.labels or ()) == ["w, 0", "w, 1", "w, 2"]
    indexed = read(path, "\n".join([",0,1,2", *(f"{i},{x}" for i, x in enumerate(lines(ROWS)))]))
    assert np.array_equal(indexed.rows, ROWS)


def test_csv_without_a_header(tmp_path: Path) -> None:
    assert np.array_equal(read(tmp_path / "a.csv", "\n".join(lines(ROWS))).rows, ROWS)


@pytest.mark.parametrize("first", [0, 1])
def test_a_line_that_counts_the_columns_of_a_csv_is_no_vector(tmp_path: Path, first: int) -> None:
    names = ",".join(map(str, range(first, first + ROWS.shape[1])))
    content = "\n".join([names, *lines(ROWS)])
    assert np.array_equal(read(tmp_path / "a.csv", content).rows, ROWS)


def test_csv_with_lists_in_cells(tmp_path: Path) -> None:
    rows = [f'"a ""text""\nof two lines","{row}"' for row in ROWS.tolist()]
    content = "\n".join(["text,embedding", *rows])
    vectors = read(tmp_path / "a.csv", content)
    assert np.array_equal(vectors.rows, ROWS)
    assert list(vectors.labels or ()) == ['a "text"\nof two lines'] * 3


def test_csv_of_named_columns_says_which_and_takes_a_range(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    content = "\n".join(["n,width,height,depth", *(f"1,{line}" for line in lines(ROWS))])
    refused(path, content, r"n \(number\), width \(number\), height \(number\)")
    refused(path, content, "--column n:depth")
    assert np.array_equal(read(path, content, "width:depth").rows, ROWS)
    refused(path, content, "depth:width", "depth:width")
    two = "\n".join(["a0,a1,b0,b1,l", '1,2,3,4,"[1]"'])
    refused(path, two, r"a0:a1 \(2 numbers\), b0:b1 \(2 numbers\), l \(list\)")
    assert read(path, two, "b0:b1").rows.tolist() == [[3, 4]]
    assert read(path, two, "l").rows.tolist() == [[1]]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "empty file"),
        ("x0,x1", "no column holds vectors"),
        ("x0,x1\n1,2\n3", "3"),
        ("x0,x1\n1,2\n3,", "empty cell in row 2"),
        ("x0,x1\n1,2\n3,4x", "4x"),
        ("x0,x0\n1,2", "1 different"),
        ('l\n"[1, 2]"\n"[1, 2"', "row 2"),
        ('l\n"[1, 2]"\n"[1]"', "row 2"),
        (b"x0,x1,w\n1,2,a\n1,2,\xff", "UTF8|utf-8"),
        ("x0;x1\n1;2", r"x0;x1 \(text\)"),
        ("x0;x1\n1;2", "commas between the cells"),
    ],
)
def test_odd_csv_is_refused(tmp_path: Path, content: str | bytes, match: str) -> None:
    refused(tmp_path / "a.csv", content, match)


@FUZZ
@given(
    rows=npst.arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.integers(2, 5)),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    )
)
def test_every_number_survives(tmp_path: Path, rows: np.ndarray) -> None:
    head = ",".join(f"x{i}" for i in range(rows.shape[1]))
    assert np.array_equal(read(tmp_path / "a.csv", "\n".join([head, *lines(rows)])).rows, rows)
    text = "\n".join(json.dumps(row) for row in rows.tolist())
    assert np.array_equal(read(tmp_path / "a.jsonl", text).rows, rows)


@pytest.mark.parametrize("ending", ["npz", "jsonl", "csv"])
@FUZZ
@given(data=st.data())
def test_damaged_files_are_refused_or_read(
    tmp_path: Path, ending: str, data: st.DataObject
) -> None:
    path = tmp_path / f"a.{ending}"
    content = bytearray(
        {
            "npz": lambda: npz(path, rows=ROWS, more=np.arange(3)),
            "jsonl": lambda: b'{"w": "a", "v": [1, 2]}\n{"w": "b", "v": [3, 4]}\n',
            "csv": lambda: b"w,x0,x1\na,1,2\nb,3,4\n",
        }[ending]()
    )
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] + data.draw(st.binary(max_size=9))
    try:
        vectors = read(path, bytes(content))
    except UserError as error:
        assert str(path) in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert vectors.rows.nbytes < 1 << 20


# ---- data add


def own(path: Path, column: str | None, **more: object) -> OwnData:
    from harness.contracts.definitions import QuerySplit

    return OwnData("mine", path, "euclidean", QuerySplit("random", 2), column=column, **more)  # type: ignore[arg-type]


def test_an_entry_remembers_the_column(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, one=ROWS, two=np.tile(ROWS, (4, 1)))
    add_entry(own(path, "two"), tmp_path / "plugins" / "datasets")
    dataset = open_definition(load_registry([tmp_path / "plugins"]).dataset("mine"))
    assert dataset.base.shape == (10, 3)


def test_column_of_a_format_without_columns_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ROWS)
    with pytest.raises(UserError, match=r"no columns(?s:.*)parquet, npz, csv, jsonl"):
        add_entry(own(tmp_path / "a.npy", "x"), tmp_path / "datasets")


def test_add_takes_the_column_on_the_command_line(tmp_path: Path, command) -> None:
    np.savez(tmp_path / "a.npz", one=ROWS, two=np.tile(ROWS, (4, 1)))
    arguments = ["data", "add", "mine", "a.npz", "--holdout", "2", "--metric", "angular"]
    asked = command(*arguments)
    assert asked.returncode == 2
    assert "one (3 x 3, float32), two (12 x 3, float32)" in asked.stderr
    added = command(*arguments, "--column", "two")
    assert added.returncode == 0, added.stderr


@pytest.mark.parametrize("name", ["class", "1e5", "null"])
def test_any_name_can_be_added_without_harm(tmp_path: Path, command, name: str) -> None:
    np.save(tmp_path / "a.npy", ROWS)
    options = ["--holdout", "2", "--metric", "angular", "--licence", "1e5"]
    added = command("data", "add", name, "a.npy", *options)
    assert added.returncode == 0, added.stderr
    listed = command("list", "datasets", name)
    assert listed.returncode == 0, listed.stderr
    assert "Own data from a.npy" in listed.stdout


def test_a_name_whose_folder_another_dataset_has_is_refused(tmp_path: Path, command) -> None:
    np.save(tmp_path / "a.npy", ROWS)
    added = command("data", "add", "synthetic", "a.npy", "--holdout", "2", "--metric", "angular")
    assert added.returncode == 2
    assert "there is a folder 'synthetic' already" in added.stderr
    assert command("list", "datasets").returncode == 0


def test_add_asks_the_queries_of_an_hdf5_file_whatever_its_name(
    tmp_path: Path, small_hdf5: Path, command
) -> None:
    small_hdf5.rename(tmp_path / "rows.dat")
    arguments = ["data", "add", "mine", "rows.dat", "--format", "hdf5", "--metric", "angular"]
    added = command(*arguments)
    assert added.returncode == 0, added.stderr
    shown = command("data", "info", "mine")
    assert "queries   its own" in shown.stdout
