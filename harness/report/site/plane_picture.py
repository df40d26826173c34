"""The picture of the data on the page of a dataset: base rows and queries on a plane."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from harness.data.plane import Place, Plane
from harness.text import Json

_WIDTH, _ROOM = 420, 8
_CROSS = "l3 3m0-3l-3 3"


def plane_values(dataset: str, plane: Plane) -> Json:
    """Return the picture of a dataset with its counts and the share of variance, as text."""
    return {
        "picture": _picture(dataset, plane),
        "rows": f"{len(plane.base):,}",
        "queries": f"{len(plane.queries):,}",
        "share": _percent(plane.share),
    }


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %"


def _picture(dataset: str, plane: Plane) -> Markup:
    """Dots and crosses, both axes of one scale, in one path each: pages stay small."""
    every = [*plane.base, *plane.queries]
    left, right = min(x for x, _ in every), max(x for x, _ in every)
    low, high = min(y for _, y in every), max(y for _, y in every)
    scale = (_WIDTH - 2 * _ROOM) / max(right - left, high - low)
    aside = (_WIDTH - scale * (right - left)) / 2
    height = scale * (high - low) + 2 * _ROOM

    def pixels(places: Iterable[Place]) -> Iterable[tuple[float, float]]:
        for x, y in places:
            yield aside + scale * (x - left), _ROOM + scale * (high - y)

    dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in pixels(plane.base))
    crosses = "".join(f"M{x - 1.5:.1f} {y - 1.5:.1f}{_CROSS}" for x, y in pixels(plane.queries))
    return Markup(
        '<svg class="picture" role="img" aria-label="{}" viewBox="0 0 {} {}">'
        '<path class="row-dots" d="{}"/><path class="query-crosses" d="{}"/></svg>'
    ).format(
        f"sampled base rows and queries of {dataset} on two principal components",
        _WIDTH,
        f"{height:.0f}",
        dots,
        crosses,
    )
