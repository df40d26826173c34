"""Fetching from a server that misbehaves: success through a mirror or a clear error, never a wrong
or half file."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from harness.contracts import UserError
from harness.contracts.definitions import DatasetDefinition, QuerySplit, Source
from harness.data.fetching import download
from harness.data.fetching.download import Patience, downloaded, place_of
from harness.data.fetching.sources import places_of
from harness.data.loading import open_definition

ROWS = np.random.default_rng(5).standard_normal((3000, 20)).astype(np.float32)


def npy(rows: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, rows)
    return out.getvalue()


GOOD = npy(ROWS)
WRONG = npy(ROWS + 1)
HASH = hashlib.sha256(GOOD).hexdigest()


class Server:
    """A server on loopback whose paths name what it does wrong; it counts its requests."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str | None]] = []
        self.stalled = threading.Event()
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.path, self.headers.get("Range")))
                outer.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        serve = self.httpd.serve_forever
        self.thread = threading.Thread(target=serve, args=(0.01,), daemon=True)
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.httpd.server_address[1]}/{path}"

    def count(self, path: str) -> int:
        return sum(asked == f"/{path}" for asked, _ in self.requests)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.strip("/").partition(".")[0].partition("/")[0]
        getattr(self, f"do_{name.replace('-', '_')}")(request)

    def send(
        self,
        request: BaseHTTPRequestHandler,
        body: bytes,
        *,
        status: int = 200,
        length: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)
        request.close_connection = True

    def do_good(self, request: BaseHTTPRequestHandler) -> None:
        self.send(request, GOOD)

    def do_wrong(self, request: BaseHTTPRequestHandler) -> None:
        self.send(request, WRONG)

    def do_forbidden(self, request: BaseHTTPRequestHandler) -> None:
        self.send(request, b"no", status=403)

    def do_missing(self, request: BaseHTTPRequestHandler) -> None:
        self.send(request, b"no", status=404)

    def do_busy(self, request: BaseHTTPRequestHandler) -> None:
        first = self.count(request.path[1:]) == 1
        self.send(request, b"later" if first else GOOD, status=503 if first else 200)

    def do_always_busy(self, request: BaseHTTPRequestHandler) -> None:
        self.send(request, b"later", status=503)

    def do_page(self, request: BaseHTTPRequestHandler) -> None:
        self.send(request, b"<html>log in</html>", headers={"Content-Type": "text/html"})

    def do_short(self, request: BaseHTTPRequestHandler) -> None:
        self.send(request, GOOD[:1000], length=len(GOOD))

    def do_announced_short(self, request: BaseHTTPRequestHandler) -> None:
        self.send(request, GOOD[:1000])

    def do_no_length(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(GOOD)
        request.close_connection = True

    def do_endless(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(bytes(1 << 16))
        except OSError:
            request.close_connection = True

    def do_loop(self, request: BaseHTTPRequestHandler) -> None:
        number = len(self.requests)
        self.send(request, b"", status=302, headers={"Location": f"/loop/{number}"})

    def do_to_file(self, request: BaseHTTPRequestHandler) -> None:
        self.send(request, b"", status=302, headers={"Location": "file:///etc/passwd"})

    def do_moved(self, request: BaseHTTPRequestHandler) -> None:
        self.send(request, b"", status=301, headers={"Location": "/good.npy"})

    def do_drops(self, request: BaseHTTPRequestHandler) -> None:
        """Gives a third of what is asked for, then hangs up; honours ranges."""
        self.resumable(request, step=len(GOOD) // 3 + 1, tag='"one"')

    def do_no_ranges(self, request: BaseHTTPRequestHandler) -> None:
        """Hangs up once; knows no ranges."""
        first = self.count(request.path[1:]) == 1
        self.send(request, GOOD[:5000] if first else GOOD, length=len(GOOD))

    def do_changes(self, request: BaseHTTPRequestHandler) -> None:
        """Hangs up once; by the next request it has another file."""
        if self.count(request.path[1:]) == 1:
            self.send(request, WRONG[:9000], length=len(WRONG), headers={"ETag": '"old"'})
        else:
            self.resumable(request, step=len(GOOD), tag='"new"')

    def do_bad_range(self, request: BaseHTTPRequestHandler) -> None:
        """Answers a range with another range."""
        if request.headers.get("Range") and self.count(request.path[1:]) == 2:
            headers = {"Content-Range": f"bytes 10-{len(GOOD) - 1}/{len(GOOD)}", "ETag": '"a"'}
            self.send(request, GOOD[10:], status=206, headers=headers)
        else:
            first = self.count(request.path[1:]) == 1
            body = GOOD[:5000] if first else GOOD
            self.send(request, body, length=len(GOOD), headers={"ETag": '"a"'})

    def resumable(self, request: BaseHTTPRequestHandler, step: int, tag: str) -> None:
        asked = request.headers.get("Range")
        start = 0
        if asked and request.headers.get("If-Range") == tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        headers = {"ETag": tag}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(GOOD) - 1}/{len(GOOD)}"
        body = GOOD[start : start + step]
        status = 206 if start else 200
        self.send(request, body, status=status, length=len(GOOD) - start, headers=headers)

    def do_stalls(self, request: BaseHTTPRequestHandler) -> None:
        """Gives half at first and then nothing for long; the rest when asked again."""
        if request.headers.get("Range"):
            self.resumable(request, step=len(GOOD), tag='"s"')
            return
        request.send_response(200)
        request.send_header("Content-Length", str(len(GOOD)))
        request.send_header("ETag", '"s"')
        request.end_headers()
        request.wfile.write(GOOD[: len(GOOD) // 2])
        request.wfile.flush()
        self.stalled.set()
        self.released.wait(30)
        request.close_connection = True

    def do_archive(self, request: BaseHTTPRequestHandler) -> None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("../../evil.npy", WRONG)
            archive.writestr("rows.npy", GOOD)
        self.send(request, out.getvalue())

    def do_broken_archive(self, request: BaseHTTPRequestHandler) -> None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("rows.npy", GOOD)
        content = bytearray(out.getvalue())
        content[5000] ^= 0xFF
        self.send(request, bytes(content))


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.httpd.shutdown()
    running.httpd.server_close()
    running.thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PATIENCE", Patience(3, 0.01, 0.02, 5.0))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


Define = Callable[..., DatasetDefinition]


@pytest.fixture
def define(server: Server, tmp_path: Path) -> Define:
    def make(*paths: str, sha256: str | None = HASH, **facts: object) -> DatasetDefinition:
        sources = tuple(
            Source("url", "npy", url=server.url(path), sha256=sha256, **facts)  # type: ignore[arg-type]
            for path in paths
        )
        split = QuerySplit("random", count=100, seed=0)
        return DatasetDefinition(
            "served", "rows", "none", "euclidean", 20, 2900, split, sources, tmp_path, "x.yml:1"
        )

    return make


def nothing_wrong_is_kept(cache: Path) -> None:
    """Only the dataset itself or whole, right files may stand where others look for them."""
    kept = [path for path in cache.glob("downloads/*") if not path.name.startswith(".")]
    for path in kept:
        assert path.read_bytes() == GOOD or ".part" in path.name
    assert not list(cache.glob("datasets/*"))


FAULTS = [
    "forbidden.npy",
    "missing.npy",
    "wrong.npy",
    "short.npy",
    "announced-short.npy",
    "page.npy",
    "loop.npy",
    "to-file.npy",
    "always-busy.npy",
]


@pytest.mark.parametrize("path", FAULTS)
def test_a_fault_is_a_clear_error(define: Define, cache: Path, path: str) -> None:
    with pytest.raises(UserError) as caught:
        open_definition(define(path))
    assert len(str(caught.value).splitlines()) <= 6
    nothing_wrong_is_kept(cache)


@pytest.mark.parametrize("path", FAULTS)
def test_a_mirror_helps(define: Define, path: str) -> None:
    dataset = open_definition(define(path, "good.npy"))
    assert len(dataset.base) == 2900
    assert set(map(bytes, dataset.queries)) <= set(map(bytes, ROWS))


@pytest.mark.parametrize("path", ["announced-short.npy", "page.npy", "forbidden.npy"])
def test_faults_are_seen_without_a_hash(define: Define, cache: Path, path: str) -> None:
    with pytest.raises(UserError):
        open_definition(define(path, sha256=None))
    nothing_wrong_is_kept(cache)
    dataset = open_definition(define(path, "good.npy", sha256=None))
    assert len(dataset.base) == 2900


def test_all_reasons_are_told(define: Define) -> None:
    with pytest.raises(UserError) as caught:
        open_definition(define("forbidden.npy", "missing.npy", "wrong.npy"))
    text = str(caught.value)
    assert "HTTP 403" in text
    assert "HTTP 404" in text
    assert "another sha256" in text


@pytest.mark.parametrize("path", ["busy.npy", "moved.npy", "no-length.npy", "no-ranges.npy"])
def test_passing_trouble_is_overcome(define: Define, path: str) -> None:
    assert len(open_definition(define(path)).base) == 2900


def test_a_dropped_connection_is_resumed(define: Define, server: Server) -> None:
    assert len(open_definition(define("drops.npy")).base) == 2900
    ranges = [asked for _, asked in server.requests]
    step = len(GOOD) // 3 + 1
    assert ranges == [None, f"bytes={step}-", f"bytes={2 * step}-"]


def test_a_part_is_resumed_by_the_next_command(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PATIENCE", Patience(1, 0.01, 0.01, 5.0))
    source = Source("url", "npy", url=server.url("drops.npy"))
    monkeypatch.setattr(download, "_MOST_ATTEMPTS", 1)
    with pytest.raises(UserError, match="connection ended"):
        downloaded(source)
    monkeypatch.setattr(download, "_MOST_ATTEMPTS", 9)
    assert downloaded(source).read_bytes() == GOOD
    assert server.requests[1][1] == f"bytes={len(GOOD) // 3 + 1}-"


@pytest.mark.parametrize("path", ["changes.npy", "bad-range.npy"])
def test_parts_of_two_files_are_never_joined(define: Define, server: Server, path: str) -> None:
    source = define(path).sources[0]
    assert downloaded(source).read_bytes() == GOOD


def test_no_more_is_taken_than_expected(define: Define, cache: Path) -> None:
    with pytest.raises(UserError, match="more than"):
        open_definition(define("endless.npy", bytes=len(GOOD)))
    assert sum(path.stat().st_size for path in cache.rglob("*")) < 10 * len(GOOD)
    with pytest.raises(UserError, match="instead of"):
        open_definition(define("good.npy", bytes=len(GOOD) - 1))


def test_an_endless_file_stops_at_the_disk(define: Define, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 64 << 20})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(UserError, match="disk space"):
        open_definition(define("endless.npy", sha256=None))
    with pytest.raises(UserError, match="disk space"):
        open_definition(define("good.npy"))


def test_a_hash_is_recorded_at_first_and_checked_from_then_on(
    define: Define, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = define("good.npy", sha256=None)
    open_definition(definition)
    place_of(definition.sources[0]).unlink()
    (cache / "datasets" / "served.hdf5").unlink()
    monkeypatch.setattr(Server, "do_good", Server.do_wrong)
    with pytest.raises(UserError, match=HASH) as caught:
        open_definition(definition)
    nothing_wrong_is_kept(cache)
    assert Path((caught.value.where or "").partition(",")[0]).read_bytes() == WRONG
    stated = hashlib.sha256(WRONG).hexdigest()
    assert len(open_definition(define("good.npy", sha256=stated)).base) == 2900


def test_a_file_that_its_publisher_changed_can_be_taken(define: Define, cache: Path) -> None:
    """The new file has another size as well."""
    definition = define("good.npy", sha256=None)
    open_definition(definition)
    (cache / "datasets" / "served.hdf5").unlink()
    place_of(definition.sources[0]).write_bytes(npy(ROWS[:2500]))
    with pytest.raises(UserError, match="state the new sha256: in the entry") as caught:
        open_definition(definition)
    [record] = cache.glob("records/*.json")
    assert str(record) in caught.value.describe()
    record.unlink()
    assert len(open_definition(replace(definition, base=2400)).base) == 2400


def test_a_file_placed_by_hand_is_never_moved(define: Define) -> None:
    definition = define("good.npy")
    place = place_of(definition.sources[0])
    place.write_bytes(WRONG)
    with pytest.raises(UserError, match="if it is to be fetched again") as caught:
        open_definition(definition)
    assert place.read_bytes() == WRONG
    assert caught.value.where == str(place)


def interrupt(task: str, *_: object) -> None:
    if task.startswith("hashing"):
        raise KeyboardInterrupt


def test_a_wrong_download_goes_even_if_its_check_was_interrupted(
    define: Define, server: Server, cache: Path
) -> None:
    definition = define("wrong.npy")
    with pytest.raises(KeyboardInterrupt):
        open_definition(definition, progress=interrupt)
    for _ in range(2):
        with pytest.raises(UserError, match="moved there so that it is fetched again"):
            open_definition(definition)
        nothing_wrong_is_kept(cache)
    assert server.count("wrong.npy") == 2


def test_a_file_put_in_the_place_of_a_download_is_never_moved(define: Define) -> None:
    definition = define("wrong.npy")
    with pytest.raises(KeyboardInterrupt):
        open_definition(definition, progress=interrupt)
    place = place_of(definition.sources[0])
    place.unlink()
    place.write_bytes(npy(ROWS + 2))
    with pytest.raises(UserError, match="if it is to be fetched again"):
        open_definition(definition)
    assert place.exists()


def test_a_wrong_member_is_named(define: Define, cache: Path) -> None:
    with pytest.raises(UserError) as caught:
        open_definition(define("archive.zip", member="../../evil.npy"))
    [aside] = cache.glob("downloads/.*.refused")
    assert (caught.value.where or "").startswith(f"{aside}, evil.npy, moved there")


def test_a_mistake_in_the_entry_does_not_cost_the_download(define: Define, server: Server) -> None:
    for _ in range(2):
        with pytest.raises(UserError, match="no member"):
            open_definition(define("archive.zip", member="mistyped.npy"))
    open_definition(define("archive.zip", member="rows.npy"))
    assert server.count("archive.zip") == 1


def test_a_member_is_taken_out_by_name_only(define: Define, cache: Path, tmp_path: Path) -> None:
    dataset = open_definition(define("archive.zip", member="rows.npy"))
    assert len(dataset.base) == 2900
    assert not list(cache.parent.rglob("evil.npy"))
    definition = define("archive.zip", member="../../evil.npy", sha256=None)
    open_definition(definition)  # asked for by that name, it still goes nowhere else
    assert not list(cache.parent.rglob("evil.npy"))


def test_members_of_two_folders_may_have_one_name(tmp_path: Path, cache: Path) -> None:
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        archive.writestr("train/rows.npy", GOOD)
        archive.writestr("test/rows.npy", npy(ROWS[:7] + 1))
    options = {"queries": "test/rows.npy"}
    source = Source("file", "npy", path="both.zip", member="train/rows.npy", options=options)
    dataset = open_definition(
        DatasetDefinition(
            "both",
            "rows",
            "none",
            "euclidean",
            20,
            3000,
            QuerySplit("file"),
            (source,),
            tmp_path,
            "x.yml:1",
        )
    )
    np.testing.assert_array_equal(dataset.base, ROWS)
    np.testing.assert_array_equal(dataset.queries, ROWS[:7] + 1)


def test_broken_archives(define: Define, cache: Path) -> None:
    for member, match in (("rows.npy", "archive is broken"), ("none.npy", "no member")):
        with pytest.raises(UserError, match=match):
            open_definition(define("broken-archive.zip", member=member))
    assert not list(cache.glob("downloads/.unpacked-*"))


def test_two_at_once_fetch_once(define: Define, server: Server) -> None:
    definition = define("good.npy")
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: open_definition(definition), range(4)))
    assert len({dataset.fingerprint for dataset in opened}) == 1
    assert server.count("good.npy") == 1


def test_off_line_says_what_to_place_where(tmp_path: Path, define: Define) -> None:
    url = "http://no-such-host.invalid/rows.npy"
    source = Source("url", "npy", url=url, sha256=HASH)
    definition = define("good.npy")
    offline = DatasetDefinition(
        "offline", "", "", "euclidean", 20, 2900, definition.split, (source,), tmp_path, "x:1"
    )
    with pytest.raises(UserError) as caught:
        open_definition(offline)
    place = place_of(source)
    assert str(place) in str(caught.value)
    assert str(place) in places_of(offline)[0]
    place.write_bytes(GOOD)
    assert len(open_definition(offline).base) == 2900


def test_progress_tells_bytes(define: Define) -> None:
    told: list[tuple[str, int, int, str]] = []
    open_definition(define("good.npy"), progress=lambda *facts: told.append((*facts, "rows")[:4]))
    fetched = [facts for facts in told if facts[0].startswith("fetching")]
    assert fetched[-1][1:] == (len(GOOD), len(GOOD), "bytes")


def test_a_killed_fetch_leaves_no_lock_and_goes_on(server: Server, cache: Path) -> None:
    source = Source("url", "npy", url=server.url("stalls.npy"), sha256=HASH)
    code = (
        "from harness.contracts.definitions import Source;"
        "from harness.data.fetching.download import downloaded;"
        f"downloaded(Source('url', 'npy', url={source.url!r}))"
    )
    child = subprocess.Popen([sys.executable, "-c", code])
    assert server.stalled.wait(30)
    part = place_of(source).with_name(place_of(source).name + ".part")
    deadline = time.monotonic() + 20
    while (not part.exists() or not part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    child.kill()
    child.wait()
    server.released.set()
    assert not place_of(source).exists()
    assert downloaded(source).read_bytes() == GOOD
    assert server.requests[1][1] is not None  # it went on where the killed one stopped
