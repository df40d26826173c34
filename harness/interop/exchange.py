"""Results to and from a folder that others can read: a path, or a URL that fsspec knows.

There each version of a file is stored once, as `results/NAME/SHA256`, where NAME is its name in a
results folder. Nothing is ever overwritten. Taken are builds that the results folder lacks.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.contracts import UserError
from harness.data.fetching.hashes import sha256_of
from harness.files.progress import Progress, silent
from harness.files.remote import RemoteFolder
from harness.files.replacing import written_whole
from harness.results.files import read_point
from harness.results.store import ResultStore
from harness.results.untrusted.bounded import read_npz
from harness.results.untrusted.checks import BrokenResult, reading
from harness.results.untrusted.schema import MOST_JSON_CHARACTERS, failure_of

_FOLDER = "results"
_POINT, _FAILURE = ".hdf5", ".failure.json"
_NAME = re.compile(
    rf"{_FOLDER}/(?P<name>[^/]+/\d+/(?:[^/]+/[^/]+(?:\.hdf5|\.failure\.json)"
    r"|truth-[0-9a-f]{16}\.npz))/(?P<sha256>[0-9a-f]{64})"
)
_MOST_BYTES = 4 << 30


@dataclass
class Exchange:
    """What was done: the number of files sent, or taken in full or in part, and of those left.

    `refused` holds names and reasons.
    """

    done: int = 0
    kept: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


def push(store: ResultStore, remote: RemoteFolder, progress: Progress = silent) -> Exchange:
    """Store every result of a folder in the remote one, unless it is there.

    Raises
    ------
    UserError
        If the remote folder cannot be written to.
    """
    exchange = Exchange()
    there = remote.names(_FOLDER)
    files = list(_files(store, exchange))
    for number, path in enumerate(files):
        progress("sending results", number, len(files))
        name = f"{_FOLDER}/{path.relative_to(store.root).as_posix()}/{sha256_of(path)}"
        if name in there:
            exchange.kept += 1
        else:
            remote.put(name, path)
            exchange.done += 1
    return exchange


def pull(store: ResultStore, remote: RemoteFolder, progress: Progress = silent) -> Exchange:
    """Take every result of the remote folder that the results folder lacks.

    A build that is stored here already stays; a failure is taken where nothing is stored. What is
    damaged, or is not what its name says, is refused.

    Raises
    ------
    UserError
        If the remote folder cannot be read, or the results folder not be written to.
    """
    store.require_writable()
    exchange = Exchange()
    names = remote.names(_FOLDER)
    with tempfile.TemporaryDirectory(prefix="annharness-") as folder:
        for number, (name, size) in enumerate(names.items()):
            progress("taking results", number, len(names))
            path = Path(folder) / "result"
            try:
                match = _NAME.fullmatch(name)
                if match is None or size > _MOST_BYTES:
                    raise UserError("no name of a result" if match is None else "too large")
                remote.get(name, path)
                if sha256_of(path) != match["sha256"]:
                    raise UserError("its content is not that of its hash")
                taken = _take(store, match["name"], path)
            except (UserError, BrokenResult) as error:
                exchange.refused.append((name, str(error)))
                continue
            exchange.done += taken
            exchange.kept += not taken
    return exchange


def _files(store: ResultStore, exchange: Exchange) -> Iterator[Path]:
    """Yield the files of a results folder that can be read, truths among them."""
    for stem in store.stems():
        try:
            store.stored(stem)
        except BrokenResult as error:
            exchange.refused.append((str(stem.relative_to(store.root)), str(error)))
            continue
        yield from (path for path in store.files_of(stem) if path.exists())
    yield from sorted(store.root.glob("*/*/truth-*.npz"))


def _take(store: ResultStore, name: str, path: Path) -> bool:
    """Store what a file holds and is not here; where it goes is decided by what it holds."""
    if name.endswith(_POINT):
        return _take_point(store, path)
    if name.endswith(_FAILURE):
        with reading(path):
            failure = failure_of(path.read_bytes()[: MOST_JSON_CHARACTERS + 1].decode())
        if store.settled(failure.header) or store.failure(failure.header) is not None:
            return False
        return _keep(path, store.files_of(store.path_of(failure.header))[1])
    return _take_truth(store, name, path)


def _take_point(store: ResultStore, path: Path) -> bool:
    point = read_point(path)
    target, _ = store.files_of(store.path_of(point.header))
    if not target.exists():
        return _keep(path, target)
    here = store.settled(point.header)
    missing = [build for build in point.builds if build.number not in here]
    for build in missing:
        store.add_build(point.header, build)
    return bool(missing)


def _take_truth(store: ResultStore, name: str, path: Path) -> bool:
    target = store.root / name
    if target.exists():
        return False
    with reading(path):
        read_npz(path, {"ids": "int64", "distances": "float64"})
    return _keep(path, target)


def _keep(path: Path, target: Path) -> bool:
    """Copy a file as it is, so that it has the same hash when it is sent again."""
    with written_whole(target) as temporary:
        shutil.copyfile(path, temporary)
    return True
