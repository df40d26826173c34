"""Dataset entries: from a checked file to definitions."""

from __future__ import annotations

from harness.contracts.definitions import DatasetDefinition, QuerySplit, Source
from harness.registry.plugins import PluginFolder
from harness.registry.schema import DatasetSchema, QueriesSchema, SourceSchema, check, read_entries
from harness.registry.yaml_source import Document


def read_datasets(folder: PluginFolder) -> list[DatasetDefinition]:
    """Return the entries of one plug-in folder.

    Raises
    ------
    UserError
        Names the file, the line and the key of each mistake.
    """
    document = read_entries(folder.config, "dataset", "name: {about: ..., ...}")
    return [_definition(name, folder, document) for name in document.data]


def _definition(name: str, folder: PluginFolder, document: Document) -> DatasetDefinition:
    place = document.place((name,))
    schema = check(DatasetSchema, document.data[name], document, (name,))
    return DatasetDefinition(
        name=name,
        about=schema.about,
        licence=schema.licence,
        metric=schema.metric,
        dimension=schema.dimension,
        base=schema.base,
        split=_split(schema.queries),
        sources=tuple(_source(source) for source in schema.sources),
        folder=folder.path,
        origin=place,
        loader=schema.loader,
        untested=schema.untested,
    )


def _split(queries: QueriesSchema) -> QuerySplit:
    if queries.first is not None:
        return QuerySplit("first", queries.count, queries.first, queries.seed)
    if queries.draw is not None:
        return QuerySplit("random", queries.count, None, queries.seed)
    return QuerySplit("file", queries.count, None, queries.seed)


def _source(schema: SourceSchema) -> Source:
    return Source(**schema.model_dump())
