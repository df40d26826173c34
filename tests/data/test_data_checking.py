"""What is said of a dataset: difficulty, duplicates, its own neighbours, and one's own entries."""

from __future__ import annotations

import os
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner, Result

from harness.cli.commands.data import app
from harness.contracts import UserError
from harness.contracts.dataset import METRICS
from harness.contracts.definitions import DatasetDefinition, QuerySplit, Source
from harness.data.formats import read_vectors
from harness.data.formats.hdf5 import read_truth
from harness.data.loading import open_definition, open_file
from harness.data.truth.brute import require_right_sample, smallest_distances
from harness.data.truth.difficulty import contrast_at_hand, difficulty_of
from harness.data.verifying import (
    compare_own_truth,
    near_ties,
    row_facts,
    row_keys,
    rows_in,
    rows_of_dataset,
)
from harness.measures.distances import answer_distances
from harness.measures.lid import lid_from
from harness.registry.registry import load_registry


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the user's own entries."""
    folder = tmp_path / "home"
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    return folder


def synthetic(tmp_path: Path, metric: str = "euclidean", **options: object) -> DatasetDefinition:
    path = tmp_path / "config.yml"
    path.write_text("")
    chosen = {"n": 2000, "d": 8, "query_rows": 100, **options}
    source = Source("bundled", "synthetic", path="config.yml", options=chosen)
    return DatasetDefinition(
        "made", "", "", metric, 8, 2000, QuerySplit("file"), (source,), tmp_path, "x:1"
    )


@pytest.mark.parametrize("kind", ["gaussian", "clustered"])
def test_made_up_rows_depend_on_the_seed_alone(tmp_path: Path, kind: str) -> None:
    options = {"kind": kind, "n": 10_000, "d": 3, "query_rows": 5, "seed": 1}
    path = tmp_path / "config.yml"
    path.write_text("")
    first = read_vectors(path, "synthetic", options)
    again = read_vectors(path, "synthetic", options)
    other = read_vectors(path, "synthetic", {**options, "seed": 2})
    assert np.array_equal(first.rows, again.rows)
    assert not np.array_equal(first.rows, other.rows)
    assert first.queries is not None
    assert first.queries.shape == (5, 3)
    for wrong in ({"n": 0}, {"d": "x"}, {"kind": "spiral"}, {"m": 3}, {"n": 10**15}):
        with pytest.raises(UserError):
            read_vectors(path, "synthetic", {**options, **wrong})


@pytest.mark.parametrize("d", [2, 8])
def test_lid_finds_the_dimension_of_uniform_balls(d: int) -> None:
    # Distances of uniform points in a ball: the radius times u^(1/d).
    rng = np.random.default_rng(0)
    distances = np.sort(rng.random((400, 100)) ** (1 / d), axis=1)
    assert np.median(lid_from(distances)) == pytest.approx(d, rel=0.1)


def test_the_difficulty_among_few_matches_of_a_filter_is_that_of_those():
    few = np.array([[1.0, 2.0, 4.0, np.inf], [1.0, 2.0, 4.0, 4.0], [np.inf] * 4])
    lid = lid_from(few)
    assert lid[0] == pytest.approx(lid_from(few[:1, :3])[0])
    assert lid[0] > 0
    assert np.isnan(lid[2])


def test_difficulty_is_kept_and_defined(tmp_path: Path, cache: Path) -> None:
    dataset = open_definition(synthetic(tmp_path))
    first = difficulty_of(dataset)
    assert np.isfinite(first.lid).all()
    assert (first.relative_contrast > 1).all()
    assert len(list(cache.glob("difficulty/*.hdf5"))) == 1
    again = difficulty_of(dataset)
    assert np.array_equal(first.lid, again.lid)
    with pytest.raises(UserError, match="inner products"):
        difficulty_of(open_definition(synthetic(tmp_path, "inner_product")))


def test_duplicates_zeros_and_queries_in_the_base(rng: np.random.Generator) -> None:
    base = rng.standard_normal((500, 6)).astype(np.float32)
    base[10] = base[20] = base[30]
    base[40] = 0
    base[41] = -0.0
    base[50, 2] = np.nan
    facts = row_facts(base)
    assert (facts.duplicates, facts.zero, facts.not_finite) == (3, 2, 1)
    assert facts.norms[0] == 0
    queries = np.concatenate([base[[3, 10, 499]], rng.standard_normal((4, 6))]).astype(np.float32)
    assert rows_in(queries, base) == 3
    assert len(np.unique(row_keys(base[:10]))) == 10


