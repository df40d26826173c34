"""A cluster whose shared folder is a bucket of S3."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import pytest

from harness.data.loading import open_file
from harness.files.remote import RemoteFolder
from harness.running.cluster.staging import share_dataset
from tests.clusters import SHARDED, require_right_truth, table

pytestmark = pytest.mark.cluster


def test_a_cluster_shares_by_s3(
    bucket, small_hdf5, suite, tmp_path, own_command, cluster, tmp_path_factory
):
    """Shards of ground truth are read from there, datasets staged, and changed ones refused."""
    cache = tmp_path_factory.mktemp("node-cache")
    cluster.worker("far", ANNHARNESS_DATA=str(cache))
    (tmp_path / "c.yml").write_text(f"scheduler: {cluster.address}\nshared: {bucket.url}\n")
    done = own_command("data", "fetch", "small.hdf5", *SHARDED, "--cluster", "c.yml")
    assert done.returncode == 0, done.stderr
    opened = partial(open_file, small_hdf5)
    require_right_truth(opened, 7, tmp_path / "own-cache", tmp_path / "fresh-cache")
    (name,) = bucket.objects()

    run = ("run", suite, "-a", "exact", "--builds", "1", "--cluster", "c.yml")
    done = own_command(*run)
    assert done.returncode == 0, done.stderr
    assert [row[1:3] for row in table(tmp_path / "results")] == [("ok", 1)] * 2
    (staged,) = (cache / "staged").glob("*.hdf5")
    assert staged.read_bytes() == bucket.read(name)
    assert list(bucket.objects()) == [name]

    content = bytearray(bucket.read(name))
    content[-100] ^= 1
    bucket.write(name, bytes(content))
    staged.unlink()
    done = own_command(*run, "--results", "other")
    assert done.returncode == 2, done.stderr
    assert f"in the shared folder is damaged; where: {bucket.url}/{name}" in done.stderr
    assert not list((tmp_path / "other").rglob("*.hdf5"))


LITTERING = """\
import gc, sys, threading
import h5py
from harness.data.truth.store import Piece
from harness.running.cluster.truth_search import nearest_of_piece

path, fingerprint, url = sys.argv[1:]

class Ring:
    pass

done = threading.Event()

def litter():
    while not done.is_set():
        with h5py.File(path, "r", locking=False) as file:
            ring = Ring()
            ring.itself, ring.rows = ring, file["train"]
        del ring
        done.wait(0.0005)

thread = threading.Thread(target=litter, daemon=True)
thread.start()
gc.set_threshold(20, 2, 2)
for _ in range(60):
    print(len(nearest_of_piece("nowhere", fingerprint, Piece((0, 20), (0, 100)), 5, url, None).ids))
done.set()
thread.join()
"""


def test_reading_rows_from_s3_waits_for_no_garbage(bucket, small_hdf5, tmp_path, monkeypatch):
    """Objects of h5py that are freed while it reads a stream would wait for each other."""
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))
    dataset = open_file(small_hdf5)
    share_dataset(dataset, RemoteFolder(bucket.url))
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "node"))
    done = subprocess.run(
        [sys.executable, "-c", LITTERING, str(small_hdf5), dataset.fingerprint, bucket.url],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["20"] * 60
