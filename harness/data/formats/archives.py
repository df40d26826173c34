"""Single members of archives, extracted to a path of ours and within bounds.

An archive is never unpacked as a whole, and a path inside one is never used as a path of this
machine, so `../` in a name has no effect. The declared size is checked against the disk first and
enforced during extraction.
"""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from harness.contracts import UserError
from harness.errors import BrokenFile
from harness.files.progress import Progress, silent
from harness.files.space import require_disk

_CHUNK_BYTES = 1 << 20
_DEB_MAGIC = b"!<arch>\n"
_BROKEN = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, NotImplementedError)
_BROKEN_ARCHIVE = (*_BROKEN, zipfile.BadZipFile, tarfile.TarError, TypeError)
"""TypeError is what tarfile raises for a gzip header that is cut short."""


def extract_member(archive: Path, member: str, target: Path, progress: Progress = silent) -> None:
    """Write one member of a zip, tar or Debian archive to `target`.

    Raises
    ------
    UserError
        If the archive is broken, has no such member, or the member is longer than declared.
    """
    where = f"{archive}, member {member}"
    try:
        with opened_member(archive, member) as (stream, size):
            require_disk(target.parent, size, f"{member} from {archive.name}")
            _copy(stream, size, target, progress)
    except _BROKEN_ARCHIVE as error:
        target.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno:  # such as a disk that is full
            raise UserError("cannot unpack the archive", where=where, got=str(error)) from error
        got = str(error) or type(error).__name__
        raise BrokenFile("the archive is broken", where=where, got=got) from error


@contextmanager
def opened_member(archive: Path, member: str) -> Iterator[tuple[IO[bytes], int]]:
    """Open one member for reading; also give the size that the archive declares for it."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            if member not in opened.namelist():
                raise _no_member(member, opened.namelist(), archive)
            info = opened.getinfo(member)
            with opened.open(info) as stream:
                yield stream, info.file_size
        return
    with archive.open("rb") as raw:
        magic = raw.read(len(_DEB_MAGIC))
        raw.seek(_data_of_deb(raw) if magic == _DEB_MAGIC else 0)
        with tarfile.open(fileobj=raw, mode="r|*") as tar:
            yield _member_of_tar(tar, member, archive)


def member_names(archive: Path) -> list[str]:
    """Return the names of the files in a zip."""
    with zipfile.ZipFile(archive) as opened:
        return [info.filename for info in opened.infolist() if not info.is_dir()]


def _copy(stream: IO[bytes], size: int, target: Path, progress: Progress) -> None:
    done = 0
    with target.open("wb") as out:
        while chunk := stream.read(_CHUNK_BYTES):
            done += len(chunk)
            if done > size:
                raise ValueError(f"more than the {size:,} bytes it declares")
            out.write(chunk)
            progress(f"unpacking {target.name}", done, size, "bytes")
    if done != size:
        raise EOFError(f"{done:,} bytes of the {size:,} it declares")


def _no_member(member: str, names: list[str], archive: Path) -> UserError:
    return UserError(
        f"the archive has no member {member!r}",
        where=str(archive),
        got=", ".join(names[:8]) + (", ..." if len(names) > 8 else ""),
    )


def _member_of_tar(tar: tarfile.TarFile, member: str, archive: Path) -> tuple[IO[bytes], int]:
    names = []
    for info in tar:
        if info.name.removeprefix("./") == member.lstrip("/"):
            stream = tar.extractfile(info) if info.isreg() else None
            if stream is None:
                raise ValueError("the member is no regular file")
            return stream, info.size
        names.append(info.name)
    raise _no_member(member, names, archive)


def _data_of_deb(raw: IO[bytes]) -> int:
    """The offset of `data.tar.*` in a Debian package, which is an `ar` archive."""
    raw.seek(len(_DEB_MAGIC))
    while len(header := raw.read(60)) == 60:
        if header[:9] == b"data.tar.":
            return raw.tell()
        size = int(header[48:58])
        raw.seek(size + size % 2, 1)
    raise ValueError("the Debian package holds no data.tar")
