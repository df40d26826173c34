"""Stored files are untrusted: what is damaged is named and skipped, the rest is reported."""

from __future__ import annotations

import json
import os
import random
import re
import tracemalloc
import warnings
import zlib
from dataclasses import replace

import h5py
import numpy as np
import pytest

import harness
from harness.report.export.exporting import export
from harness.report.plots.all_figures import draw_figures
from harness.report.site.pages import write_site
from harness.results.point import Failure

NQ, K = 20, 10
IDS, FAR = np.tile(np.arange(K), (NQ, 1)), np.ones((NQ, K))


@pytest.fixture
def victim(small_store, header, build):
    """Give a second point's file, to be damaged."""
    return small_store.add_build(header(build={"M": 8}), build(0))


def skipped(store, **arguments):
    """Load; return the number of rows and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = harness.load_results(store.root, **arguments)
    return table, [str(one.message) for one in caught]


def edited(path, change):
    with h5py.File(path, "r+") as file:
        change(file["annharness"])


def array(name, values, **how):
    """Return a change that puts another array in place of one of the build."""

    def change(group):
        del group[f"builds/0/{name}"]
        group["builds/0"].create_dataset(name, data=values, **how)

    return change


def in_json(place, path, value):
    """Return a change of a value within a text of JSON."""

    def change(group):
        owner = group if place == "header" else group["builds/0"]
        data = json.loads(owner.attrs[place])
        inner = data
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        owner.attrs[place] = json.dumps(data)

    return change


def in_provenance(key, value):
    def change(group):
        text = group["builds/0/provenance"][()]
        del group["builds/0/provenance"]
        group["builds/0/provenance"] = json.dumps({**json.loads(text), key: value})

    return change


def text(place, value):
    def change(group):
        owner = group if place == "header" else group["builds/0"]
        owner.attrs[place] = value

    return change


def removed(name):
    def change(group):
        del group[name]

    return change


def linked(link):
    def change(group):
        del group["builds/0/times"]
        group["builds/0/times"] = link

    return change


def huge(group):
    del group["builds/0/times"]
    group.create_dataset("builds/0/times", (10**6, NQ), "f8", chunks=True, compression="gzip")


def long_text(group):
    del group["builds/0/provenance"]
    group.create_dataset("builds/0/provenance", (), f"S{2**31 - 1}")


def elsewhere(group):
    del group["builds/0/times"]
    group.create_dataset("builds/0/times", (2, NQ), "f8", external=[("/dev/zero", 0, 16 * NQ)])


def bomb(group):
    packed = zlib.compress(bytes(300 << 20), 9)
    group["builds/0/times"].id.write_direct_chunk((0, 0), packed)


def many_names(group):
    for number in range(1, 900):
        group[f"builds/{number}"] = group["builds/0"]


def many(group, name, make):
    owner = group["builds/0/diagnostics"].require_group(name)
    for number in range(1001):
        make(owner, str(number))


def many_texts(group):
    texts = np.full(100_001, "x", dtype=object)
    group["builds/0/diagnostics/words/w"] = texts.astype(h5py.string_dtype())


def packed_texts(group):
    """A few bytes of the file, which each part that is read would unpack whole."""
    group["builds/0/diagnostics"].create_dataset(
        "words/w", (90_000,), h5py.string_dtype(), chunks=(90_000,), compression="gzip"
    )


def within_itself(group):
    group["builds/0/diagnostics/training/more"] = group["builds/0/diagnostics"]


DEEP = json.loads("[" * 40 + "]" * 40)
ONES = np.ones((1, NQ, K))
DAMAGE = {
    "times of another shape": array("times", np.ones((3, NQ))),
    "times of another type": array("times", np.ones((2, NQ), dtype=np.int64)),
    "times of zero": array("times", np.zeros((2, NQ))),
    "times that are NaN": array("times", np.full((2, NQ), np.nan)),
    "negative walls": array("walls", np.array([-1.0, 1.0])),
    "no pass": array("walls", np.empty(0)),
    "an id too large": array("neighbors", np.full((1, NQ, K), 1000)),
    "ids of fractions": array("neighbors", ONES),
    "distances that are NaN": array("distances", ONES * np.nan),
    "fewer distances": array("distances", ONES[:, 1:]),
    "negative scales": array("scales", -ONES.astype(np.float32)),
    "objects": array("scales", ["a"] * 3),
    "a turn of the reference of no time": array("block/reference_times", np.zeros(2)),
    "no builds": removed("builds"),
    "an empty group of builds": removed("builds/0"),
    "no scales": removed("builds/0/scales"),
    "no provenance": removed("builds/0/provenance"),
    "a soft link": linked(h5py.SoftLink("/annharness")),
    "a link to another file": linked(h5py.ExternalLink("/etc/passwd", "/x")),
    "values in another file": elsewhere,
    "a huge shape": huge,
    "a huge text": long_text,
    "a chunk that expands": bomb,
    "a build of many names": many_names,
    "a group within itself": within_itself,
    "too many builds": lambda group: [group.create_group(f"builds/{n}") for n in range(1, 1001)],
    "too many tables": lambda group: many(group, ".", lambda owner, n: owner.create_group(n)),
    "too many columns": lambda group: many(group, "t", lambda t, n: t.create_dataset(n, data=[1])),
    "too many texts": many_texts,
    "texts in chunks": packed_texts,
    "a text for a header": text("header", "no JSON"),
    "a list for a header": text("header", "[]"),
    "a number for a header": text("header", 1),
    "a deep header": text("header", "[" * 50_000 + "]" * 50_000),
    "an endless number": text("header", '{"n": ' + "1" * 5000 + "}"),
    "deep parameters": in_json("header", ["identity", "build", "a"], DEEP),
    "a dataset that is a path": in_json("header", ["identity", "dataset"], "../../escape"),
    "an algorithm that is a path": in_json("header", ["identity", "algorithm"], "/tmp/escape"),
    "a fingerprint that is a path": in_json("header", ["identity", "fingerprint"], "../x"),
    "a surrogate in a name": in_json("header", ["identity", "dataset"], "\ud800"),
    "no metric": in_json("header", ["identity", "metric"], "hamming"),
    "k of another type": in_json("header", ["identity", "k"], "10"),
    "k of another size": in_json("header", ["identity", "k"], 11),
    "a huge k": in_json("header", ["identity", "k"], 10**30),
    "other queries": in_json("header", ["nq"], 7),
    "no rows": in_json("header", ["n"], 0),
    "an unknown key": in_json("header", ["colour"], "red"),
    "a grade that is a list": in_provenance("conditions", {"grade": ["A"]}),
    "trials that are texts": in_provenance("tuned", {"trials": {"a": "x"}}),
    "trials that are NaN": in_provenance("tuned", {"trials": {"a": float("nan")}}),
    "build seconds below 0": in_json("facts", ["build_seconds"], -1.0),
    "infinite bytes": in_json("facts", ["index_bytes"], float("inf")),
    "rows compared below 0": in_json("facts", ["distance_computations"], -1.0),
    "a text for bytes": in_json("facts", ["index_bytes"], "12"),
    "no list of warnings": in_json("facts", ["warnings"], "none"),
    "libraries without names": in_json("facts", ["libraries"], {"versions": [1]}),
    "a text for what was measured": in_json("facts", ["index_bytes_are_measured"], "no"),
}  # fmt: skip
LARGE = re.compile("huge|expands|many|chunks|deep|endless|within itself")


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_point_is_named_and_skipped(small_store, victim, damage):
    edited(victim, DAMAGE[damage])
    table, told = skipped(small_store)
    assert table["build"].tolist() == [{"M": 4}]
    (line,) = told
    assert line.startswith(f"skipped a broken result: {victim}: ")
    assert len(line) < 700


@pytest.mark.parametrize("damage", [name for name in DAMAGE if LARGE.search(name)])
def test_a_damaged_point_takes_little_memory(small_store, victim, damage):
    edited(victim, DAMAGE[damage])
    tracemalloc.start()
    skipped(small_store)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20


def test_bytes_that_are_cut_flipped_or_zeroed_end_no_report(small_store, victim, header, tmp_path):
    rng = random.Random(1)
    files = [victim, small_store.write_failure(Failure(header(build={"M": 9}), "crashed", "so"))]
    files += [small_store.truth_path(header().identity)]
    for number in range(60):
        path = files[number % 3]
        whole = path.read_bytes()
        data = bytearray(whole)
        at = rng.randrange(len(data))
        kind = number // 3 % 3
        if kind == 0:
            del data[at:]
        else:
            data[at : at + rng.choice([1, 8, 64])] = b"\0" if kind == 1 else b"\xa5"
        path.write_bytes(data)
        table, _ = skipped(small_store)
        export(table, tmp_path / "table.csv")
        path.write_bytes(whole)
    assert len(skipped(small_store)[0]) == 3


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"header": null}', b'{"a": 1e999}'],
    ids=lambda content: repr(content[:12]),
)
def test_a_damaged_failure_is_named_and_skipped(small_store, header, content):
    path = small_store.write_failure(Failure(header(build={"M": 8}), "crashed", "by a signal"))
    path.write_bytes(content)
    table, told = skipped(small_store)
    assert len(table) == 1
    assert str(path) in told[0]


def test_what_is_no_file_is_not_opened(small_store, victim):
    victim.unlink()
    os.mkfifo(victim)
    table, told = skipped(small_store)
    assert len(table) == 1
    assert told == [f"skipped a broken result: {victim}: no regular file"]


def arrays(**changes):
    return {"ids": IDS, "distances": FAR, **changes}


@pytest.mark.parametrize(
    "kept",
    [
        {"ids": IDS},
        arrays(ids=IDS.astype(float)),
        arrays(ids=IDS[:3], distances=FAR[:3]),
        arrays(ids=IDS[:, :3], distances=FAR[:, :3]),
        arrays(distances=FAR * np.nan),
        arrays(distances=np.arange(NQ * K, 0, -1.0).reshape(NQ, K)),
        arrays(ids=-IDS),
    ],
    ids=["absent", "fractions", "few queries", "few neighbours", "NaN", "descending", "negative"],
)
def test_a_damaged_truth_is_taken_anew_where_the_dataset_is_at_hand(
    small_store, header, truth, kept
):
    path = small_store.truth_path(header().identity)
    np.savez(path, **kept)
    table, told = skipped(small_store)
    assert table.empty
    assert str(path) in told[0]
    asked = []

    def at_hand(identity):
        asked.append(identity.k)
        return truth

    if len(kept["ids"]) == NQ:  # it is sound by itself, only not of these queries
        table, told = skipped(small_store, truth_at_hand=at_hand)
        assert (len(table), told, asked) == (1, [], [K])
        table, told = skipped(small_store)
        assert (len(table), told) == (1, [])


def test_odd_texts_and_parameters_end_no_report(small_store, header, build, tmp_path):
    odd = {"a": float("nan"), "b": float("-inf"), "c": "\x1b[31mred\ud800", "d": None, "é": [1]}
    one = replace(header(build=odd, search=odd), label="\x1b]0;title\x07", name="\ud800 | x")
    small_store.add_build(one, build(0))
    reason = "\ud83d \x1b[2J" + "x" * 10_000
    failed = replace(header(build={"M": 1}), label="\ud800")
    small_store.write_failure(
        Failure(failed, "error", reason, log_tail=reason, provenance={"suite": odd["c"]})
    )
    table, told = skipped(small_store)
    assert (len(table), told) == (3, [])
    for ending in ("csv", "json", "parquet", "md", "tex"):
        export(table, tmp_path / f"table.{ending}")
    draw_figures(table).save(tmp_path / "plots", ["svg"])
    write_site(table, tmp_path / "site")
    for path in tmp_path.rglob("*.*"):
        if path.suffix in (".csv", ".json", ".md", ".tex", ".html", ".js", ".svg"):
            assert "\x1b" not in path.read_text("utf-8")


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("training", "loss", np.array(["a", "b"])),
        ("training", "loss", np.array([np.nan, 1.0])),
        ("training", "iteration", np.array(["a", "b"])),
        ("distortion", "mean_squared_error", np.array(["a"])),
        ("distortion", "mean_squared_error", np.array([])),
    ],
)
def test_diagnostics_that_cannot_be_drawn_are_left_out(
    small_store, header, build, tmp_path, table, column, values
):
    tables = {"training": {"loss": np.array([2.0, 1.0])}}
    tables = {**tables, table: {**tables.get(table, {}), column: values}}
    small_store.add_build(header(build={"M": 8}), replace(build(0), diagnostics=tables))
    found, told = skipped(small_store)
    assert (len(found), told) == (2, [])
    with pytest.warns(UserWarning, match="not drawn: .*recall-distortion"):
        drawn = draw_figures(found, ["training-loss", "recall-distortion"])
    assert drawn.save(tmp_path, ["svg"])
