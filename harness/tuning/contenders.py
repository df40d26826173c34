"""What is tuned: an algorithm on a dataset, the space of its parameters, and proposals in it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from harness.contracts.definitions import Parameters
from harness.measures.ladders import Place
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.settings import Facts, can_run
from harness.registry.spaces import Axis, Space
from harness.running.environments.isolated import Environment, EnvironmentFailed
from harness.tuning.listing import Listing
from harness.tuning.model import KnownBuild, build_id
from harness.tuning.proposing import Wanted, promising

Strategy = Literal["model", "random"]
"""By a model of what was tried, or with all proposals anywhere in the space."""

_FIRST = 4
"""So many builds are drawn from anywhere first, those of the grid counted."""

_POOL = 600
"""So many builds are drawn, of which the model chooses."""

_CHANGED = 0.5
"""The share of its parameters in which such a build differs from it."""

_STEP = 0.15
"""The standard deviation of a change, as a share of the axis."""

_MOST_ATTEMPTS = 2000


@dataclass(frozen=True)
class Contender:
    """An algorithm that is tuned; `label` is its name in the suite.

    `first` are the builds of its grid, which are tried first. With `listed`, nothing else is tried
    than the settings that a file of another harness lists. `facts` are those of all rows, also if
    its builds are made of a sample of `sample_rows`. `strategy` is how its space is searched.
    """

    label: str
    definition: AlgorithmDefinition
    environment: Environment | EnvironmentFailed | None
    facts: Facts
    space: Space
    first: tuple[Parameters, ...]
    listed: Listing | None = None
    sample_rows: int | None = None
    strategy: Strategy = "model"

    @property
    def is_modelled(self) -> bool:
        """Whether there is a model of its builds."""
        return self.strategy == "model" and self.listed is None

    @property
    def rows(self) -> int:
        """The number of rows that its builds are made of."""
        return self.facts.n if self.sample_rows is None else self.sample_rows

    def on(self, sample_rows: int | None) -> Contender:
        """Return the contender on a sample of the rows, or on all."""
        return replace(self, sample_rows=sample_rows)

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
            if self._can_run(build, search):
                fixed = tuple(i for i, rises in zip(at, rising, strict=True) if not rises)
                rung = tuple(i for i, rises in zip(at, rising, strict=True) if rises)
                found.append((search, Place(ladders.setdefault(fixed, len(ladders)), rung)))
        return found

    def proposals(
        self, known: Sequence[KnownBuild], best: Sequence[Parameters], seed: int,
        most_seconds: float = math.inf,
    ) -> Iterator[Parameters]:  # fmt: skip
        """Yield builds that were not tried yet, those of the grid first, until none is found.

        After builds of samples, those of the grid are no longer preferred on all rows.

        Parameters
        ----------
        known
            What was tried, on a sample or on all rows, and what came of it.
        best
            The best builds so far: none, one, or those of a frontier, and of each sample.
        seed
            Of the proposals; another one for each number of builds tried.
        most_seconds
            No build is proposed that is expected to take longer on all rows.
        """
        seen = {build_id(one.build) for one in known if one.sample_rows == self.sample_rows}
        if self.listed is not None:
            builds = self.listed.shuffled_builds(seed)
            yield from (build for build in builds if build_id(build) not in seen)
            return
        rng = np.random.default_rng([seed, len(seen)])
        tried = {build_id(one.build) for one in known}
        is_modelled = self.is_modelled and any(one.costs for one in known)
        if not is_modelled or len(tried) < _FIRST:
            yield from self._fresh(itertools.chain(self.first, self._drawn(rng, ())), seen)
            return
        on_samples = [one.build for one in known if one.sample_rows is not None]
        if self.sample_rows is not None or not on_samples:
            yield from self._fresh(self.first, seen)
        drawn = itertools.chain(self.first, on_samples, self._drawn(rng, best))
        pool = list(itertools.islice(self._fresh(drawn, seen), _POOL))
        pool = pool or list(itertools.islice(self._fresh(self._drawn(rng, ()), seen), _POOL))
        if not pool:
            return
        wanted = Wanted(self.facts.n, self.sample_rows, most_seconds)
        yield from promising(self.space.build, known, pool, rng, wanted)

    def _fresh(self, builds: Iterable[Parameters], seen: set[str]) -> Iterator[Parameters]:
        """Yield those that were not seen and can be built; what is looked at has been seen."""
        for build in builds:
            if build_id(build) not in seen:
                seen.add(build_id(build))
                if self._can_build(build):
                    yield build

    def _drawn(self, rng: np.random.Generator, best: Sequence[Parameters]) -> Iterator[Parameters]:
        """Builds near the best; from anywhere, if there is none.

        Far away the model knows nothing, and would send most builds into corners of the space.
        """
        for _ in range(_MOST_ATTEMPTS):
            if best:
                yield _near(self.space.build, best[int(rng.integers(len(best)))], rng)
            else:
                yield {name: axis.at(rng.random()) for name, axis in self.space.build.items()}

    def _can_build(self, build: Parameters) -> bool:
        """Whether any search setting can run; only the ends of their axes are looked at."""
        ends = [(axis.at(0.0), axis.at(1.0)) for axis in self.space.search.values()]
        corners = (dict(zip(self.space.search, at, strict=True)) for at in itertools.product(*ends))
        return any(self._can_run(build, search) for search in corners)

    def _can_run(self, build: Parameters, search: Parameters) -> bool:
        return can_run(self.definition, replace(self.facts, n=self.rows), build, search)


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
