"""Entries that take their adapter, `from: ann-benchmarks` or `vibe`, out of a folder."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.contracts import UserError
from harness.contracts.dataset import Metric
from harness.errors import did_you_mean
from harness.files.paths import user_path
from harness.registry.foreign_grids import ForeignAdapter, read_foreign
from harness.registry.plugins import PluginFolder
from harness.registry.schema.checking import check
from harness.registry.schema.entries import ForeignSchema
from harness.registry.yaml_source import Document


@dataclass(frozen=True)
class ForeignEntry:
    """A checked entry, and the configuration in the folder that it names."""

    schema: ForeignSchema
    adapter: ForeignAdapter

    @property
    def about(self) -> str:
        """What it is."""
        return self.schema.about or f"{self.adapter.name}, by the adapter of {self.adapter.kind}"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics to run it with: those of the entry, or all of the configuration."""
        return tuple(self.schema.metrics or self.adapter.metrics)


def is_foreign(data: object) -> bool:
    """Return whether an entry of a registry file has an adapter of another harness."""
    return isinstance(data, dict) and "from" in data


def read_foreign_entry(name: str, folder: PluginFolder, document: Document) -> ForeignEntry:
    """Return the entry `name`, its folder read; a relative path starts at the registry file.

    Raises
    ------
    UserError
        For every mistake in the entry or in the configuration that it names.
    """
    schema = check(ForeignSchema, document.data[name], document, (name,))
    path = (folder.path / user_path(schema.path)).resolve()
    place = document.place((name, "path"))
    adapter = read_foreign(schema.from_, path, schema.algorithm, place)
    _check_metrics(schema, adapter, document.place((name, "metrics")))
    groups = [schema, *schema.groups.values()]
    for part in ("build", "search"):
        known = set(adapter.grid(part))
        for parameter in [p for group in groups for p in getattr(group, part)]:
            if parameter not in known:
                raise UserError(
                    f"{adapter.name} has no {part} parameter {parameter!r}",
                    where=document.place((name, part, parameter)),
                    hint=did_you_mean(parameter, known),
                )
    changed = replace(adapter, build_overlay=schema.build, search_overlay=schema.search)
    return ForeignEntry(schema, changed)


def _check_metrics(schema: ForeignSchema, adapter: ForeignAdapter, place: str) -> None:
    wrong = [metric for metric in schema.metrics or () if metric not in adapter.metrics]
    if wrong or not adapter.metrics:
        raise UserError(
            f"{adapter.name} has no settings for {', '.join(wrong) or 'any metric of ours'}",
            where=place,
            expected="one of " + ", ".join(adapter.metrics) if adapter.metrics else None,
        )
