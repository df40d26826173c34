"""How the nodes of a cluster get datasets and plug-ins, and compute ground truth."""

from __future__ import annotations

import subprocess
from functools import partial

import pytest

import harness
from harness.data.filtered import open_filtered
from harness.data.loading import open_file
from harness.registry.registry import load_registry
from tests.clusters import OWN_MOUNTS, SHARDED, require_right_truth, table

pytestmark = pytest.mark.cluster

FILTERED_SUITE = """\
k: 5
track: filtered
datasets: years
algorithms:
  exact:
  sklearn-ball-tree: {label: after, build: {leaf_size: 40}, search: {post_filter: 100}}
builds: 1
repeats: 1
least_seconds: 0
build_threads: 1
precision: off
"""


def test_a_node_without_the_data_and_the_plug_in_gets_both(
    slow, tmp_path, command, cluster, tmp_path_factory
):
    cache = tmp_path_factory.mktemp("node-cache")
    cluster.worker("far", ANNHARNESS_DATA=str(cache))
    shared = tmp_path / "shared"
    (tmp_path / "c.yml").write_text(f"scheduler: {cluster.address}\nshared: {shared}\n")
    done = command("run", *slow, "--builds", "1", "--cluster", "c.yml")
    assert done.returncode == 0, done.stderr
    (staged,) = (cache / "staged").glob("*.hdf5")
    (original,) = (shared / "datasets").rglob("*.hdf5")
    assert staged.read_bytes() == original.read_bytes()


@pytest.fixture
def filtered(tmp_path, write_filtered_entry):
    """A suite of queries with filters, on a dataset of one's own."""
    (tmp_path / "filtered.yml").write_text(FILTERED_SUITE)
    return ("filtered.yml", "--plugins", write_filtered_entry())


def test_queries_with_filters_are_answered_as_on_this_machine(filtered, tmp_path, command):
    here = command("run", *filtered, "--results", "here")
    there = command("run", *filtered, "--results", "there", "--cluster", "local:1")
    assert here.returncode == there.returncode == 0, here.stderr + there.stderr
    assert table(tmp_path / "here") == table(tmp_path / "there")
    found = harness.load_results(tmp_path / "there").set_index("label")
    assert set(found["dataset"]) == {"years+filtered"}
    assert found["status"].to_dict() == {"exact": "ok", "after": "ok"}
    assert found["recall@5"].to_dict() == {"exact": 1.0, "after": 1.0}
    for classes in found["by_filter"]:
        assert sum(one["queries"] for one in classes.values()) == 12


def test_a_node_without_the_filters_gets_them_with_their_rows(
    filtered, tmp_path, command, own_command, cluster, tmp_path_factory
):
    cache = tmp_path_factory.mktemp("node-cache")
    cluster.worker("far", ANNHARNESS_DATA=str(cache))
    shared = tmp_path / "shared"
    (tmp_path / "c.yml").write_text(f"scheduler: {cluster.address}\nshared: {shared}\n")
    done = command("run", *filtered, "--cluster", "c.yml")
    assert done.returncode == 0, done.stderr
    assert len(list((cache / "staged").glob("*.hdf5"))) == 2
    fetch = ("data", "fetch", "years+filtered", "--k", "12", *filtered[1:])
    done = own_command(*fetch, "--shards", "3", "--cluster", "c.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    opened = partial(open_filtered, load_registry([filtered[-1]]).datasets["years"])
    found = require_right_truth(opened, 12, tmp_path / "own-cache", tmp_path / "fresh-cache")
    assert (found.ids == -1).any()


FULL_DISK = """\
mount -t tmpfs -o size=4m tmpfs "$0" || exit
head -c 5M /dev/zero > "$0/large" 2> /dev/null
exec "$@"
"""


def test_a_node_whose_scratch_is_full_is_left_out(
    suite, tmp_path, command, cluster, tmp_path_factory
):
    """Its scratch folder is a full disk of its own; another node continues."""
    scratch = tmp_path_factory.mktemp("scratch")
    full = (*OWN_MOUNTS, "sh", "-c")
    if subprocess.run([*full, FULL_DISK, str(scratch), "true"], capture_output=True).returncode:
        pytest.skip("this user may not mount a disk")
    here = {"ANNHARNESS_DATA": f"{scratch}/annharness", "TMPDIR": str(scratch)}
    cluster.worker("full", before=(*full, FULL_DISK, str(scratch)), **here)
    cluster.worker("good", host="127.0.0.2")  # the first address gets the first block
    cluster.wait_for("full")
    shared = tmp_path / "shared"
    (tmp_path / "c.yml").write_text(f"scheduler: {cluster.address}\nshared: {shared}\n")
    done = command("run", suite, "-a", "exact", "--builds", "1", "--cluster", "c.yml")
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if "node full is not used" in line)
    staged = f"{scratch}/annharness/staged"
    for part in ("disk space", f"where: {staged}", "expected: ", "got: 0.0 MB", "give scratch: or"):
        assert part in line
    assert [row[1:3] for row in table(tmp_path / "results")] == [("ok", 1)] * 2


def test_ground_truth_is_computed_by_nodes_that_read_their_rows_alone(
    small_hdf5, tmp_path, own_command, cluster, tmp_path_factory
):
    cluster.worker("far", ANNHARNESS_DATA=str(tmp_path_factory.mktemp("node-cache")))
    cluster.worker("other", ANNHARNESS_DATA=str(tmp_path_factory.mktemp("other-cache")))
    shared = tmp_path / "shared"
    (tmp_path / "c.yml").write_text(f"scheduler: {cluster.address}\nshared: {shared}\n")
    done = own_command("data", "fetch", "small.hdf5", *SHARDED, "--cluster", "c.yml")
    assert done.returncode == 0, done.stderr
    opened = partial(open_file, small_hdf5)
    require_right_truth(opened, 7, tmp_path / "own-cache", tmp_path / "fresh-cache")
