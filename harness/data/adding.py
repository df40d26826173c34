"""A registry entry for a file of one's own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from harness.contracts import UserError, Vectors
from harness.contracts.dataset import Metric
from harness.contracts.definitions import DatasetDefinition, FilterFiles, QuerySplit, Source
from harness.data.cache.writing import inspect
from harness.data.fetching.sources import from_first_source
from harness.data.filter_files import FoundFilters, Shape, from_files
from harness.data.formats import FORMATS, format_named, required_format
from harness.data.parts import split
from harness.files.paths import identifier_of, user_path
from harness.files.progress import Progress, silent
from harness.files.replacing import written_whole
from harness.files.yaml_text import yaml_text
from harness.text import REASON_CHARACTERS, Json, clean, is_clean

_SHOWN_CHARACTERS = 200


@dataclasses.dataclass(frozen=True)
class OwnData:
    """The user's description of the file. Queries are the file `queries`, or drawn by `split`.

    `column` names the column, or the array, that holds the vectors. `filtered`: files of filtered
    queries, if there are some.
    """

    name: str
    file: Path
    metric: Metric
    split: QuerySplit
    queries: Path | None = None
    format: str | None = None
    licence: str = "unknown"
    column: str | None = None
    filtered: FilterFiles | None = None


@dataclasses.dataclass(frozen=True)
class Added:
    """The file of an entry that was written, and what was found of filtered queries."""

    config: Path
    filters: FoundFilters | None


def add_entry(own: OwnData, datasets_folder: Path, progress: Progress = silent) -> Added:
    """Check the file and write its entry; nothing is written if a check fails.

    Parameters
    ----------
    own
        The file and how to read it.
    datasets_folder
        The folder `datasets` that the entry's own folder goes to.

    Returns
    -------
    added
        The path of the entry, and the filters.

    Raises
    ------
    UserError
        If the file cannot be read, holds unusable rows, or the name is taken there.
    """
    config = datasets_folder / identifier_of(own.name) / "config.yml"
    if config.exists():
        raise UserError(
            f"there is an entry for {own.name!r} already",
            where=str(config),
            hint="choose another name or remove that folder",
        )
    draft = _draft(own, config)
    _require_storable(draft)
    definition, nq = _measured(draft, progress)
    found = None
    if isinstance(definition.filtered, FilterFiles):
        progress("reading attributes and filters", 0, 0)
        shape = Shape(definition.base, nq, definition.split)
        found = from_files(definition.filtered, shape, Path)
    try:
        config.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make the folder: {error.strerror}", where=str(config.parent)
        ) from error
    with written_whole(config) as temporary:
        temporary.write_text(yaml_text({own.name: _entry(definition)}), encoding="utf-8")
    return Added(config, found)


def _require_storable(draft: DatasetDefinition) -> None:
    """Refuse text that no registry file may hold, such as the name of a file with an escape."""
    source = draft.sources[0]
    filtered = (
        dataclasses.astuple(draft.filtered) if isinstance(draft.filtered, FilterFiles) else ()
    )
    texts = (draft.about, draft.licence, source.path or "", *source.options.values(), *filtered)
    for text in filter(None, texts):
        if not is_clean(text):
            raise UserError(
                "a registry file cannot hold this text",
                expected=f"at most {REASON_CHARACTERS:,} characters, no control characters",
                got=clean(text, _SHOWN_CHARACTERS),
            )


def _draft(own: OwnData, config: Path) -> DatasetDefinition:
    path = user_path(own.file).absolute()
    name = required_format(path, own.format, "name it by --format")
    options: Json = {}
    if own.column is not None:
        _require_columns(name, path)
        options["column"] = own.column
    if own.queries is not None:
        options["queries"] = str(user_path(own.queries).absolute())
    return DatasetDefinition(
        name=own.name,
        about=f"Own data from {path.name}.",
        licence=own.licence,
        metric=own.metric,
        dimension=0,
        base=0,
        split=own.split,
        sources=(Source("file", name, path=str(path), options=options),),
        folder=config.parent,
        origin=str(path),
        filtered=_absolute(own.filtered),
    )


def _absolute(files: FilterFiles | None) -> FilterFiles | None:
    if files is None:
        return None
    filters = None if files.filters is None else str(user_path(files.filters).absolute())
    return FilterFiles(str(user_path(files.attributes).absolute()), filters)


def _require_columns(format_name: str, path: Path) -> None:
    if not format_named(format_name).has_columns:
        raise UserError(
            f"files of the format {format_name} have no columns to choose from",
            where=str(path),
            expected="--column with " + ", ".join(n for n, f in FORMATS.items() if f.has_columns),
        )


def _measured(draft: DatasetDefinition, progress: Progress) -> tuple[DatasetDefinition, int]:
    """The same with the sizes of the file, after every value was checked; the number of queries."""
    shapes: list[tuple[int, int, int]] = []

    def measure(vectors: Vectors, source: Source) -> None:
        parts = split(vectors, draft.split, str(source.path))
        inspect(parts, draft.metric, progress)
        shapes.append((len(parts.base), parts.base.dimension, len(parts.queries)))

    from_first_source(draft, progress, measure)
    base, dimension, nq = shapes[0]
    return dataclasses.replace(draft, base=base, dimension=dimension), nq


def _entry(definition: DatasetDefinition) -> Json:
    source = definition.sources[0]
    place: Json = {"kind": "file", "path": source.path, "format": source.format}
    if source.options:
        place["options"] = dict(source.options)
    how = definition.split
    queries: Json = {"file": True}
    if how.kind == "random":
        queries = {"draw": "random", "count": how.count, "seed": how.seed}
    files = definition.filtered
    filtered = dataclasses.asdict(files) if isinstance(files, FilterFiles) else {}
    return {
        "about": definition.about,
        "licence": definition.licence,
        "metric": definition.metric,
        "dimension": definition.dimension,
        "base": definition.base,
        "queries": queries,
        **{key: path for key, path in filtered.items() if path is not None},
        "sources": [place],
    }
