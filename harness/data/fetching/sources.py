"""The sources of a dataset entry, tried in order until one can be read."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.contracts import UserError, Vectors
from harness.contracts.definitions import DatasetDefinition, Parameters, Source
from harness.data.cache.cached import file_state
from harness.data.cache.folder import cache_subfolder
from harness.data.fetching.download import downloaded, place_of
from harness.data.fetching.marks import is_marked, moved_aside, unmark
from harness.data.fetching.packages import Package, archive_of, folder_of, installed_file
from harness.data.fetching.recorded_hashes import record, verify, with_recorded
from harness.data.formats import format_of, read_labels, read_vectors
from harness.data.formats.archives import extract_member
from harness.errors import BrokenFile
from harness.files.paths import no_file, user_path
from harness.files.progress import Progress
from harness.files.temporary import temporary_folder
from harness.text import Json

LOADER_FORMAT = "loader"
"""The format of sources that the entry's own `loader` reads."""


@dataclass(frozen=True)
class _Place:
    """Files of one source by name; members of archives are extracted to `scratch`."""

    source: Source
    definition: DatasetDefinition
    scratch: Path
    progress: Progress

    def main(self) -> Path:
        """The file with the base rows."""
        if self.source.member is not None:
            return self.file(self.source.member)
        return self._archive()

    def file(self, name: str) -> Path:
        """Another file of the same source."""
        if self.source.kind == "package":
            here = installed_file(Package.parse(self.source.package or ""), name)
            if here is not None:
                return here
        if _holds_beside(self.source):
            return _placed(self.definition.folder, name, self.source.url)
        return self._member(self._archive(), name)

    def _archive(self) -> Path:
        if self.source.kind in ("bundled", "file"):
            return _placed(self.definition.folder, self.source.path or "", self.source.url)
        if self.source.kind == "package":
            return archive_of(Package.parse(self.source.package or ""), self.progress)
        return downloaded(self.source, self.progress)

    def _member(self, archive: Path, name: str) -> Path:
        # Members of other folders may have the same last name, which tells the format.
        folder = self.scratch / hashlib.sha256(name.encode()).hexdigest()[:16]
        target = folder / Path(name).name
        if not target.exists():
            folder.mkdir(exist_ok=True)
            extract_member(archive, name, target, self.progress)
        return target


def _holds_beside(source: Source) -> bool:
    """Whether other files of a source lie beside its main one, not in the same archive."""
    return source.kind == "bundled" or (source.kind == "file" and not source.member)


def _placed(folder: Path, name: str, page: str | None) -> Path:
    """A file in the entry's folder, or placed in the cache's downloads by hand.

    `page` is the web page that offers it, if the entry states one.
    """
    found = _if_placed(folder, name)
    if found is not None:
        return found
    hint = f"place it there, or in {cache_subfolder('downloads')}{_to_be_had(page)}"
    raise no_file(folder / user_path(name), hint)


def _if_placed(folder: Path, name: str) -> Path | None:
    paths = (folder / user_path(name), cache_subfolder("downloads") / Path(name).name)
    return next((path for path in paths if path.is_file()), None)


def _to_be_had(page: str | None) -> str:
    return f"; it is available from {page}" if page else ""


def from_first_source(
    definition: DatasetDefinition, progress: Progress, use: Callable[[Vectors, Source], None]
) -> None:
    """Read the rows from the first available and correct source, and pass them to `use`.

    If `use` refuses them, the next source is tried.

    Raises
    ------
    UserError
        If no source will do, with the reason for each and what to place where.
    """
    reasons = []
    for source in map(with_recorded, definition.sources):
        try:
            _use_one(source, definition, progress, use)
            return
        except UserError as error:
            reasons.append(error)
    raise _no_source(definition, reasons)


@contextmanager
def other_files(
    definition: DatasetDefinition, progress: Progress
) -> Iterator[Callable[[str, str | None], Path]]:
    """Give a function that returns another file of the sources, by its name and sha256.

    The file may be gone after the `with` statement. The function raises a `UserError` if no source
    has the file, or it has another hash.
    """
    with temporary_folder(cache_subfolder("downloads"), "unpacked") as scratch:

        def file(name: str, sha256: str | None) -> Path:
            reasons = []
            for source in definition.sources:
                place = _Place(source, definition, scratch, progress)
                try:
                    path = place.file(name)
                    verify(path, dataclasses.replace(source, sha256=sha256, bytes=None), progress)
                    return path
                except UserError as error:
                    reasons.append(error)
            raise _no_source(definition, reasons)

        yield file


def _no_source(definition: DatasetDefinition, reasons: list[UserError]) -> UserError:
    if len(reasons) == 1:
        return reasons[0]
    tried = "\n".join(f"{i}. {reason.describe()}" for i, reason in enumerate(reasons, 1))
    return UserError(
        f"no source of {definition.name} is available; tried in this order:\n{tried}",
        where=definition.origin,
        hint=f"annharness data info {definition.name} lists what to place where by hand",
    )


