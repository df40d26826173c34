"""One colour, marker and dash for each algorithm, the same in every figure and page.

The colours are Okabe and Ito's palette (2008, made to be told apart by colour-blind readers), its
yellow darkened to be seen on white. Known names have fixed looks; any other gets one from a hash of
its name, moved on where two names of one table would share it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple


class Look(NamedTuple):
    """`colour` is hexadecimal; `marker` is matplotlib's, `symbol` plotly's for the same shape."""

    colour: str
    marker: str
    symbol: str
    dash: str

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


_BLUE, _RED, _GREEN, _PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
_ORANGE, _SKY, _OLIVE, _BLACK = "#e69f00", "#56b4e9", "#8a8500", "#000000"
GREY = "#9a9a9a"

_MARKERS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "X": "x",
    "*": "star",
    "p": "pentagon",
    "h": "hexagon",
    "<": "triangle-left",
    ">": "triangle-right",
    "d": "diamond-tall",
}
_COLOURS = (_ORANGE, _SKY, _OLIVE, _PURPLE, _GREEN, _BLUE, _RED)
_DASHES = ("solid", "dash", "dot", "dashdot")

_FAMILIES = {
    _BLUE: {"pq": "o", "nanopq": "s", "faiss-ivf-pq-fs": "^", "faiss-nsg": "D", "vsag": "v",
            "rabitq-ivf": "P"},
    _RED: {"anisotropic-pq": "s", "annoy": "v", "faiss-sq": "D", "ngt": "^", "qdrant-local": "o",
           "scann-tree": "p"},
    _GREEN: {"faiss-pq": "^", "usearch": "o", "faiss-lsq": "s", "rabitq-hnsw": "D", "chroma": "v",
             "sklearn-kd-tree": "P"},
    _PURPLE: {"scann": "D", "scann-soar": "s", "scann-style-pq": "o", "pynndescent": "^",
              "lancedb": "v", "faiss-rabitq": "P"},
    _ORANGE: {"hnswlib": "v", "faiss-opq": "o", "svs": "s", "ngt-onng": "D", "milvus-lite": "^"},
    _SKY: {"faiss-hnsw": "P", "faiss-rq": "o", "faiss": "s", "rabitq-symqg": "^",
           "sqlite-vec": "v"},
    _OLIVE: {"faiss-ivf": "X", "faiss-ivf-pq": "p", "faiss-pq-fs": "o",
             "notebook-anisotropic-pq": "s", "sklearn-ball-tree": "D"},
    _BLACK: {"exact": "*"},
    GREY: {"no-op": "o"},
}  # fmt: skip
_KNOWN = {
    name: (colour, marker)
    for colour, markers in _FAMILIES.items()
    for name, marker in markers.items()
}


def looks(algorithms: Iterable[str]) -> dict[str, Look]:
    """Return the look of each algorithm. Give all names of a table at once, for every figure."""
    chosen: dict[str, Look] = {}
    taken: set[tuple[str, str]] = set(_KNOWN.values())
    for name in sorted(set(algorithms)):
        colour, marker = _KNOWN[name] if name in _KNOWN else _free_slot(name, taken)
        taken.add((colour, marker))
        chosen[name] = Look(colour, marker, _MARKERS[marker], "solid")
    return chosen


def variant(look: Look, number: int) -> Look:
    """Return the look of the number-th variant of an algorithm: its colour, another dash."""
    return look._replace(dash=_DASHES[number % len(_DASHES)])


def _free_slot(name: str, taken: set[tuple[str, str]]) -> tuple[str, str]:
    """The first free pair from the name's own place on: the same in nearly every table."""
    slots = [
        (_COLOURS[(row + column) % len(_COLOURS)], marker)
        for row, marker in enumerate(_MARKERS)
        for column in range(len(_COLOURS))
    ]
    start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % len(slots)
    ordered = slots[start:] + slots[:start]
    return next((slot for slot in ordered if slot not in taken), ordered[0])