def test_permuted_values_are_other_rows() -> None:
    rows = np.array([[1, 2, 3, 4], [4, 3, 2, 1], [2, 1, 3, 4], [-1, 2, 3, 4]], np.float32)
    assert len(np.unique(row_keys(rows))) == 4


@pytest.mark.parametrize("metric", METRICS)
def test_smallest_distances(rng: np.random.Generator, metric: str) -> None:
    base = rng.standard_normal((300, 5)).astype(np.float32)
    queries = rng.standard_normal((7, 5)).astype(np.float32)
    ids = np.broadcast_to(np.arange(300), (7, 300))
    expected = np.sort(answer_distances(metric, base, queries, ids), axis=1)[:, :9]
    assert np.allclose(smallest_distances(metric, base, queries, 9), expected, atol=1e-7)


def test_a_wrong_truth_does_not_pass(make_hdf5) -> None:
    dataset = open_file(make_hdf5())
    truth = dataset.truth(5)
    require_right_sample(dataset, truth.distances)
    with pytest.raises(RuntimeError, match="float64 check"):
        require_right_sample(dataset, truth.distances + 1e-5)


def test_near_ties_are_counted(make_hdf5) -> None:
    base = np.eye(6, dtype=np.float32)
    queries = np.array([[1, 0, 0, 0, 0, 0], [3, 2, 1, 0.5, 0.2, 0.1]], np.float32)
    dataset = open_file(make_hdf5(train=base, test=queries), "angular")
    assert near_ties(dataset, 1) == 0
    assert near_ties(dataset, 2) == 1
    assert near_ties(dataset, 6) is None


@pytest.mark.parametrize(
    ("metric", "form"),
    [("angular", "1 - cos"), ("euclidean", "L2"), ("inner_product", "-<q, x>")],
)
def test_own_neighbours_are_told_by_metric(make_hdf5, metric: str, form: str) -> None:
    path = make_hdf5(train=np.random.default_rng(0).standard_normal((400, 8)).astype("f4") + 1)
    truth = open_file(path, metric).truth(10)
    with h5py.File(path, "r+") as file:
        file["neighbors"] = truth.ids
        file["distances"] = truth.distances.astype("f4")
        base, queries = file["train"][...], file["test"][...]
    own = compare_own_truth(base, queries, *read_truth(path), path)  # type: ignore[arg-type]
    assert own.metric == metric
    assert own.form == form
    shuffled = np.roll(truth.ids, 1, axis=0)
    assert compare_own_truth(base, queries, shuffled, None, path).metric is None
    repeated = np.repeat(truth.ids[:, :1], 10, axis=1)
    assert compare_own_truth(base, queries, repeated, None, path).metric is None
    with pytest.raises(UserError, match="do not fit"):
        compare_own_truth(base, queries, truth.ids + 400, None, path)


def test_verify_command(make_hdf5) -> None:
    good = make_hdf5()
    truth = open_file(good).truth(10)
    with h5py.File(good, "r+") as file:
        file["neighbors"] = truth.ids
    done = run("verify", good)
    assert done.exit_code == 0
    assert "they agree with" in done.output
    with h5py.File(good, "r+") as file:
        file["distances"] = truth.distances[:3]
    done = run("verify", good)
    assert done.exit_code == 0
    assert "unknown" in done.output
    with h5py.File(good, "r+") as file:
        file["neighbors"][...] = np.roll(truth.ids, 3, axis=0)
    assert run("verify", good).exit_code == 1
    rows = np.ones((30, 8), np.float32)
    rows[4] = np.inf
    done = run("verify", make_hdf5("bad.hdf5", train=rows))
    assert done.exit_code == 1
    assert "1 rows of the base" in done.output


@pytest.mark.parametrize(
    ("train", "match"),
    [
        (np.empty((0, 8), np.float32), "too few vectors"),
        (np.ones(9, np.float32), "not a table of vectors"),
        (np.ones((9, 7), np.float32), "differ in dimension"),
        (np.array([[b"a"] * 8]), "not real numbers"),
    ],
)
def test_verify_refuses_what_is_no_dataset(make_hdf5, train: np.ndarray, match: str) -> None:
    path = make_hdf5(train=train, neighbors=np.zeros((20, 1), np.int64))
    error = run("verify", path).exception
    assert isinstance(error, UserError)
    assert match in str(error)
    assert str(path) in str(error)


def test_verify_notices_changed_rows(cache: Path) -> None:
    dataset = open_definition(load_registry().dataset("glove-50-10k"))
    assert run("verify", "glove-50-10k").exit_code == 0
    with h5py.File(dataset.path, "r+") as file:
        file["train"][5, 5] += 1
    done = run("verify", "glove-50-10k")
    assert done.exit_code == 1
    assert "have changed" in done.output


