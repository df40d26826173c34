"""Settings that a file lists one by one, as those of other harnesses: what can be tried of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.contracts.definitions import Parameters
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.foreign_grids import ForeignAdapter
from harness.registry.settings import Facts, grid_points
from harness.registry.spaces import Axis, Space
from harness.registry.suites import Variant
from harness.text import Json


@dataclass(frozen=True)
class ListedSetting:
    """A build with a search setting; `group` is a group of the entry that a suite can take it from.

    With its values laid over that group, it is the only setting.
    """

    build: Parameters
    search: Parameters
    group: str | None


@dataclass(frozen=True)
class Listing:
    """The settings that can be tried, in the order of their file."""

    settings: tuple[ListedSetting, ...]

    @classmethod
    def of(
        cls,
        foreign: ForeignAdapter,
        definition: AlgorithmDefinition,
        facts: Facts,
        variant: Variant,
        points: Iterable[tuple[Parameters, Parameters]],
    ) -> Listing:
        """Return the settings of a variant that a suite can name.

        Parameters
        ----------
        foreign
            The adapter of the definition.
        points
            The build and search settings of the variant that can run.
        """
        owners: dict[str, str | None] = {}
        for group in [variant.group] if variant.group else [None, *foreign.run_group_names()]:
            laid = definition.variant(group, variant.build, variant.search)
            own = list(grid_points(definition, facts, laid))
            names = [{name for pair in own for name in pair[part]} for part in (0, 1)]
            for pair in own:
                if [set(pair[0]), set(pair[1])] == names:  # else other settings keep what they add
                    owners.setdefault(_id(pair), group)
        return cls(
            tuple(ListedSetting(*pair, owners[_id(pair)]) for pair in points if _id(pair) in owners)
        )

    @property
    def space(self) -> Space:
        """The values of each parameter; not all combinations are listed."""
        return Space(
            _axes(one.build for one in self.settings), _axes(one.search for one in self.settings)
        )

    def to_json(self) -> list[Json]:
        """Return what is listed, as plain data."""
        return [{"build": one.build, "search": one.search} for one in self.settings]

    def searches(self, build: Parameters) -> list[Parameters]:
        """Return the search settings that are listed for a build."""
        return [one.search for one in self.settings if one.build == build]

    def group(self, build: Parameters, search: Parameters) -> str | None:
        """Return the group from which a suite can take a setting."""
        found = (one.group for one in self.settings if (one.build, one.search) == (build, search))
        return next(found, None)

    def shuffled_builds(self, seed: int) -> Iterator[Parameters]:
        """Yield each build once: the first of the file, and the others in random order.

        Files list parameters in ascending order, so that a search which ends early would see small
        values only.
        """
        builds = list({_id(one.build): one.build for one in self.settings}.values())
        yield from builds[:1]
        for i in np.random.default_rng(seed).permutation(len(builds) - 1):
            yield builds[int(i) + 1]


def _id(parameters: Parameters | tuple[Parameters, Parameters]) -> str:
    return json.dumps(parameters, sort_keys=True)


def _axes(settings: Iterable[Parameters]) -> dict[str, Axis]:
    values: dict[str, dict[str, object]] = {}
    for setting in settings:
        for name, value in setting.items():
            values.setdefault(name, {})[json.dumps(value, sort_keys=True)] = value
    return {name: Axis(tuple(found.values())) for name, found in values.items()}
