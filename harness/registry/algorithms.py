"""Algorithm entries: from a registry file to checked definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.contracts import UserError
from harness.contracts.dataset import Metric
from harness.contracts.definitions import Family, Parameters
from harness.contracts.filters import POST_FILTER, FilterForm
from harness.errors import did_you_mean
from harness.files.paths import user_path
from harness.registry.expressions import Expression, parse_expression
from harness.registry.foreign_grids import ForeignAdapter, read_foreign
from harness.registry.grid import merged, require_size, size_of
from harness.registry.plugins import PluginFolder, missing_requirements, other_versions
from harness.registry.schema.checking import check, read_entries
from harness.registry.schema.entries import (
    AlgorithmSchema,
    EntrySchema,
    ForeignSchema,
    TuneSchema,
)
from harness.registry.spaces import Axis, Space, faults_of
from harness.registry.yaml_source import Document
from harness.text import Json

FACTS = ("k", "n", "d", "metric")
"""What `where` and `require` know beside the parameters."""


@dataclass(frozen=True)
class Group:
    """A named variant of an entry's grids; `run_group` is one of a foreign configuration."""

    build: Parameters = field(default_factory=dict)
    search: Parameters = field(default_factory=dict)
    run_group: str | None = None


@dataclass(frozen=True)
class AlgorithmDefinition:
    """One entry of an algorithm registry file. `origin` is its `file:line`.

    `isolated`: runs in an environment of its own, made from `requires`. `foreign`: the adapter and
    its settings come from another harness. `pausable`: its processes may be stopped while others
    are timed. `filtered`: what its filtered search takes, None if it has none.
    """

    name: str
    about: str
    family: Family | None
    metrics: tuple[Metric, ...]
    requires: tuple[str, ...]
    isolated: bool
    folder: PluginFolder
    module_file: str
    class_name: str
    build: Parameters
    search: Parameters
    where: Expression | None
    require: tuple[tuple[Expression, str], ...]
    one_of: tuple[tuple[str, ...], ...]
    groups: Mapping[str, Group]
    tune: Space
    exact_order: bool
    floor: float | None
    expected_failures: Mapping[str, str]
    in_answers: bool
    pausable: bool
    origin: str
    foreign: ForeignAdapter | None = None
    filtered: FilterForm | None = None

    @property
    def module(self) -> str:
        """The module that holds the adapter class."""
        if self.foreign is not None:
            return self.foreign.module
        return f"{self.folder.package}.{self.module_file}"

    @property
    def source_folders(self) -> tuple[Path, ...]:
        """The folders with the adapter's source."""
        return self.foreign.source_folders() if self.foreign else (self.folder.path,)

    def foreign_call(self, metric: Metric) -> Json | None:
        """Return how a worker calls the adapter of another harness; None if it is one of ours."""
        return self.foreign.call_for(metric) if self.foreign else None

    def missing(self) -> list[str]:
        """Return the pip requirements that are missing here; none for an isolated entry."""
        return [] if self.isolated else missing_requirements(self.requires)

    def untested(self) -> list[str]:
        """Return which libraries are here in another version than was tested, and in which.

        They run; their points carry these texts as warnings.
        """
        return [] if self.isolated else other_versions(self.requires)

    def install_line(self) -> str:
        """Return the command that installs what the entry requires."""
        return "pip install " + " ".join(f"'{text}'" for text in self.requires)

    def parameter_names(self, part: str) -> set[str]:
        """Return the parameters of `build` or `search` that can be set."""
        grids = [getattr(self, part), *(getattr(group, part) for group in self.groups.values())]
        own = {name for grid in grids for name in grid}
        return own.union(*(names for names in self.one_of if own.intersection(names)))

    def variant(
        self,
        group: str | None = None,
        build: Parameters | None = None,
        search: Parameters | None = None,
    ) -> Group:
        """Return a group of the entry with the grids given by hand laid over it."""
        base = self.groups[group] if group else Group()
        return Group(
            merged(base.build, build or {}, one_of=self.one_of),
            merged(base.search, search or {}, one_of=self.one_of),
            base.run_group,
        )

    def grids(self, variant: Group) -> tuple[Json, Json]:
        """Return the grids of build and search with those of a variant laid over them."""
        return (
            merged(self.build, variant.build, one_of=self.one_of),
            merged(self.search, variant.search, one_of=self.one_of),
        )

    def settings_count(self, variant: Group) -> int:
        """Return how many settings a variant has at most, before `where` drops some."""
        if self.foreign is not None:
            own = self.foreign.settings_count(variant.run_group)
            return own * size_of(variant.build, variant.search)
        return size_of(*self.grids(variant))


def read_algorithms(folder: PluginFolder) -> list[AlgorithmDefinition]:
    """Return the entries of one plug-in folder.

    Raises
    ------
    UserError
        Names the file, the line and the key of each mistake.
    """
    document = read_entries(folder.config, "algorithm", "name: {adapter: ..., ...}")
    return [_definition(name, folder, document) for name in document.data]


def _definition(name: str, folder: PluginFolder, document: Document) -> AlgorithmDefinition:
    data = document.data[name]
    if isinstance(data, dict) and "from" in data:
        return _foreign_definition(name, folder, document)
    schema = check(AlgorithmSchema, data, document, (name,))
    module_file, class_name = schema.adapter.split(":")
    _check_adapter_file(folder, module_file, document.place((name, "adapter")))
    return _checked(
        schema,
        document,
        name=name,
        about=schema.about,
        metrics=tuple(schema.metrics),
        folder=folder,
        module_file=module_file,
        class_name=class_name,
        build=schema.build,
        search=schema.search,
        one_of=tuple(map(tuple, schema.one_of)),
        groups=_groups(schema),
        filtered=schema.filtered,
    )