def test_add_then_use(tmp_path: Path, home: Path, rng: np.random.Generator) -> None:
    rows = rng.standard_normal((300, 7)).astype(np.float32)
    np.save(tmp_path / "mine.npy", rows)
    file = tmp_path / "mine.npy"
    done = run("add", "my-rows", file, "--holdout", 20, "--seed", 3, "--metric", "euclidean")
    assert done.exit_code == 0, done.output
    dataset = open_definition(load_registry().dataset("my-rows"))
    drawn = np.random.default_rng(3).choice(300, 20, replace=False)
    assert np.array_equal(dataset.queries, rows[drawn])
    assert np.array_equal(dataset.base, np.delete(rows, drawn, axis=0))
    entry = yaml.safe_load(next(home.rglob("config.yml")).read_text())["my-rows"]
    assert (entry["base"], entry["dimension"]) == (280, 7)
    assert "my-rows" in run("list").output
    assert isinstance(run("add", "my-rows", file, "--metric", "angular").exception, UserError)


def test_add_with_queries_of_another_format(tmp_path: Path, home: Path) -> None:
    np.save(tmp_path / "base.npy", np.eye(5, dtype=np.float32))
    (tmp_path / "asked.txt").write_text("a 1 2 3 4 5\nb 5 4 3 2 1\n")
    queries = ("--queries", tmp_path / "asked.txt", "--metric", "inner_product")
    done = run("add", "two.files", tmp_path / "base.npy", *queries)
    assert done.exit_code == 0, done.exception
    assert len(open_definition(load_registry().dataset("two.files")).queries) == 2


