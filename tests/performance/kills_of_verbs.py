"""Kill verbs that read and write at random moments; the next call of the verb must leave nothing.

    python tests/performance/kills_of_verbs.py --kills 40

Every second kill waits until the verb has made a file that an undisturbed call does not leave: most
of the time of a verb goes into starting, and few kills at random moments meet a file half-written.
Then the verb is called again, to its end. Printed are the kills of each verb, how many of them left
a file, and what the next calls left.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import kills
import numpy as np

VERBS = {
    "data convert": "data convert small.hdf5 out/converted.hdf5",
    "data fetch": "data fetch remote",
    "plot": "plot mine.yml --figure qps-recall --results stored -o out/plots",
    "publish": "publish out/site --results stored",
    "export": "export --results stored -o out/points.parquet",
    "compare": "compare stored stored-too --recall 0.1 -o out/compared.md",
    "import": "import theirs --results imported",
    "check": "check sampled --only same-seed",
}
ENTRY = """\
remote:
  about: Rows of an archive on a server.
  licence: none
  metric: angular
  dimension: 8
  base: 19000
  queries: {{draw: random, count: 1000, seed: 0}}
  sources: [{{kind: url, url: "{url}", member: rows.npy, format: npy}}]
"""
FAILED_CHECK = 1  # the adapter keeps not all of the contract


def main() -> None:
    """Kill so often and print what was left."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        left = survive(Path(name), options.kills, random.Random(options.seed))
    print(f"{options.kills} kills, {len(left)} files left by the next calls", *left, sep="\n")
    sys.exit(bool(left))


def survive(folder: Path, count: int, rng: random.Random) -> list[str]:
    """Return what kills and the calls after them have left."""
    with served(folder) as url:
        prepare(folder, url)
        verbs = list(VERBS)[:count]
        seconds = {verb: undisturbed(folder, verb) for verb in verbs}
        calm = files(folder)
        tried = dict.fromkeys(verbs, 0)
        met = dict.fromkeys(verbs, 0)
        left: list[str] = []
        for number in range(count):
            verb = verbs[number % len(verbs)]
            until_file = number // len(verbs) % 2 == 1
            kill_one(folder, verb, rng.uniform(0, seconds[verb]), calm if until_file else None)
            tried[verb] += 1
            met[verb] += bool(files(folder) - calm)
            undisturbed(folder, verb)
            left += [f"{verb}: {path}" for path in sorted(files(folder) - calm)]
            calm |= files(folder)  # name each once
    for verb in verbs:
        print(f"{verb}: {tried[verb]} kills, {met[verb]} of them left a file", flush=True)
    return left


def kill_one(folder: Path, verb: str, seconds: float, calm: set[str] | None) -> None:
    """Kill a verb after so many seconds, or as soon as there is a file that is not among `calm`."""
    process = start(folder, verb)
    until = time.monotonic() + seconds
    while process.poll() is None:
        time.sleep(0.001)
        if time.monotonic() >= until if calm is None else files(folder) - calm:
            kills.kill(process.pid)
            break
    process.wait()


def undisturbed(folder: Path, verb: str) -> float:
    """Call a verb to its end and return the seconds that it took."""
    began = time.monotonic()
    status = start(folder, verb).wait()
    if status not in (0, FAILED_CHECK if verb == "check" else 0):
        raise RuntimeError(f"{verb} ends with {status}")
    return time.monotonic() - began


def start(folder: Path, verb: str) -> subprocess.Popen[bytes]:
    """Start a verb; what it would find done already is removed."""
    if verb == "data fetch":
        for path in (folder / "cache").glob("*/*remote*"):
            path.unlink()
        for path in (folder / "cache" / "downloads").glob("*-remote.zip"):
            path.unlink()
    return command(folder, *VERBS[verb].split())


def command(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start the command line; all that it writes lies below the folder."""
    env = {
        **os.environ,
        "ANNHARNESS_DATA": str(folder / "cache"),
        "ANNHARNESS_PLUGINS": str(folder / "plugins"),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "TMPDIR": str(folder / "temporary"),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments],
        cwd=folder,
        env=env,
        stdout=nowhere,
        stderr=nowhere,
    )


def files(folder: Path) -> set[str]:
    """Return the paths of all files and folders below a folder."""
    found = set()
    for parent, folders, names in os.walk(folder):
        found |= {os.path.join(parent, name) for name in (*folders, *names)}  # noqa: PTH118
    return found


def prepare(folder: Path, url: str) -> None:
    """Write an algorithm, a dataset on a server, and results to read."""
    kills.lay_out(folder)
    (folder / "out").mkdir()
    entry = folder / "plugins" / "datasets" / "remote" / "config.yml"
    entry.parent.mkdir(parents=True)
    entry.write_text(ENTRY.format(url=f"{url}/remote.zip"))
    rows = np.random.default_rng(0).standard_normal((20_000, 8)).astype(np.float32)
    np.save(folder / "rows.npy", rows)
    (folder / "served").mkdir()
    with zipfile.ZipFile(folder / "served" / "remote.zip", "w") as archive:
        archive.write(folder / "rows.npy", "rows.npy")
    command(folder, "run", "mine.yml", "--results", "stored").wait()
    shutil.copytree(folder / "stored", folder / "stored-too")
    lay_out_theirs = ("export", "--results", "stored", "--to", "ann-benchmarks", "-o", "theirs")
    command(folder, *lay_out_theirs).wait()
    (dataset,) = (folder / "theirs" / "data").iterdir()
    shutil.copyfile(folder / "small.hdf5", dataset)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback and give its URL."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    handler = partial(Quiet, directory=str(folder / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


if __name__ == "__main__":
    main()