def _use_one(
    source: Source,
    definition: DatasetDefinition,
    progress: Progress,
    use: Callable[[Vectors, Source], None],
) -> None:
    parent = cache_subfolder("downloads")
    with temporary_folder(parent, "unpacked") as scratch:
        place = _Place(source, definition, scratch, progress)
        fetched = _fetched_to(source)
        with _discarding(fetched, scratch):
            path = place.main()
            verify(path, source, progress, is_recorded=source not in definition.sources)
        vouched = source.sha256 is not None
        progress(f"reading {path.name}", 0, 0)
        with _discarding(None if vouched else fetched, scratch):
            vectors = _read(path, place)
        use(vectors, source)
        record(source, path, progress)
        if fetched is not None:
            unmark(fetched)


def _fetched_to(source: Source) -> Path | None:
    """The file or folder that a source is fetched to, None if it is not fetched."""
    if source.kind == "url":
        return place_of(source)
    if source.kind == "package":
        return folder_of(Package.parse(source.package or ""))
    return None


@contextmanager
def _discarding(fetched: Path | None, scratch: Path) -> Iterator[None]:
    """Move what was fetched aside if it turns out broken, so that the next run fetches it again.

    What has no mark stays: it was placed by hand, or an earlier run read it.
    """
    try:
        yield
    except BrokenFile as error:
        # A member's file in `scratch` is gone when the user reads this.
        member = rf"{re.escape(str(scratch))}/\w+/"
        where, hint = re.sub(member, lambda _: f"{fetched}, ", error.where or ""), error.hint
        if fetched is None or str(fetched) not in where:  # the file of an installed package
            raise
        if is_marked(fetched):
            where = where.replace(str(fetched), str(moved_aside(fetched)))
            where += ", moved there so that it is fetched again"
        else:
            again = f"remove {fetched} if it is to be fetched again"
            hint = f"{hint}; {again}" if hint else again
        raise UserError(
            error.what, where=where, expected=error.expected, got=error.got, hint=hint
        ) from error


def _read(path: Path, place: _Place) -> Vectors:
    source = place.source
    if source.format == LOADER_FORMAT:
        return _loader(place.definition)(path, source.options)
    vectors = read_vectors(path, source.format, source.options)
    queries = _companion("queries", place)
    if queries is not None:
        format_name = format_of(queries) or source.format
        rows = read_vectors(queries, format_name, source.options).rows
        vectors = dataclasses.replace(vectors, queries=rows)
    labels = _companion("labels", place)
    if labels is not None:
        vectors = dataclasses.replace(vectors, labels=read_labels(labels))
    return vectors


def _companion(what: str, place: _Place) -> Path | None:
    """A second file of the source, `options: {queries: NAME, queries_sha256: ...}`, checked."""
    options = place.source.options
    if what not in options:
        return None
    path = place.file(str(options[what]))
    known = options.get(f"{what}_sha256")
    verify(path, dataclasses.replace(place.source, sha256=known, bytes=None), place.progress)
    return path


def _loader(definition: DatasetDefinition) -> Callable[[Path, Parameters], Vectors]:
    """The function that the entry names: `load(path, options) -> Vectors`."""
    loader: Callable[[Path, Parameters], Vectors] = function_of(
        definition, "loader", definition.loader or ""
    )
    return loader


def function_of(definition: DatasetDefinition, key: str, locator: str) -> Callable[..., Any]:
    """Return the function that a key of an entry names, as `FILE:FUNCTION` in its folder.

    Raises
    ------
    UserError
        If it cannot be imported.
    """
    file, _, function = locator.partition(":")
    module_name = f"harness.datasets.{definition.folder.name}.{file}"
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"the entry's {key} cannot be imported: {error}",
            where=definition.origin,
            expected=f"{key}: FILE:FUNCTION, of a file in the entry's folder",
            got=locator,
        ) from error
    return found


def places_of(definition: DatasetDefinition) -> list[str]:
    """Return for each source what it is, and where its file may be placed by hand."""
    return [_place_by_hand(source, definition.folder) for source in definition.sources]


def _place_by_hand(source: Source, folder: Path) -> str:
    if source.kind == "url":
        return f"{source.url}\nor placed by hand as {place_of(source)}"
    if source.kind == "package":
        package = Package.parse(source.package or "")
        return f"{package}\nor its archive placed by hand in {folder_of(package)}"
    beside = folder / user_path(source.path or "")
    if source.kind == "bundled" or beside.is_file():
        return str(beside)
    by_hand = f"or placed by hand in {cache_subfolder('downloads')}"
    return f"{beside}\n{by_hand}{_to_be_had(source.url)}"


def source_state(source: Source, folder: Path) -> Json:
    """Return facts that change if rows cached from this source may have changed."""
    facts = dataclasses.asdict(source)
    if source.kind in ("bundled", "file") and source.sha256 is None:
        facts["state"] = _state(folder, source.path)
    if _holds_beside(source):
        for what in source.options.keys() & {"queries", "labels"}:
            facts[f"{what}_state"] = _state(folder, source.options[what])
    return facts


def _state(folder: Path, name: object) -> str | None:
    found = _if_placed(folder, str(name))
    return None if found is None else file_state(found)
