"""Sizes and hashes of source files: checked if known, otherwise recorded at the first fetch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.contracts import UserError
from harness.contracts.definitions import Source
from harness.data.cache.folder import cache_lock, cache_subfolder
from harness.files.hashes import sha256_of
from harness.files.progress import Progress, silent
from harness.files.replacing import written_whole


def verify(path: Path, source: Source, progress: Progress = silent) -> None:
    """Check the size and hash of a file against its source's, as far as they are known.

    Raises
    ------
    UserError
        If they differ.
    """
    size = path.stat().st_size
    if source.bytes is not None and size != source.bytes:
        raise UserError(
            "the file has another size than recorded",
            where=str(path),
            expected=f"{source.bytes:,} bytes",
            got=f"{size:,} bytes",
        )
    if source.sha256 is not None:
        got = sha256_of(path, progress)
        if got != source.sha256:
            raise UserError(
                "the file has another sha256 than recorded",
                where=str(path),
                expected=source.sha256,
                got=got,
            )


def with_recorded(source: Source) -> Source:
    """Return the source with the hash and size that its first fetch recorded, if any did."""
    if source.sha256 is not None or source.kind not in ("package", "url"):
        return source
    known = _records().get(_key(source))
    if known is None:
        return source
    return replace(source, sha256=str(known["sha256"]), bytes=int(known["bytes"]))


def record(source: Source, path: Path, progress: Progress = silent) -> None:
    """Record the hash and size of a file that was read, unless its source states them."""
    if source.sha256 is not None or source.kind not in ("package", "url"):
        return
    entry = {"sha256": sha256_of(path, progress), "bytes": path.stat().st_size}
    with cache_lock("recorded-hashes"):
        records = {**_records(), _key(source): entry}
        with written_whole(_record_path()) as temporary:
            temporary.write_text(json.dumps(records, indent=1, sort_keys=True), encoding="utf-8")


def _record_path() -> Path:
    return cache_subfolder("records") / "sha256.json"


def _records() -> Mapping[str, dict[str, int | str]]:
    try:
        records = json.loads(_record_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return records if isinstance(records, dict) else {}


def _key(source: Source) -> str:
    return " ".join(part for part in (source.package or source.url, source.member) if part)
