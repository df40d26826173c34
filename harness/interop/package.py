"""A package of results: one zip file that others can check, and merge with theirs.

It holds `manifest.json`, the result files under `results/` with the names that they have in a
results folder, and `queries.parquet` if wanted. The manifest names every file with its hash, and
every point with the figures that its sender reads from it. The same results make the same package.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import harness
from harness.contracts import UserError
from harness.files.hashes import sha256_of
from harness.files.paths import require_file
from harness.files.progress import Progress, silent
from harness.files.replacing import written_whole
from harness.interop.taking import MOST_BYTES, RESULT_NAME, TRUTH
from harness.report.analysis.points import rows_of
from harness.report.analysis.selecting import truth_of
from harness.report.export.exporting import export
from harness.results.store import ResultStore
from harness.results.summary_files import write_summary
from harness.results.table.columns import Row
from harness.results.table.rows import load_results
from harness.results.table.summaries import summarized
from harness.results.untrusted.schema import Digits, Label, Name, Text
from harness.text import clean, is_clean, plain_json

SCHEMA = 1
"""The version of the manifest that is written, and the newest that is read."""

MANIFEST, QUERIES, FOLDER = "manifest.json", "queries.parquet", "results"

FIGURES = (
    *("recall", "recall_low", "recall_high", "qps", "qps_low", "qps_high"),
    *("mean_ms", "p99_ms", "build_seconds", "index_bytes"),
)
"""What a manifest states of each point, so that whoever checks it compares with the files."""

_FREE_MANIFEST_BYTES, _MANIFEST_BYTES_OF_A_FILE = 64 << 10, 8 << 10
_MANIFEST_VALUES_OF_A_FILE = 100
_ENCRYPTED = 1
_MOST_FILES = 250_000
_MOST_CHARACTERS = 1 << 16  # of one text
_MOST_UNPACKED = 20  # times the size of the package, whose largest parts are packed already
_FREE_BYTES = 64 << 20
# The last one is what zipfile raises for a version or a method that it does not know.
_DAMAGED = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the time of every member: the same results, the same package
_WORK = "packing results"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PackedFile(_Strict):
    """The hash and size of one file."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0, le=MOST_BYTES)]


class PackedPoint(_Strict):
    """What its sender says of a point; figures that are not known are None.

    Without `has_answers` the package holds a summary of it alone, or its failure.
    """

    key: Digits
    dataset: Name
    algorithm: Name
    label: Label
    parameters: Text
    k: Annotated[int, Field(ge=1)]
    machine: Label
    status: Label
    builds: Annotated[int, Field(ge=0)]
    has_answers: bool = True
    figures: dict[str, float | None]


class Manifest(_Strict):
    """What a package says of itself.

    `harness_version` and `commits` are those of the harness that packed and of those that measured.
    """

    schema_version: int
    harness_version: Text
    commits: list[Text]
    machines: list[Label]
    files: dict[str, PackedFile]
    points: list[PackedPoint]


@dataclass(frozen=True)
class Package:
    """An opened package: its manifest, and its files unpacked below a temporary folder.

    `damaged` names the files that are missing, not listed, or not what their hash says.
    """

    path: Path
    manifest: Manifest
    root: Path
    damaged: dict[str, str]

    @property
    def store(self) -> ResultStore:
        return ResultStore(self.root / FOLDER)


