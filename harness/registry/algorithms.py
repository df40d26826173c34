"""Algorithm entries: from a checked file to definitions, and from grids to settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.contracts import UserError
from harness.contracts.dataset import Metric
from harness.contracts.definitions import Family, Parameters
from harness.contracts.filters import POST_FILTER, FilterForm
from harness.errors import did_you_mean
from harness.registry.expressions import Expression, parse_expression
from harness.registry.foreign import is_foreign, read_foreign_entry
from harness.registry.foreign_grids import ForeignAdapter
from harness.registry.grid import (
    combinations,
    merged,
    overlaid,
    require_size,
    short_name,
    size_of,
)
from harness.registry.plugins import PluginFolder, missing_requirements, other_versions
from harness.registry.schema.checking import check, read_entries
from harness.registry.schema.entries import AlgorithmSchema, ForeignSchema, TuneSchema
from harness.registry.spaces import Axis, Space, axes_of, faults_of
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


@dataclass(frozen=True)
class Setting:
    """One build and one search setting of an algorithm. `refusal` says why it cannot run."""

    build: Parameters
    search: Parameters
    build_name: str
    search_name: str
    refusal: str | None = None
    refusal_by_hand: bool = False


@dataclass(frozen=True)
class Facts:
    """What a grid is expanded for."""

    k: int
    n: int
    d: int
    metric: Metric


def read_algorithms(folder: PluginFolder) -> list[AlgorithmDefinition]:
    """Return the entries of one plug-in folder.

    Raises
    ------
    UserError
        Names the file, the line and the key of each mistake.
    """
    document = read_entries(folder.config, "algorithm", "name: {adapter: ..., ...}")
    return [_definition(name, folder, document) for name in document.data]


def settings(
    definition: AlgorithmDefinition,
    facts: Facts,
    group: str | None = None,
    build: Parameters | None = None,
    search: Parameters | None = None,
) -> Iterator[Setting]:
    """Yield the settings of a definition, those that cannot run with the reason.

    Parameters
    ----------
    group
        A named group of the entry, laid over its grids.
    build, search
        Grids given by hand, laid over that.
    """
    by_hand = {*(build or {}), *(search or {})}
    for build_values, search_values in _laid_over(definition, facts, group, build, search):
        values = _values(definition, build_values, search_values, facts)
        if definition.where is not None and not definition.where.holds(values):
            continue
        refusal, blame = _refusal(definition, facts, values)
        yield Setting(
            build=build_values,
            search=search_values,
            build_name=short_name(build_values, definition.build),
            search_name=short_name(search_values, definition.search),
            refusal=refusal,
            refusal_by_hand=bool(blame & by_hand),
        )


def settings_count(
    definition: AlgorithmDefinition,
    group: str | None = None,
    build: Parameters | None = None,
    search: Parameters | None = None,
) -> int:
    """Return how many settings there are at most, before `where` drops some; else as `settings`."""
    laid = _group_laid_over(definition, group, build, search)
    if definition.foreign is not None:
        own = definition.foreign.settings_count(laid.run_group)
        return own * size_of(laid.build, laid.search)
    one_of = definition.one_of
    return size_of(
        merged(definition.build, laid.build, one_of=one_of),
        merged(definition.search, laid.search, one_of=one_of),
    )


def space_of(
    definition: AlgorithmDefinition,
    group: str | None = None,
    build: Parameters | None = None,
    search: Parameters | None = None,
) -> Space:
    """Return what the parameters of a definition may be tuned to; else as `settings`.

    What a group or a hand has set keeps its values; else they are those of the entry's space, and
    of its grid where that says nothing.
    """
    laid, one_of = _group_laid_over(definition, group, build, search), definition.one_of
    whole = merged(definition.build, laid.build, one_of=one_of)
    every = merged(definition.search, laid.search, one_of=one_of)
    return Space(
        axes_of(definition.tune.build, whole, laid.build),
        axes_of(definition.tune.search, every, laid.search),
    )


def can_run(
    definition: AlgorithmDefinition, facts: Facts, build: Parameters, search: Parameters
) -> bool:
    """Whether `where` keeps a setting, and nothing refuses it."""
    values = _values(definition, build, search, facts)
    dropped = definition.where is not None and not definition.where.holds(values)
    return not dropped and _refusal(definition, facts, values)[0] is None


def dropped(
    definition: AlgorithmDefinition, facts: Facts, group: str | None = None
) -> Iterator[tuple[Parameters, Parameters]]:
    """Yield the build and search values that `where` leaves out of a grid."""
    for build, search in _laid_over(definition, facts, group):
        if definition.where is not None and not definition.where.holds(
            _values(definition, build, search, facts)
        ):
            yield build, search


def _values(
    definition: AlgorithmDefinition, build: Parameters, search: Parameters, facts: Facts
) -> Parameters:
    """Values of the names that expressions may use, at a point of the grid.

    Of parameters that exclude each other, those that are not given are null.
    """
    absent = {name: None for names in definition.one_of for name in names}
    known = {"k": facts.k, "n": facts.n, "d": facts.d, "metric": facts.metric}
    return {**absent, **search, **build, **known}


def _laid_over(
    definition: AlgorithmDefinition,
    facts: Facts,
    group: str | None,
    build: Parameters | None = None,
    search: Parameters | None = None,
) -> Iterator[tuple[Parameters, Parameters]]:
    """Yield every point of an entry's grids, overlaid by a group's and those given by hand."""
    laid = _group_laid_over(definition, group, build, search)
    return _grid_points(definition, facts, laid)


def _group_laid_over(
    definition: AlgorithmDefinition,
    group: str | None,
    build: Parameters | None,
    search: Parameters | None,
) -> Group:
    base = definition.groups[group] if group else Group()
    one_of = definition.one_of
    return Group(
        merged(base.build, build or {}, one_of=one_of),
        merged(base.search, search or {}, one_of=one_of),
        base.run_group,
    )


def _grid_points(
    definition: AlgorithmDefinition, facts: Facts, laid: Group
) -> Iterator[tuple[Parameters, Parameters]]:
    """Yield build and search values: a product for ours, run group by run group for foreign."""
    if definition.foreign is not None:
        has_it = facts.metric in definition.foreign.metrics
        metric = facts.metric if has_it else definition.foreign.metrics[0]
        settings = definition.foreign.settings(metric, facts.k, facts.d, laid.run_group)
        yield from overlaid(settings, laid.build, laid.search)
        return
    one_of = definition.one_of
    for build_values in combinations(merged(definition.build, laid.build, one_of=one_of)):
        for search_values in combinations(merged(definition.search, laid.search, one_of=one_of)):
            yield build_values, search_values


def _refusal(
    definition: AlgorithmDefinition, facts: Facts, values: Parameters
) -> tuple[str | None, frozenset[str]]:
    """Return why a setting cannot run, and the names that the refusing expression uses."""
    if facts.metric not in definition.metrics:
        return f"metric {facts.metric} is not among {', '.join(definition.metrics)}", frozenset()
    for names in definition.one_of:
        given = [name for name in names if values[name] is not None]
        if len(given) != 1:
            got = " ".join(f"{name}={values[name]}" for name in given) or "none of them"
            return f"exactly one of {', '.join(names)} ({got})", frozenset(names)
    for expression, reason in definition.require:
        if not expression.holds(values):
            used = " ".join(f"{name}={values[name]}" for name in sorted(expression.names))
            return f"{reason} ({used})", expression.names
    return None, frozenset()


def _definition(name: str, folder: PluginFolder, document: Document) -> AlgorithmDefinition:
    place = document.place((name,))
    if is_foreign(document.data[name]):
        return _foreign_definition(name, folder, document)
    schema = check(AlgorithmSchema, document.data[name], document, (name,))
    module_file, class_name = schema.adapter.split(":")
    _check_adapter_file(folder, module_file, document.place((name, "adapter")))
    _check_requirements(schema.requires, document.place((name, "requires")))
    where, require = _expressions(name, schema, document)
    definition = AlgorithmDefinition(
        name=name,
        about=schema.about,
        family=schema.family,
        metrics=tuple(schema.metrics),
        requires=tuple(schema.requires),
        isolated=schema.environment == "isolated",
        folder=folder,
        module_file=module_file,
        class_name=class_name,
        build=schema.build,
        search=schema.search,
        where=where,
        require=require,
        one_of=tuple(map(tuple, schema.one_of)),
        groups={key: Group(g.build, g.search) for key, g in schema.groups.items()},
        tune=_space(schema.tune),
        exact_order=schema.exact_order,
        floor=schema.floor,
        expected_failures=schema.expected_failures,
        in_answers=schema.in_answers,
        pausable=schema.pausable,
        origin=place,
        filtered=schema.filtered,
    )
    _check_parameters(definition, document)
    return definition


def _foreign_definition(name: str, folder: PluginFolder, document: Document) -> AlgorithmDefinition:
    entry = read_foreign_entry(name, folder, document)
    _check_requirements(entry.schema.requires, document.place((name, "requires")))
    where, require = _expressions(name, entry.schema, document)
    run_groups = {key: Group(run_group=key) for key in entry.adapter.run_group_names()}
    own_groups = {key: Group(g.build, g.search) for key, g in entry.schema.groups.items()}
    definition = AlgorithmDefinition(
        name=name,
        about=entry.about,
        family=entry.schema.family,
        metrics=entry.metrics,
        requires=tuple(entry.schema.requires),
        isolated=entry.schema.environment == "isolated",
        folder=folder,
        module_file="module",
        class_name=entry.adapter.constructor,
        build=entry.adapter.grid("build"),
        search=entry.adapter.grid("search"),
        where=where,
        require=require,
        one_of=(),
        groups={**run_groups, **own_groups},
        tune=_space(entry.schema.tune),
        exact_order=entry.schema.exact_order,
        floor=entry.schema.floor,
        expected_failures=entry.schema.expected_failures,
        in_answers=entry.schema.in_answers,
        pausable=entry.schema.pausable,
        origin=document.place((name,)),
        foreign=entry.adapter,
    )
    _check_parameters(definition, document)
    return definition


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
    name: str, schema: AlgorithmSchema | ForeignSchema, document: Document
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
    for part in ("build", "search"):
        for name, values in getattr(definition, part).items():
            if values == []:
                place = document.place((definition.name, part, name))
                raise UserError(f"no values for {name!r}", where=place, expected="at least one")
    for group in (None, *definition.groups):
        place = document.place((definition.name, *(("groups", group) if group else ())))
        require_size(settings_count(definition, group), definition.name, place)
