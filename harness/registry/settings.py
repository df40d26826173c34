"""The settings of an algorithm: every point of its grids, with the reason if it cannot run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.contracts.dataset import Metric
from harness.contracts.definitions import Parameters
from harness.registry.algorithms import AlgorithmDefinition, Group
from harness.registry.grid import combinations, overlaid, short_name
from harness.registry.spaces import Space, axes_of


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
    variant = definition.variant(group, build, search)
    for build_values, search_values in grid_points(definition, facts, variant):
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
    variant = definition.variant(group, build, search)
    whole = definition.grids(variant)
    return Space(
        axes_of(definition.tune.build, whole[0], variant.build),
        axes_of(definition.tune.search, whole[1], variant.search),
    )


def can_run(
    definition: AlgorithmDefinition, facts: Facts, build: Parameters, search: Parameters
) -> bool:
    """Whether `where` keeps a setting, and nothing refuses it."""
    values = _values(definition, build, search, facts)
    dropped = definition.where is not None and not definition.where.holds(values)
    return not dropped and _refusal(definition, facts, values)[0] is None


def dropped(
    definition: AlgorithmDefinition, facts: Facts
) -> Iterator[tuple[Parameters, Parameters]]:
    """Yield the build and search values that `where` leaves out of the grid of an entry."""
    for build, search in grid_points(definition, facts, definition.variant()):
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


def grid_points(
    definition: AlgorithmDefinition, facts: Facts, variant: Group
) -> Iterator[tuple[Parameters, Parameters]]:
    """Yield build and search values: a product for ours, run group by run group for foreign."""
    if definition.foreign is not None:
        has_it = facts.metric in definition.foreign.metrics
        metric = facts.metric if has_it else definition.foreign.metrics[0]
        settings = definition.foreign.settings(metric, facts.k, facts.d, variant.run_group)
        yield from overlaid(settings, variant.build, variant.search)
        return
    build, search = definition.grids(variant)
    for build_values in combinations(build):
        for search_values in combinations(search):
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
