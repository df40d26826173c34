"""What is tuned: an algorithm on a dataset, the space of its parameters, and proposals in it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.contracts.definitions import Parameters
from harness.measures.tuning import Place
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.settings import Facts, can_run
from harness.registry.spaces import Axis, Space
from harness.running.environments.isolated import Environment, EnvironmentFailed
from harness.tuning.listing import Listing
from harness.tuning.proposing import KnownBuild, promising

Strategy = Literal["model", "random"]
"""Proposals by a model of what was tried, or all of them anywhere in the space."""

_FIRST = 4
"""So many builds are drawn from anywhere first, those of the grid counted."""

_POOL = 600
"""So many builds are drawn, of which the model chooses."""

_NEAR = 0.5
"""The share of these that are near the best so far."""

_CHANGED = 0.5
"""The share of its parameters in which such a build differs from it."""

_STEP = 0.15
"""The standard deviation of a change, as a share of the axis."""

_MOST_ATTEMPTS = 2000


@dataclass(frozen=True)
class Contender:
    """An algorithm that is tuned; `label` is its name in the suite.

    `first` are the builds of its grid, which are tried first. With `listed`, nothing else is tried
    than the settings that a file of another harness lists.
    """

    label: str
    definition: AlgorithmDefinition
    environment: Environment | EnvironmentFailed | None
    facts: Facts
    space: Space
    first: tuple[Parameters, ...]
    listed: Listing | None = None

    def settings(self, build: Parameters) -> list[tuple[Parameters, Place]]:
        """Return the search settings that a build can run under, each with its place."""
        if self.listed is not None:  # which of them have more recall is not known
            return [(one, Place(i, ())) for i, one in enumerate(self.listed.searches(build))]
        axes = {name: axis.rungs() for name, axis in self.space.search.items()}
        rising = [axis.is_monotone for axis in self.space.search.values()]
        ladders: dict[tuple[int, ...], int] = {}
        found: list[tuple[Parameters, Place]] = []
        for at in itertools.product(*(range(len(values)) for values in axes.values())):
            search = {name: values[i] for (name, values), i in zip(axes.items(), at, strict=True)}
            if can_run(self.definition, self.facts, build, search):
                fixed = tuple(i for i, rises in zip(at, rising, strict=True) if not rises)
                rung = tuple(i for i, rises in zip(at, rising, strict=True) if rises)
                found.append((search, Place(ladders.setdefault(fixed, len(ladders)), rung)))
        return found

    def proposals(
        self, known: Sequence[KnownBuild], best: Sequence[Parameters], seed: int,
        strategy: Strategy = "model",
    ) -> Iterator[Parameters]:  # fmt: skip
        """Yield builds that were not tried yet, those of the grid first, until none is found.

        Parameters
        ----------
        known
            What was tried, and what came of it.
        best
            The best builds so far: none, one, or those of a frontier.
        seed
            Of the proposals; another one for each number of builds tried.
        """
        seen = {build_id(one.build) for one in known}
        if self.listed is not None:
            builds = self.listed.shuffled_builds(seed)
            yield from (build for build in builds if build_id(build) not in seen)
            return
        rng = np.random.default_rng([seed, len(seen)])
        is_modelled = strategy == "model" and any(one.costs for one in known)
        if not is_modelled or len(seen) < _FIRST:
            yield from self._fresh(itertools.chain(self.first, self._drawn(rng, ())), seen)
            return
        yield from self._fresh(self.first, seen)
        pool = list(itertools.islice(self._fresh(self._drawn(rng, best), seen), _POOL))
        yield from promising(self.space.build, known, pool, rng)

    def _fresh(self, builds: Iterable[Parameters], seen: set[str]) -> Iterator[Parameters]:
        """Yield those that were not seen and can be built; what is looked at has been seen."""
        for build in builds:
            if build_id(build) not in seen:
                seen.add(build_id(build))
                if self._can_build(build):
                    yield build

    def _drawn(self, rng: np.random.Generator, best: Sequence[Parameters]) -> Iterator[Parameters]:
        for _ in range(_MOST_ATTEMPTS):
            if best and rng.random() < _NEAR:
                yield _near(self.space.build, best[int(rng.integers(len(best)))], rng)
            else:
                yield {name: axis.at(rng.random()) for name, axis in self.space.build.items()}

    def _can_build(self, build: Parameters) -> bool:
        """Whether any search setting can run; only the ends of their axes are looked at."""
        ends = [(axis.rungs()[0], axis.rungs()[-1]) for axis in self.space.search.values()]
        corners = (dict(zip(self.space.search, at, strict=True)) for at in itertools.product(*ends))
        return any(can_run(self.definition, self.facts, build, search) for search in corners)


def build_id(build: Parameters) -> str:
    """Return a text that is equal for equal builds."""
    return json.dumps(build, sort_keys=True)


def _near(axes: Mapping[str, Axis], best: Parameters, rng: np.random.Generator) -> Parameters:
    free = [name for name, axis in axes.items() if not axis.is_fixed]
    if not free:
        return best
    changed = [name for name in free if rng.random() < _CHANGED] or [str(rng.choice(free))]
    return {**best, **{name: _moved(axes[name], best.get(name), rng) for name in changed}}


def _moved(axis: Axis, value: object, rng: np.random.Generator) -> object:
    if axis.values and not axis.is_monotone:
        return axis.at(rng.random())
    share = axis.share_of(value) + _STEP * rng.standard_normal()
    return axis.at(min(max(share, 0.0), 1.0))
