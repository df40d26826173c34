"""Results that travel to a bucket of S3, and back."""

from __future__ import annotations

import re
import sys

import pytest

from harness.contracts import UserError
from harness.files.remote import RemoteFolder
from tests.results.conftest import names_of_files

# The bucket comes first: the command takes its environment with it.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("bucket")]


def test_results_go_to_a_bucket_once_and_come_back(bucket, small_store, tmp_path, command):
    push = ("results", "push", bucket.url, "--results", small_store.root)
    assert command(*push).stdout == "2 files sent, 0 there already, 0 refused\n"
    sent = bucket.objects()
    assert {name.rpartition("/")[0] for name in sent} == {
        f"results/{name}" for name in names_of_files(small_store.root)
    }
    assert all(re.search(r"/[0-9a-f]{64}$", name) for name in sent)
    assert command(*push).stdout == "0 files sent, 2 there already, 0 refused\n"
    assert bucket.objects() == sent
    done = command("results", "pull", bucket.url, "--results", "mine")
    assert (done.stdout, done.returncode) == ("2 files taken, 0 there already, 0 refused\n", 0)
    for name in names_of_files(small_store.root):
        assert (tmp_path / "mine" / name).read_bytes() == (small_store.root / name).read_bytes()


def test_an_object_that_was_changed_is_refused(bucket, small_store, tmp_path, command):
    command("results", "push", bucket.url, "--results", small_store.root)
    (name,) = (name for name in bucket.objects() if "/scan/" in name)
    content = bytearray(bucket.read(name))
    content[len(content) // 2] ^= 1
    bucket.write(name, bytes(content))
    done = command("results", "pull", bucket.url, "--results", "mine")
    assert done.returncode == 1
    assert "1 file taken, 0 there already, 1 refused" in done.stdout
    assert f"refused {name}: its content is not that of its hash" in done.stderr
    assert not list((tmp_path / "mine").rglob("*.hdf5"))


def test_a_bucket_that_is_not_there_is_told_and_not_made(bucket, small_store, command):
    for verb in ("push", "pull"):
        done = command("results", verb, "s3://no-such-bucket/x", "--results", small_store.root)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "bucket does not exist" in done.stderr
        assert "s3://no-such-bucket/x" in done.stderr
        assert "Traceback" not in done.stderr
    made = [one["Name"] for one in bucket.client.list_buckets()["Buckets"]]
    assert "no-such-bucket" not in made


def test_a_store_that_does_not_answer_is_told(small_store, command):
    annharness = ["env", "AWS_ENDPOINT_URL=http://127.0.0.1:9", sys.executable, "-m", "harness"]
    push = ["results", "push", "s3://bucket/x", "--results", str(small_store.root)]
    done = command.raw([*annharness, *push])
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "s3://bucket/x" in done.stderr


def test_a_bucket_keeps_what_is_put_there_first(bucket, tmp_path):
    shared = RemoteFolder(bucket.url)
    assert shared.names() == {}
    (tmp_path / "file").write_bytes(b"first")
    assert shared.put("a/one", tmp_path / "file")
    assert not shared.put("a/one", b"second")
    assert shared.read("a/one") == b"first"
    assert shared.names() == shared.names("a") == {"a/one": 5}
    with shared.opened("a/one") as stream:
        stream.seek(2)
        assert stream.read() == b"rst"
    shared.get("a/one", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"first"
    shared.remove("a/one")
    shared.remove("a/one")
    assert not shared.holds("a/one")
    with pytest.raises(UserError, match="cannot read from this folder"):
        shared.read("a/one")


def test_a_file_of_several_parts_arrives_whole(bucket, tmp_path):
    """S3 takes large files in parts."""
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.write(b"begin")
        file.truncate(130 << 20)
        file.seek(-3, 2)
        file.write(b"end")
    shared = RemoteFolder(bucket.url)
    assert shared.put("large", large)
    assert shared.names() == {"large": 130 << 20}
    shared.get("large", tmp_path / "copy")
    assert large.read_bytes() == (tmp_path / "copy").read_bytes()


def test_a_folder_that_a_console_made_is_no_file(bucket):
    bucket.write("", b"")
    bucket.write("results/", b"")
    shared = RemoteFolder(bucket.url)
    shared.put("results/x", b"1")
    assert shared.names() == shared.names("results") == {"results/x": 1}
