"""The shapes of the marks of curves, the same in pictures and in the pages' scripts."""

from __future__ import annotations

from math import cos, pi, sin

_RADIUS = 4.8
_PLUS = (
    *((-1, -3), (1, -3), (1, -1), (3, -1), (3, 1), (1, 1)),
    *((1, 3), (-1, 3), (-1, 1), (-3, 1), (-3, -1), (-1, -1)),
)
# How many corners, the angle of the first in degrees, the radius of every other one.
_POLYGONS: dict[str, tuple[int, float, float]] = {
    "square": (4, 45, 1),
    "diamond": (4, 0, 1),
    "diamond-tall": (4, 0, 1),
    "triangle-up": (3, -90, 1),
    "triangle-down": (3, 90, 1),
    "triangle-left": (3, 180, 1),
    "triangle-right": (3, 0, 1),
    "pentagon": (5, -90, 1),
    "hexagon": (6, -90, 1),
    "star": (10, -90, 0.4),
}
_CIRCLE = (24, 0.0, 1.0)


def mark_corners(symbol: str, scale: float = 1.0) -> list[tuple[float, float]]:
    """Return the corners of a mark around (0, 0), y downwards, in pixels at scale 1."""
    if symbol == "cross":
        corners = [(1.4 * x, 1.4 * y) for x, y in _PLUS]
    elif symbol == "x":
        corners = [(float(x - y), float(x + y)) for x, y in _PLUS]
    else:
        corners = _polygon(*_POLYGONS.get(symbol, _CIRCLE), 0.6 if symbol == "diamond-tall" else 1)
    return [(round(scale * x, 2), round(scale * y, 2)) for x, y in corners]


def mark_points(symbol: str, scale: float = 1.0) -> str:
    """Return the same as the attribute `points` of an SVG polygon."""
    return " ".join(f"{x:g},{y:g}" for x, y in mark_corners(symbol, scale))


def _polygon(count: int, first: float, inner: float, width: float) -> list[tuple[float, float]]:
    corners = []
    for i in range(count):
        angle = (first + 360 * i / count) * pi / 180
        radius = _RADIUS * (inner if i % 2 else 1)
        corners.append((width * radius * cos(angle), radius * sin(angle)))
    return corners
