"""Expansion of a suite to its points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import metadata

from harness.contracts import UserError
from harness.contracts.dataset import Metric
from harness.contracts.definitions import Parameters
from harness.contracts.filters import FILTERED_SUFFIX, POST_FILTER
from harness.data.cache.cached import CachedDataset
from harness.errors import did_you_mean
from harness.files.source_code import source_sha256
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.expressions import NotComputable
from harness.registry.registry import Registry
from harness.registry.settings import Facts, Setting, settings
from harness.registry.suites import Suite, Variant
from harness.results.identity import (
    LIBRARIES_IN_ALL_KEYS,
    NOT_INSTALLED,
    Machine,
    PointIdentity,
)
from harness.results.point import PointHeader
from harness.results.store import ResultStore
from harness.running.environments.isolated import Environment, EnvironmentFailed, Environments
from harness.text import clean, counted

NO_OP = "no-op"
"""The algorithm that runs with every suite and measures the harness overhead."""

MOST_POINTS = 100_000
"""Of one run, on all of its datasets."""

_VERSION_CHARACTERS = 100


@dataclass(frozen=True)
class PlannedPoint:
    """A point of a suite; `refusal` is the reason why it cannot run.

    `environment` is that of an isolated algorithm, or the reason why it could not be made.
    """

    header: PointHeader
    definition: AlgorithmDefinition
    refusal: str | None
    environment: Environment | EnvironmentFailed | None = None

    @property
    def runs(self) -> bool:
        """Whether there is something to measure."""
        return self.refusal is None and not isinstance(self.environment, EnvironmentFailed)


@dataclass(frozen=True)
class DatasetFacts:
    """The facts of a dataset for a plan; `fingerprint` is empty if the rows are not available.

    `n`, `d` and `nq` are base rows, dimensions and queries.
    """

    name: str
    metric: Metric
    fingerprint: str
    n: int
    d: int
    nq: int

    @property
    def is_filtered(self) -> bool:
        """Whether each query has a filter."""
        return self.name.endswith(FILTERED_SUFFIX)


@dataclass(frozen=True)
class Plan:
    """All points of a suite, each once, in the order of the suite."""

    suite: Suite
    datasets: Mapping[str, CachedDataset]
    points: Sequence[PlannedPoint]


def plan_suite(
    suite: Suite,
    registry: Registry,
    datasets: Mapping[str, CachedDataset],
    machine: Machine,
    only: Sequence[str] = (),
    environments: Environments | None = None,
) -> Plan:
    """Return the points of a suite.

    Parameters
    ----------
    datasets
        The opened datasets, by their own names.
    only
        Algorithms or labels to keep; all if empty.
    environments
        The environments of the isolated algorithms; by default those that are already made.

    Raises
    ------
    UserError
        If k is larger than a base, or if a setting written by hand cannot run on the only dataset.
    """
    facts = map(facts_of, datasets.values())
    points = plan_points(suite, registry, facts, machine, only, environments)
    return Plan(suite, datasets, points)


def facts_of(dataset: CachedDataset) -> DatasetFacts:
    """Return the facts of an opened dataset for a plan."""
    n, d = dataset.base.shape
    nq = len(dataset.queries)
    return DatasetFacts(dataset.name, dataset.metric, dataset.fingerprint, n, d, nq)


def plan_points(
    suite: Suite,
    registry: Registry,
    datasets: Iterable[DatasetFacts],
    machine: Machine,
    only: Sequence[str] = (),
    environments: Environments | None = None,
) -> list[PlannedPoint]:
    """Return the points of a suite from facts of the datasets, which need not be opened."""
    variants = chosen_variants(suite, registry, only)
    environments = environments or Environments()
    points: dict[str, PlannedPoint] = {}
    empty = {variant.label for variant in variants}
    for dataset in datasets:
        _require_timed_one_by_one(suite, dataset)
        for k in suite.ks:
            facts = _facts(dataset, k)
            for variant in variants:
                definition = registry.algorithm(variant.algorithm)
                held = environments.of(definition)
                found = list(_points(suite, variant, definition, dataset, facts, machine, held))
                if found:
                    empty.discard(variant.label)
                for point in found:
                    points.setdefault(point.header.identity.key, point)
                if len(points) > MOST_POINTS:
                    raise UserError(
                        f"the suite {suite.name} has more than {MOST_POINTS:,} points",
                        where=str(suite.path),
                        hint="split it, or shorten its lists of values, k and datasets",
                    )
    for variant in variants:
        if variant.label in empty:
            raise _nothing_left(variant, registry.algorithm(variant.algorithm), suite.ks)
    return list(points.values())


def _nothing_left(
    variant: Variant, definition: AlgorithmDefinition, ks: Sequence[int]
) -> UserError:
    """The error of a variant of which nothing would be measured."""
    given = {**variant.build, **variant.search}
    values = ", ".join(f"{name}: {value}" for name, value in given.items())
    return UserError(
        f"no setting of {variant.label} is one to measure",
        where=variant.origin,
        expected=definition.where.text if definition.where else "a value of every parameter",
        got=f"{values or 'the values of its entry'}, with k = {', '.join(map(str, ks))}",
        hint="change these values, or leave the algorithm out",
    )


def retried(statuses: Iterable[str]) -> frozenset[str]:
    """Return the statuses of stored failures that a run tries again.

    These, and those that are no fault of the algorithm: `unsupported` and `lost`.
    """
    return frozenset({*statuses, "unsupported", "lost"})


def missing_builds(
    store: ResultStore,
    header: PointHeader,
    wanted: Mapping[int, int],
    again: frozenset[str] = frozenset(),
) -> dict[int, int]:
    """Return the builds of a point that are not stored, with their repeats, by number.

    A point that is stored as failed lacks none, unless failures of its status are tried `again`.
    """
    failure = store.failure(header)
    if failure is not None and failure.status not in again:
        return {}
    have = store.settled(header)
    return {n: repeats for n, repeats in wanted.items() if have.get(n, 0) < repeats}


def chosen_variants(suite: Suite, registry: Registry, only: Sequence[str] = ()) -> list[Variant]:
    """Return the variants of a run: those of the suite, and `no-op` for the harness overhead."""
    return [*_chosen(suite, only), *_no_op(suite, registry)]


def _chosen(suite: Suite, only: Sequence[str]) -> list[Variant]:
    chosen = [v for v in suite.variants if not only or {v.algorithm, v.label} & set(only)]
    known = {name for v in suite.variants for name in (v.algorithm, v.label)}
    for name in only:
        if name not in known:
            raise UserError(
                f"the suite {suite.name} has no algorithm {name!r}",
                where=str(suite.path),
                expected="one of " + ", ".join(sorted(known)),
                hint=did_you_mean(name, known),
            )
    return chosen


def _no_op(suite: Suite, registry: Registry) -> list[Variant]:
    listed = any(variant.algorithm == NO_OP for variant in suite.variants)
    if listed or NO_OP not in registry.algorithms:
        return []
    return [Variant(NO_OP, NO_OP, None, {}, {}, str(suite.path))]


def _facts(dataset: DatasetFacts, k: int) -> Facts:
    if k > dataset.n:
        raise UserError(
            f"k is larger than the base of {dataset.name}",
            expected=f"k of at most {dataset.n}",
            got=f"k = {k}",
            hint="lower k in the suite, or take a larger dataset",
        )
    return Facts(k=k, n=dataset.n, d=dataset.d, metric=dataset.metric)


def _points(
    suite: Suite,
    variant: Variant,
    definition: AlgorithmDefinition,
    dataset: DatasetFacts,
    facts: Facts,
    machine: Machine,
    environment: Environment | EnvironmentFailed | None,
) -> Iterator[PlannedPoint]:
    missing = _missing(definition)
    versions = library_versions(definition.requires, environment)
    source = source_sha256(*definition.source_folders)
    alone = len(suite.datasets) == 1
    missing = missing or _too_many_clients(suite, machine)
    for setting in _settings(variant, definition, facts):
        if setting.refusal and setting.refusal_by_hand and alone:
            raise UserError(
                f"{definition.name} cannot run like this on {dataset.name}",
                where=variant.origin,
                expected=setting.refusal,
                got=setting.build_name or setting.search_name,
            )
        identity = PointIdentity(
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            metric=dataset.metric,
            algorithm=definition.name,
            adapter_sha256=source,
            build=setting.build,
            search=setting.search,
            k=facts.k,
            mode=suite.mode,
            threads=suite.threads,
            build_threads=suite.build_threads or machine.cores,
            machine=machine,
            versions=versions,
        )
        parts = [setting.build_name, setting.search_name]
        header = PointHeader(
            identity=identity,
            label=variant.label,
            name=clean(" | ".join(part for part in parts if part)),
            n=facts.n,
            d=facts.d,
            nq=dataset.nq,
            in_answers=definition.in_answers,
        )
        refusal = setting.refusal or _no_filtering(definition, dataset, setting.search) or missing
        for load in suite.loads or (None,):
            asked = replace(header, identity=replace(identity, load=load))
            yield PlannedPoint(asked, definition, refusal, environment)


def _settings(variant: Variant, definition: AlgorithmDefinition, facts: Facts) -> Iterator[Setting]:
    """The settings of an algorithm; an error names the suite if the values are from there."""
    try:
        yield from settings(definition, facts, variant.group, variant.build, variant.search)
    except NotComputable as error:
        if not variant.build and not variant.search:
            raise
        raise UserError(
            f"a value of {definition.name} does not fit its entry: {error.what}",
            where=variant.origin,
            expected=f"what the expression at {error.where} can be computed for",
            got=error.got,
        ) from error


def _require_timed_one_by_one(suite: Suite, dataset: DatasetFacts) -> None:
    if dataset.is_filtered and suite.mode != "single":
        raise UserError(
            "queries with filters are asked one by one",
            where=str(suite.path),
            expected="mode: single",
            got=f"mode: {suite.mode}",
        )


def _no_filtering(
    definition: AlgorithmDefinition, dataset: DatasetFacts, search: Parameters
) -> str | None:
    """Return why a setting cannot answer the queries of a dataset with or without filters."""
    factor: object = search.get(POST_FILTER)
    if not dataset.is_filtered:
        return f"{POST_FILTER} is for queries with filters" if POST_FILTER in search else None
    if POST_FILTER in search:
        good = isinstance(factor, int | float) and not isinstance(factor, bool) and factor > 0
        return None if good else f"{POST_FILTER} is a number above 0 ({POST_FILTER}={factor})"
    if definition.filtered is None:
        return f"it does not search with filters; a suite can give it {POST_FILTER}"
    return None


def _too_many_clients(suite: Suite, machine: Machine) -> str | None:
    """Why a schedule cannot be kept here: a client needs a processor to itself."""
    if suite.mode != "load" or suite.threads <= machine.cores:
        return None
    clients, cores = counted(suite.threads, "client"), counted(machine.cores, "processor")
    return f"{clients} under load need as many processors, this machine has {cores}"


def _missing(definition: AlgorithmDefinition) -> str | None:
    missing = definition.missing()
    if not missing:
        return None
    return f"not installed: {', '.join(missing)} ({definition.install_line()})"


def library_versions(
    requires: Sequence[str], environment: Environment | EnvironmentFailed | None = None
) -> dict[str, str]:
    """Return the versions of the distributions that can change a figure, by their metadata.

    Parameters
    ----------
    environment
        Where to look; the harness's own environment if None.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    names = (*LIBRARIES_IN_ALL_KEYS, *(Requirement(text).name for text in requires))
    if environment is None:
        return {name: _version_here(name) for name in names}
    inside = {} if isinstance(environment, EnvironmentFailed) else environment.versions
    return {name: inside.get(canonicalize_name(name), NOT_INSTALLED) for name in names}


@lru_cache(maxsize=256)
def _version_here(name: str) -> str:
    try:
        return clean(metadata.version(name), _VERSION_CHARACTERS)
    except metadata.PackageNotFoundError:
        return NOT_INSTALLED