def _foreign_definition(name: str, folder: PluginFolder, document: Document) -> AlgorithmDefinition:
    schema = check(ForeignSchema, document.data[name], document, (name,))
    adapter = _foreign_adapter(name, schema, folder, document)
    run_groups = {key: Group(run_group=key) for key in adapter.run_group_names()}
    return _checked(
        schema,
        document,
        name=name,
        about=schema.about or f"{adapter.name}, by the adapter of {adapter.kind}",
        metrics=tuple(schema.metrics or adapter.metrics),
        folder=folder,
        module_file="module",
        class_name=adapter.constructor,
        build=adapter.grid("build"),
        search=adapter.grid("search"),
        one_of=(),
        groups={**run_groups, **_groups(schema)},
        foreign=adapter,
    )


def _groups(schema: EntrySchema) -> dict[str, Group]:
    return {key: Group(group.build, group.search) for key, group in schema.groups.items()}


def _checked(
    schema: EntrySchema, document: Document, *, name: str, **own: Any
) -> AlgorithmDefinition:
    """Return a definition with what both kinds of entries say alike, after all checks."""
    _check_requirements(schema.requires, document.place((name, "requires")))
    where, require = _expressions(name, schema, document)
    definition = AlgorithmDefinition(
        name=name,
        family=schema.family,
        requires=tuple(schema.requires),
        isolated=schema.environment == "isolated",
        where=where,
        require=require,
        tune=_space(schema.tune),
        exact_order=schema.exact_order,
        floor=schema.floor,
        expected_failures=schema.expected_failures,
        in_answers=schema.in_answers,
        pausable=schema.pausable,
        origin=document.place((name,)),
        **own,
    )
    _check_parameters(definition, document)
    return definition


def _foreign_adapter(
    name: str, schema: ForeignSchema, folder: PluginFolder, document: Document
) -> ForeignAdapter:
    """Return the adapter that an entry names; a relative path starts at the registry file."""
    path = (folder.path / user_path(schema.path)).resolve()
    adapter = read_foreign(schema.from_, path, schema.algorithm, document.place((name, "path")))
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
    return replace(adapter, build_overlay=schema.build, search_overlay=schema.search)


def _check_metrics(schema: ForeignSchema, adapter: ForeignAdapter, place: str) -> None:
    wrong = [metric for metric in schema.metrics or () if metric not in adapter.metrics]
    if wrong or not adapter.metrics:
        raise UserError(
            f"{adapter.name} has no settings for {', '.join(wrong) or 'any metric of ours'}",
            where=place,
            expected="one of " + ", ".join(adapter.metrics) if adapter.metrics else None,
        )


def _space(schema: TuneSchema | None) -> Space:
    if schema is None:
        return Space()
    parts = (schema.build, schema.search)
    return Space(*({name: Axis.of(axis) for name, axis in axes.items()} for axes in parts))


def _check_adapter_file(folder: PluginFolder, module_file: str, place: str) -> None:
    if not (folder.path / f"{module_file}.py").is_file():
        files = [path.stem for path in folder.path.glob("*.py")]
        raise UserError(
            f"the adapter's file {module_file}.py is not in the folder {folder.path}",
            where=place,
            expected="FILE:CLASS, FILE without .py",
            hint=did_you_mean(module_file, files),
        )


def _check_requirements(requires: list[str], place: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    for text in requires:
        try:
            Requirement(text)
        except InvalidRequirement as error:
            raise UserError(
                f"not a pip requirement: {text!r}", where=place, got=str(error).splitlines()[0]
            ) from error


def _expressions(
    name: str, schema: EntrySchema, document: Document
) -> tuple[Expression | None, tuple[tuple[Expression, str], ...]]:
    where = None
    if schema.where is not None:
        where = parse_expression(schema.where, document.place((name, "where")))
    require = tuple(
        (parse_expression(text, document.place((name, "require", text))), reason)
        for text, reason in schema.require.items()
    )
    return where, require


def _check_space(definition: AlgorithmDefinition, document: Document) -> None:
    names = {part: definition.parameter_names(part) for part in ("build", "search")}
    for key, expected in faults_of(definition.tune, names):
        what = f"wrong value for {'.'.join(('tune', *key))!r}"
        place = document.place((definition.name, "tune", *key))
        raise UserError(what, where=place, expected=expected)


def _check_parameters(definition: AlgorithmDefinition, document: Document) -> None:
    build, search = definition.parameter_names("build"), definition.parameter_names("search")
    taken = {*FACTS, POST_FILTER}
    for name in sorted((build & search) | ((build | search) & taken)):
        raise UserError(
            f"the parameter name {name!r} is taken",
            where=document.place((definition.name, "search", name)),
            expected="names that differ in build and search and are none of "
            + ", ".join(sorted(taken)),
        )
    for number, names in enumerate(definition.one_of):
        defaults = [name for name in names if name in definition.build or name in definition.search]
        if len(defaults) != 1:
            raise UserError(
                f"which of {', '.join(names)} is the default?",
                where=document.place((definition.name, "one_of", number)),
                expected="exactly one of them in build or search of the entry",
                got=", ".join(defaults) or "none of them",
            )
    known = {*build, *search, *FACTS}
    expressions = [expression for expression, _ in definition.require]
    for expression in [definition.where, *expressions]:
        if expression is not None:
            expression.require_names(known)
    _check_space(definition, document)
    for group in (None, *definition.groups):
        place = document.place((definition.name, *(("groups", group) if group else ())))
        require_size(definition.settings_count(definition.variant(group)), definition.name, place)
