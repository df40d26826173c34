"""The space of an algorithm's parameters: what `annharness tune` may set them to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from harness.contracts.definitions import Parameters
from harness.registry.schema.entries import AxisSchema

MOST_RUNGS = 2000
"""Of the search settings that one build of a space may have."""

_STEP = 1.05  # between rungs of a logarithmic range
_LINEAR_RUNGS = 51


@dataclass(frozen=True)
class Axis:
    """The values that a parameter may take: a list, or the numbers from `low` to `high`.

    `is_log`: by their logarithm. `is_monotone`: a larger value never lowers recall.
    """

    values: tuple[object, ...] = ()
    low: float = 0.0
    high: float = 0.0
    is_whole: bool = False
    is_log: bool = False
    is_monotone: bool = False

    @classmethod
    def of(cls, schema: AxisSchema) -> Axis:
        """Return the axis that a checked entry describes."""
        monotone = schema.monotone is not None
        if schema.values is not None:
            return cls(tuple(schema.values), is_monotone=monotone)
        low, high = schema.int_ or schema.float_ or [0.0, 0.0]
        return cls((), low, high, schema.int_ is not None, schema.log, monotone)

    @property
    def is_fixed(self) -> bool:
        """Whether there is only one value."""
        return len(self.values) == 1

    def at(self, share: float) -> object:
        """Return the value at a share of the way from the first to the last, 0 to 1."""
        if self.values:
            return self.values[min(int(share * len(self.values)), len(self.values) - 1)]
        low, high = self._ends()
        value = low + (high - low) * min(max(share, 0.0), 1.0)
        value = math.exp(value) if self.is_log else value
        value = min(max(value, self.low), self.high)
        return round(value) if self.is_whole else value

    def share_of(self, value: object) -> float:
        """Return where a value is, 0 to 1; 0.5 if it is not on the axis."""
        if self.values:
            known = value in self.values
            return (self.values.index(value) + 0.5) / len(self.values) if known else 0.5
        if not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            return 0.5
        low, high = self._ends()
        return ((math.log(value) if self.is_log else value) - low) / (high - low)

    def rungs(self) -> list[object]:
        """Return the values in their order; of a range, numbers 5 % or a fiftieth of it apart."""
        if self.values:
            return list(self.values)
        low, high = self._ends()
        count = math.ceil((high - low) / math.log(_STEP)) + 1 if self.is_log else _LINEAR_RUNGS
        return list(dict.fromkeys(self.at(i / (count - 1)) for i in range(count)))

    def _ends(self) -> tuple[float, float]:
        return (math.log(self.low), math.log(self.high)) if self.is_log else (self.low, self.high)

    def to_json(self) -> object:
        """Return what an entry would say."""
        if self.values:
            return list(self.values)
        kind = "int" if self.is_whole else "float"
        return {kind: [self.low, self.high], **({"log": True} if self.is_log else {})}


@dataclass(frozen=True)
class Space:
    """The axes of the build and of the search parameters of an algorithm."""

    build: Mapping[str, Axis] = field(default_factory=dict)
    search: Mapping[str, Axis] = field(default_factory=dict)

    @property
    def rungs(self) -> int:
        """How many search settings one build has."""
        return math.prod(len(axis.rungs()) for axis in self.search.values())

    def to_json(self) -> dict[str, object]:
        """Return what an entry would say."""
        return {
            part: {name: axis.to_json() for name, axis in axes.items()}
            for part, axes in (("build", self.build), ("search", self.search))
        }


def narrowed(axis: Axis | None, given: object) -> Axis:
    """Return the axis of a parameter that a suite sets to a value or a list of values."""
    values = tuple(given) if isinstance(given, list) else (given,)
    return Axis(values, is_monotone=axis is not None and axis.is_monotone and ascend(values))


def axes_of(tuned: Mapping[str, Axis], grid: Parameters, laid: Parameters) -> dict[str, Axis]:
    """Return the axes of one part of an entry: what is laid over it, its space, else its grid."""
    return {
        name: narrowed(tuned.get(name), value) if name in laid or name not in tuned else tuned[name]
        for name, value in grid.items()
    }


def ascend(values: Sequence[object]) -> bool:
    """Whether values are numbers, each larger than the one before."""
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    return len(numbers) == len(values) and all(a < b for a, b in pairwise(numbers))


def faults_of(space: Space, names: Mapping[str, set[str]]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what is wrong with the space of an entry: the key, and what was expected there.

    Parameters
    ----------
    names
        The parameters of `build` and `search` that can be set.
    """
    for part, axes in (("build", space.build), ("search", space.search)):
        for name, axis in axes.items():
            if name not in names[part]:
                yield (part, name), f"one of {', '.join(sorted(names[part])) or 'none'}"
            elif axis.is_monotone and part == "build":
                yield (part, name), "`monotone` of search parameters only"
            elif axis.is_monotone and axis.values and not ascend(axis.values):
                yield (part, name), "ascending numbers, for `monotone: recall`"
    if space.rungs > MOST_RUNGS:
        yield ("search",), f"at most {MOST_RUNGS:,} settings; give some parameters `values`"