def test_add_hdf5_without_test(home: Path, make_hdf5) -> None:
    path = make_hdf5(test=None)
    assert isinstance(run("add", "held", path, "--metric", "angular").exception, UserError)
    assert run("add", "held", path, "--metric", "angular", "--holdout", 10).exit_code == 0
    assert len(open_definition(load_registry().dataset("held")).base) == 190


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["Bad_Name", "mine.npy", "--metric", "angular"], "cannot be called"),
        (["glove-50-10k", "mine.npy", "--metric", "angular"], "is taken"),
        (["new", "mine.npy"], "metric is needed"),
        (["new", "mine.npy", "--metric", "cosin"], "unknown metric"),
        (["new", "none.npy", "--metric", "angular"], "no such file"),
        (["new", "mine.npy", "--metric", "angular", "--holdout", "99"], "too few rows"),
        (["new", "nan.npy", "--metric", "angular", "--holdout", "3"], "not finite"),
        (["new", "mine.xyz", "--metric", "angular"], "no format has the ending"),
        (["new", "mine.npy", "--metric", "angular", "--format", "x"], "unknown format"),
        (
            ["new", "mine.npy", "--metric", "angular", "--holdout", "3", "--queries", "mine.npy"],
            "exclude each other",
        ),
    ],
)
def test_bad_additions_write_nothing(
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    match: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("mine.npy", np.ones((9, 2)))
    np.save("nan.npy", np.full((9, 2), np.nan))
    Path("mine.xyz").write_text("?")
    error = run("add", *arguments).exception
    assert isinstance(error, UserError)
    assert match in str(error)
    assert not list(home.rglob("config.yml"))


def test_convert_does_not_take_queries_from_two_places(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.ones((9, 2), np.float32))
    queries = ("--queries", tmp_path / "mine.npy", "--holdout", 3, "--metric", "l2")
    error = run("convert", tmp_path / "mine.npy", tmp_path / "mine.hdf5", *queries).exception
    assert "exclude each other" in str(error)
    assert not (tmp_path / "mine.hdf5").exists()


def test_show_by_word(cache: Path) -> None:
    done = run("show", "glove-50-10k", "--query", "pawk", "--k", 3)
    assert [line.split()[1] for line in done.output.splitlines()[-3:]] == ["di", "jo", "andrea"]
    assert "prince" in run("show", "glove-50-10k", "--query", "king").output
    error = run("show", "glove-50-10k", "--query", "volkswagenn").exception
    assert isinstance(error, UserError)
    assert "volkswagen" in str(error)


def test_info_and_clean(cache: Path) -> None:
    done = run("info", "glove-50-10k")
    assert "PDDL-1.0" in done.output
    assert "LID" in done.output
    assert "placed by hand" in run("info", "glove-50").output
    assert "would free" in run("clean", "--all", "--dry-run").output
    assert list(cache.glob("datasets/*"))
    assert run("clean", "--all").exit_code == 0
    assert not list(cache.glob("datasets/*")) + list(cache.glob("truth/*"))


def test_clean_says_what_it_keeps(cache: Path) -> None:
    for folder in ("downloads", "truth"):
        (cache / folder).mkdir(parents=True)
    recent = cache / "downloads" / "archive.part"
    old = cache / "truth" / ".old.part"
    good = [cache / "truth" / "good.hdf5", cache / "truth" / "rows.part1.hdf5"]
    recent.write_bytes(bytes(10**6))
    old.write_bytes(bytes(2 * 10**6))
    for path in good:
        path.write_bytes(bytes(10**6))
    (cache / "downloads" / "archive").write_bytes(bytes(3 * 10**6))
    an_hour_ago = time.time() - 3700
    os.utime(old, (an_hour_ago, an_hour_ago))
    lines = run("clean").output.splitlines()
    assert not old.exists()
    assert recent.exists()
    assert all(path.exists() for path in good)
    assert "freed 2.0 MB" in lines
    kept = [" ".join(line.split()) for line in lines if line.startswith("kept")]
    assert kept[0] == "kept downloads 3.0 MB (--downloads)"
    assert kept[1] == "kept truth 2.0 MB (--truth)"
    assert kept[2].startswith("kept unfinished 1.0 MB (written to within the last hour")


@pytest.mark.skipif(os.getuid() == 0, reason="root may remove everything")
def test_what_cannot_be_removed_is_named_and_not_counted(cache: Path) -> None:
    folder = cache / "downloads"
    folder.mkdir(parents=True)
    (folder / "archive").write_bytes(b"1")
    folder.chmod(0o500)
    try:
        error = run("clean", "--downloads").exception
    finally:
        folder.chmod(0o700)
    assert isinstance(error, UserError)
    assert "archive" in str(error)


def test_info_of_a_file_by_the_name_that_results_give_to_it(make_hdf5) -> None:
    path = make_hdf5()
    opened = open_file(path)
    assert opened.name in run("info", opened.name, "--no-difficulty").output
    error = run("info", "glove-50-10").exception
    assert isinstance(error, UserError)
    assert "did you mean 'glove-50-10k'" in error.describe()


def test_fetch_computes_the_truth_in_bounds(cache: Path) -> None:
    assert run("fetch", "glove-50-10k", "--k", 5, "--memory", "200MiB").exit_code == 0
    assert list(cache.glob("truth/*-5.hdf5"))
    for memory in ("1 apple", "3MiB"):
        error = run("fetch", "glove-50-10k", "--k", 6, "--memory", memory).exception
        assert isinstance(error, UserError)


def test_every_entry_of_the_registry_is_sound() -> None:
    from harness.data.fetching.packages import Package
    from harness.data.formats import FORMATS

    for definition in load_registry().datasets.values():
        assert "_" not in definition.name
        for source in definition.sources:
            assert source.format in FORMATS or definition.loader
            if source.package:
                Package.parse(source.package)
            if not definition.untested and source is definition.sources[0]:
                assert source.sha256 or source.format == "synthetic"


def test_what_rows_are_like_is_kept_and_a_damaged_file_of_it_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))
    rows = np.eye(4, dtype=np.float32)[[0, 1, 2, 0]] * np.float32([[1], [2], [3], [1]])
    with h5py.File(tmp_path / "rows.hdf5", "w") as file:
        file["train"], file["test"] = rows, rows[1:3] + np.float32([[0], [1]])
        file.attrs["distance"] = "euclidean"
    opened = open_file(tmp_path / "rows.hdf5")
    found = rows_of_dataset(opened)
    assert (found.base.duplicates, found.queries_in_base) == (1, 1)
    assert found.base.norms == (1.0, 1.5, 3.0)
    assert rows_of_dataset(opened) == found
    (kept,) = (tmp_path / "cache" / "difficulty").glob("*.json")
    for damage in ("", "[]", '{"base": {"rows": 1}}'):
        kept.write_text(damage)
        assert rows_of_dataset(opened) == found


def test_contrast_at_hand_is_that_of_the_difficulty_and_computes_no_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))
    opened = open_definition(synthetic(tmp_path))
    assert contrast_at_hand(opened) is None
    opened.truth(5)
    from_truth = contrast_at_hand(opened)
    assert np.allclose(from_truth, difficulty_of(opened).relative_contrast)
    assert np.array_equal(contrast_at_hand(opened), difficulty_of(opened).relative_contrast)