def pack(
    table: pd.DataFrame,
    results: Path,
    out: Path,
    *,
    per_query: bool = False,
    points_only: bool = False,
    progress: Progress = silent,
) -> Manifest:
    """Write the points of a table, with all that is stored of them, as a package.

    Parameters
    ----------
    table
        Points of the folder `results`, as from `load_results`.
    per_query
        Add a row for each point and query.
    points_only
        Leave out answers, times of queries and true neighbours: figures of them, and what the
        verdicts on speed need, are in the package as summaries.

    Raises
    ------
    UserError
        If there is no point, rows of queries are asked for without their answers, a file cannot be
        read, or `out` cannot be written.
    """
    if table.empty:
        raise UserError("no point to pack", where=str(results))
    if out.suffix.lower() != ".zip":
        raise UserError("a package is a zip file", where=str(out), expected="a name in .zip")
    if per_query and points_only:
        raise UserError(
            "rows of queries come from the answers",
            got="--per-query and --points-only",
            expected="one of them",
        )
    store = ResultStore(results)
    names = list(_names(table, store))
    with tempfile.TemporaryDirectory(prefix="annharness-") as folder:
        root = Path(folder)
        for number, name in enumerate(names):
            progress(_WORK, number, 2 * len(names))
            target = root / FOLDER / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(results / name, target)
        # From the copies: a run may have stored more since the table was read.
        read = load_results(root / FOLDER, overhead=True, truth_at_hand=truth_of)
        if points_only:
            _summarize(read, ResultStore(root / FOLDER))
            read = load_results(root / FOLDER, overhead=True)
        if lost := set(table["key"]) - set(read["key"]):
            raise UserError("points that cannot be packed", where=str(results), got=", ".join(lost))
        members = sorted(_members(root))  # truths that were at hand alone are there now
        if per_query:
            export(read, root / QUERIES, per_query=True)
            members.append(QUERIES)
        manifest = _manifest(read, root, members)
        with written_whole(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            _write(archive, MANIFEST, manifest.model_dump_json(indent=1).encode())
            for number, name in enumerate(members):
                progress(_WORK, len(names) + number, 2 * len(names))
                _write(archive, name, (root / name).read_bytes())
    return manifest


@contextmanager
def opened(path: Path) -> Iterator[Package]:
    """Unpack a package into a temporary folder, which goes when the block ends.

    Raises
    ------
    UserError
        If it is no package, is larger than it can be, or is of a newer schema.
    """
    with tempfile.TemporaryDirectory(prefix="annharness-") as folder:
        root = Path(folder)
        require_file(path)
        try:
            with zipfile.ZipFile(path) as archive:
                _require_plain(archive)
                manifest = _read_manifest(archive)
                damaged = _unpack(archive, path, root, manifest)
        except _DAMAGED as error:
            raise _no_package(path, str(error)) from error
        yield Package(path, manifest, root, damaged)


def figures_of(row: Row) -> dict[str, float | None]:
    """Return the figures of a row of the table that a manifest states."""
    if row["status"] != "ok":
        return {}
    recalls = ("recall", "recall_low", "recall_high")
    values = {name: float(row[f"{name}_curve"][-1]) for name in recalls}
    values |= {name: float(row[name]) for name in FIGURES if name not in recalls}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def origins_of(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the commits and machines that a manifest names."""
    return {
        "commits": sorted({commit for row in rows for commit in row["commits"]}),
        "machines": sorted({row["machine"] for row in rows}),
    }


def _summarize(table: pd.DataFrame, copy: ResultStore) -> None:
    """Replace the builds of the points in a copy of results by summaries; remove the truths."""
    for row in rows_of(table):
        stem = Path(row["path"]).with_suffix("")
        files, point = copy.files_of(stem), copy.stored(stem).point
        if point is not None:
            write_summary(files.summary, summarized(point, row))
            files.builds.unlink()
    for path in copy.root.glob(f"*/*/*{TRUTH}"):
        path.unlink()


def _names(table: pd.DataFrame, store: ResultStore) -> Iterable[str]:
    """Yield the names of all files that the points of a table are read from, each once."""
    found: dict[str, None] = {}
    for row in rows_of(table):
        # Truths of other k too: the difficulty of queries comes from the widest.
        truths = store.truths(row["dataset"], row["fingerprint"]).values()
        paths = [*store.files_there(Path(row["path"]).with_suffix("")), *truths]
        found |= {path.relative_to(store.root).as_posix(): None for path in paths}
    return sorted(found)


def _members(root: Path) -> Iterator[str]:
    files = (path for path in (root / FOLDER).rglob("*") if path.is_file())
    names = (path.relative_to(root).as_posix() for path in files)
    return (name for name in names if is_member(name))


def _manifest(table: pd.DataFrame, root: Path, members: Iterable[str]) -> Manifest:
    rows = list(rows_of(table))
    files = {
        name: PackedFile(sha256=sha256_of(root / name), bytes=(root / name).stat().st_size)
        for name in members
    }
    return Manifest(
        schema_version=SCHEMA,
        harness_version=harness.__version__,
        **origins_of(rows),
        files=files,
        points=[_packed(row) for row in rows],
    )


def _packed(row: Row) -> PackedPoint:
    return PackedPoint(
        key=row["key"], dataset=row["dataset"], algorithm=row["algorithm"], label=row["label"],
        parameters=row["name"], k=row["k"], machine=row["machine"], status=row["status"],
        builds=row["builds"], has_answers=bool(row["has_answers"]), figures=figures_of(row),
    )  # fmt: skip


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    member = zipfile.ZipInfo(name, _EPOCH)
    packed = name.endswith((".hdf5", ".npz", ".parquet"))
    member.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    archive.writestr(member, data, compresslevel=zlib.Z_BEST_COMPRESSION)


def _require_plain(archive: zipfile.ZipFile) -> None:
    """Raise ValueError for what cannot be unpacked in bounded memory, or not without a password."""
    members = archive.infolist()
    if len(members) > _MOST_FILES or len({one.filename for one in members}) < len(members):
        raise ValueError(f"more than {_MOST_FILES:,} files, or two of one name")
    for member in members:
        # Python unpacks bzip2 and LZMA without a limit.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("a file packed by another method than deflate")
        if member.flag_bits & _ENCRYPTED:
            raise ValueError("an encrypted file")


def _read_manifest(archive: zipfile.ZipFile) -> Manifest:
    try:
        found = archive.getinfo(MANIFEST)
    except KeyError:
        raise ValueError(f"no {MANIFEST} in it") from None
    count = len(archive.infolist())
    data = _read(archive, found, _FREE_MANIFEST_BYTES + _MANIFEST_BYTES_OF_A_FILE * count)
    most = _MANIFEST_VALUES_OF_A_FILE * count
    read = plain_json(data.decode(), _MOST_CHARACTERS, values=most)
    version = read.get("schema_version") if isinstance(read, dict) else None
    if isinstance(version, int) and version > SCHEMA:
        raise ValueError(
            f"its schema is {version}, this version of annharness reads up to {SCHEMA}: "
            "update annharness, or have it packed by an older one"
        )
    try:
        return Manifest.model_validate(read)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"])) or "the whole"
        raise ValueError(f"{MANIFEST}, {clean(where, 200)}: {fault['msg']}") from error


def _unpack(archive: zipfile.ZipFile, path: Path, root: Path, manifest: Manifest) -> dict[str, str]:
    """Unpack the files that the manifest lists; return what is wrong with the others."""
    members = {member.filename: member for member in archive.infolist()}
    left = _FREE_BYTES + _MOST_UNPACKED * path.stat().st_size
    damaged = dict.fromkeys(members.keys() - manifest.files.keys() - {MANIFEST}, "is not listed")
    for name, listed in manifest.files.items():
        reason = "" if is_member(name) else "no name of a result"
        if not reason and name not in members:
            reason = "is missing"
        if not reason:
            left -= listed.bytes
            if left < 0:
                raise ValueError("its files are larger than such a package can hold")
            reason = _unpacked(archive, members[name], root / name, listed)
        if reason:
            damaged[name] = reason
    return damaged


def _unpacked(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, listed: PackedFile
) -> str:
    """Unpack a file, unless it is not what its manifest says; return what is wrong."""
    wrong = "its content is not that of its hash"
    if member.file_size != listed.bytes:
        return wrong
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.write_bytes(_read(archive, member, listed.bytes))
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as error:
        return f"cannot be unpacked: {error}"
    if sha256_of(target) != listed.sha256:
        target.unlink()
        return wrong
    return ""


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    """Read a member of at most so many bytes, whatever size it declares."""
    with archive.open(member) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise zipfile.BadZipFile(f"{member.filename} is larger than {most:,} bytes")
    return data


def is_member(name: str) -> bool:
    """Whether a file of a package can be called so."""
    if name == QUERIES:
        return True
    inner = name.removeprefix(f"{FOLDER}/")
    is_safe = "\\" not in inner and is_clean(inner) and "\n" not in inner
    return inner != name and is_safe and RESULT_NAME.fullmatch(inner) is not None


def _no_package(path: Path, reason: str) -> UserError:
    return UserError(
        "cannot read the package",
        where=str(path),
        got=clean(reason, 500),
        hint="a package is written by annharness results pack",
    )
