"""One colour, marker and dash for each curve, the same in every figure and page of a table.

Six of the colours are Okabe and Ito's (2008), which colour-blind readers can distinguish. The other
six were found by a search: as far as possible from these, from each other and from grey, for normal
and for simulated colour-blind vision (Machado, Oliveira and Fernandes 2009), and visible on white
and on a dark page. Markers and dashes distinguish further curves.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import cos, pi, sin
from typing import NamedTuple


class CurveStyle(NamedTuple):
    """`colour` is hexadecimal; `marker` is matplotlib's, `symbol` plotly's for the same shape."""

    colour: str
    marker: str
    symbol: str
    dash: str

    @property
    def is_grey(self) -> bool:
        """Whether the curve is drawn in grey, behind the others."""
        return self.colour == GREY

    @property
    def line(self) -> str:
        """Matplotlib's word for the dash."""
        return {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}[self.dash]

    @property
    def size(self) -> float:
        """How much larger the marker is drawn, so that all shapes look equally large."""
        return {
            "*": 1.9,
            "X": 1.2,
            "P": 1.25,
            "p": 1.2,
            "h": 1.15,
            "^": 1.15,
            "v": 1.15,
            "<": 1.15,
            ">": 1.15,
        }.get(self.marker, 1.0)


COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
    "#1e5a00", "#a5004b", "#d200d2", "#780fb4", "#8769ff", "#000fff",
)  # fmt: skip
GREY = "#9a9a9a"

_SYMBOLS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "X": "x",
    "P": "cross",
    "p": "pentagon",
    "<": "triangle-left",
    "h": "hexagon",
    ">": "triangle-right",
    "d": "diamond-tall",
}
_MARKERS = tuple(_SYMBOLS)
_DASHES = ("solid", "dash", "dot", "dashdot")
_FIXED = {
    "exact": CurveStyle("#000000", "*", "star", "solid"),
    "no-op": CurveStyle(GREY, "o", "circle", "solid"),
}
# The preferred colours of the names, and the order in which names choose.
_WISHES = {
    name: (place, turn)
    for place, names in enumerate(
        (
            ("pq", "faiss-ivf"),
            ("anisotropic-pq", "faiss-hnsw"),
            ("faiss-pq", "annoy"),
            ("scann-tree", "scann", "nanopq"),
            ("hnswlib", "faiss-opq"),
            ("rabitq-symqg", "scann-style-pq"),
            ("faiss-ivf-pq-fs", "faiss-pq-fs"),
            ("scann-soar", "pynndescent"),
            ("usearch", "faiss-rq"),
            ("svs", "vsag"),
            ("ngt", "faiss-sq"),
            ("rabitq-ivf", "notebook-anisotropic-pq"),
        )
    )
    for turn, name in enumerate(names)
}
_LAST = max(turn for _, turn in _WISHES.values()) + 1

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


def curve_styles(
    names: Iterable[str],
    together: Iterable[Sequence[str]] = (),
    possibly: Iterable[Sequence[str]] = (),
) -> dict[str, CurveStyle]:
    """Return the style of each curve. Pass all names of a table at once, for every figure.

    Parameters
    ----------
    names
        Names of curves. Known names get the colours they wish for, others one by a hash of their
        name, so that they keep it from table to table where it is free.
    together
        Groups of names that appear in one figure. Curves of one group have different colours, as
        long as they are no more than there are; no two of all have the same colour and marker.
    possibly
        Groups of names of which a figure may show any: their colours differ too, where those of
        `together` leave enough.
    """
    names = list(names)
    rivals, others = _neighbours(names, together), _neighbours(names, possibly)
    chosen: dict[str, int] = {}
    users: Counter[int] = Counter()
    found = {name: style for name, style in _FIXED.items() if name in rivals}
    wishes = {name: _WISHES.get(name, (_hashed(name), _LAST)) for name in rivals.keys() - found}
    for name in sorted(wishes, key=lambda name: (wishes[name][1], name)):
        near, beside = (
            Counter(chosen[other] for other in group[name] if other in chosen)
            for group in (rivals, others)
        )
        start = wishes[name][0]
        order = [(start + step) % len(COLOURS) for step in range(len(COLOURS))]
        place = min(order, key=lambda place: (near[place], beside[place], users[place]))
        chosen[name] = place
        found[name] = _look(place, users[place])
        users[place] += 1
    return found


def _neighbours(names: Iterable[str], groups: Iterable[Sequence[str]]) -> dict[str, set[str]]:
    """For each name, those that are in a group with it."""
    found: dict[str, set[str]] = {name: set() for name in names}
    for group in groups:
        for name in group:
            found[name] |= set(group) - {name}
    return found


def highlighted(styles: Mapping[str, CurveStyle], names: Collection[str]) -> dict[str, CurveStyle]:
    """Return the styles with all curves except these in grey; without names, unchanged."""
    return {
        name: style if name in names or not names else style._replace(colour=GREY)
        for name, style in styles.items()
    }


def _look(place: int, user: int) -> CurveStyle:
    """The style of a colour's first, second, ... curve: another marker and dash for each."""
    marker = _MARKERS[(place + user) % len(_MARKERS)]
    dash = _DASHES[(max(place - 5, 0) + user) % len(_DASHES)]
    return CurveStyle(COLOURS[place], marker, _SYMBOLS[marker], dash)


def _hashed(name: str) -> int:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4]) % len(COLOURS)


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
