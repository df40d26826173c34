"""Which points are not precise enough yet, and what would help."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from harness.measures.verdicts import LEAST_BUILDS
from harness.results.point import PointHeader, StoredPoint
from harness.results.table.speeds import qps_interval_of, repeats_would_help
from harness.running.listener import Imprecise
from harness.text import counted

MOST_BUILDS_FOR_PRECISION = 20
_MOST_TIMES_THE_PASSES = 8


@dataclass
class Precision:
    """Asks for further builds of points until their QPS intervals are narrow enough.

    Parameters
    ----------
    share
        The half-width to reach, as a share of the QPS.
    repeats
        The repeats that the suite asks for.
    """

    share: float
    repeats: int
    _repeats: dict[str, int] = field(default_factory=dict)

    def misses(self, point: StoredPoint) -> bool:
        """Whether the interval of a point is too wide, or unknown."""
        return not half_width(point) <= self.share

    def next_repeats(self, point: StoredPoint) -> int:
        """Return the repeats of the point's next build; each call is for one build more.

        Twice the passes of the last one if the spread is within builds, up to eight times those of
        the first. Otherwise further builds help, with as many passes as before.
        """
        key = point.header.identity.key
        made = max(self.repeats, min(len(build.times) for build in point.builds))
        before = self._repeats.get(key, made)
        doubled = min(2 * before, _MOST_TIMES_THE_PASSES * made)
        self._repeats[key] = doubled if repeats_would_help(point) else before
        return self._repeats[key]

    def imprecise(self, header: PointHeader, point: StoredPoint, limit: str) -> Imprecise:
        """Return why a point stayed imprecise; `limit` is the reason why no block was added."""
        width = half_width(point)
        if math.isnan(width):
            made = counted(len(point.builds), "build")
            return Imprecise(header, width, f"{made}, {LEAST_BUILDS} are needed")
        passes = min(len(build.times) for build in point.builds)
        asked = min(build.facts.repeats_asked for build in point.builds)
        if passes < asked:
            limit = f"{passes} of {asked} repeats within search_seconds and half of timeout"
        return Imprecise(header, width, limit)


def half_width(point: StoredPoint) -> float:
    """Return half the QPS interval of a point as a share of the QPS; NaN if it is unknown."""
    interval = qps_interval_of(point)
    return (interval.high - interval.low) / (2 * interval.value)
