"""Results to and from a folder that others can read, and from packages.

The folder is a path, or a URL that fsspec knows. There each version of a file is stored once, as
`results/NAME/SHA256`, where NAME is its name in a results folder. Nothing is ever overwritten.
Taken are builds that the results folder lacks.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.contracts import UserError
from harness.files.hashes import sha256_of
from harness.files.progress import Progress, silent
from harness.files.remote import RemoteFolder
from harness.interop.package import FOLDER, Package
from harness.interop.taking import MOST_BYTES, RESULT_NAME, TRUTH, Taken, ambiguous, take
from harness.results.store import ResultStore
from harness.results.untrusted.checks import BrokenResult

_NAME = re.compile(rf"{FOLDER}/(?P<name>{RESULT_NAME.pattern})/(?P<sha256>[0-9a-f]{{64}})")


@dataclass
class Exchange:
    """What was done: the number of files sent, or taken in full or in part, and of those left.

    `conflicts` names the files that differ from what is stored here, and how; `refused` holds names
    and reasons.
    """

    done: int = 0
    kept: int = 0
    conflicts: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, taken: Taken) -> None:
        """Count what became of a file."""
        self.done += taken.any
        self.kept += not taken.any
        if taken.conflict:
            self.conflicts.append((name, taken.conflict))


def push(store: ResultStore, remote: RemoteFolder, progress: Progress = silent) -> Exchange:
    """Store every result of a folder in the remote one, unless it is there.

    Raises
    ------
    UserError
        If the remote folder cannot be written to.
    """
    exchange = Exchange()
    there = remote.names(FOLDER)
    files = list(_files(store, exchange))
    for number, path in enumerate(files):
        progress("sending results", number, len(files))
        content = path.read_bytes()  # read once: a run may write a new version meanwhile
        sha256 = hashlib.sha256(content).hexdigest()
        name = f"{FOLDER}/{path.relative_to(store.root).as_posix()}/{sha256}"
        if name in there:
            exchange.kept += 1
        else:
            remote.put(name, content)
            exchange.done += 1
    return exchange


def pull(store: ResultStore, remote: RemoteFolder, progress: Progress = silent) -> Exchange:
    """Take every result of the remote folder that the results folder lacks.

    A build that is stored here already stays; a failure is taken unless the build that failed, or
    another failure of the point, is stored. What is damaged, or is not what its name says, is
    refused.

    Raises
    ------
    UserError
        If the remote folder cannot be read or holds no results (a typing mistake would look like
        an empty folder), or the results folder cannot be written to.
    """
    exchange = Exchange()
    names = remote.names(FOLDER)
    if not names:
        raise UserError(
            "no results are there",
            where=remote.url,
            expected="a folder that `annharness results push` has filled",
            hint="look for a typing mistake, or send results there first",
        )
    store.require_writable()
    with tempfile.TemporaryDirectory(prefix="annharness-") as folder:
        for number, (name, size) in enumerate(names.items()):
            progress("taking results", number, len(names))
            path = Path(folder) / "result"
            try:
                match = _NAME.fullmatch(name)
                if match is None or size > MOST_BYTES:
                    raise UserError("no name of a result" if match is None else "too large")
                remote.get(name, path)
                if sha256_of(path) != match["sha256"]:
                    raise UserError("its content is not that of its hash")
                taken = take(store, match["name"], path)
            except (UserError, BrokenResult) as error:
                exchange.refused.append((name, str(error)))
                continue
            exchange.add(match["name"], taken)
    return exchange


def merge(store: ResultStore, package: Package, progress: Progress = silent) -> Exchange:
    """Take every result of an opened package that the results folder lacks.

    A build that is stored here already stays; where the package holds another of the same number,
    that is a conflict. Nothing is taken if its true neighbours differ from those stored here, or a
    summary lies beside other results of its point. Check the package before.

    Raises
    ------
    UserError
        If the results folder cannot be written to.
    """
    store.require_writable()
    exchange = Exchange()
    names = [name for name in package.manifest.files if name not in package.damaged]
    results = [name for name in names if name.startswith(f"{FOLDER}/")]
    results.sort(key=lambda name: not name.endswith(TRUTH))  # if one is another, nothing is taken
    for stem in package.store.stems():
        if reason := ambiguous(package.store, stem):
            exchange.refused.append((stem.relative_to(package.store.root).as_posix(), reason))
    if exchange.refused:
        return exchange
    for number, name in enumerate(results):
        progress("taking results", number, len(results))
        own = name.removeprefix(f"{FOLDER}/")
        try:
            exchange.add(own, take(store, own, package.root / name))
        except BrokenResult as broken:
            exchange.refused.append((own, broken.reason))
            return exchange
    return exchange


def _files(store: ResultStore, exchange: Exchange) -> Iterator[Path]:
    """Yield the files of a results folder that can be read, truths among them."""
    for stem in store.stems():
        try:
            store.stored(stem)
        except BrokenResult as error:
            exchange.refused.append((str(stem.relative_to(store.root)), str(error)))
            continue
        yield from store.files_there(stem)
    yield from sorted(store.root.glob("*/*/truth-*.npz"))
