"""Placement of names next to their curves, where they cover the least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from harness.report.plots.style import quiet_fonts
from harness.report.quantities import shortened

Float64 = NDArray[np.float64]

_LONGEST = 44  # characters of a name
_STEP = 4.0  # pixels between the samples of a curve
_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))


@dataclass(frozen=True)
class NamedCurve:
    """A curve in data coordinates, `(points,)` each, and how its name is written."""

    name: str
    colour: str
    x: Float64
    y: Float64


def label_curves(axes: Axes, curves: Sequence[NamedCurve], avoid: Float64 | None = None) -> None:
    """Write each curve's name beside it, in its colour.

    For every curve, places around its points are tried. The chosen one covers the least of any
    curve and error bar and no other name, and is inside the axes. `avoid` is `(points, 2)` further
    data points to keep free. Call it last: scales, limits and layout must be final.
    """
    curves = [curve for curve in curves if len(curve.x)]
    figure = axes.figure.get_figure(root=True)
    assert figure is not None
    canvas = FigureCanvasAgg(figure)
    with quiet_fonts():
        figure.draw_without_rendering()  # lays the axes out
    figure.set_layout_engine("none")  # a new layout would move the axes
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    paths = [_sampled(axes, np.column_stack([curve.x, curve.y])) for curve in curves]
    paths += [_sampled(axes, bar) for bar in _error_bars(axes)]
    if avoid is not None and len(avoid):
        paths.append(np.asarray(axes.transData.transform(avoid)))
    obstacles = np.concatenate(paths) if paths else np.empty((0, 2))
    taken: list[Bbox] = []
    for curve in sorted(curves, key=lambda curve: -len(curve.name)):
        text = axes.text(0, 0, shortened(curve.name, _LONGEST), color=curve.colour, weight="bold",
                         size="small", ha="left", va="bottom", zorder=6)  # fmt: skip
        text.set_in_layout(False)
        box = text.get_window_extent(renderer)
        corners = _candidates(_anchors(axes, curve), box.width, box.height)
        corner = min(corners, key=lambda c: _cost(c, box, obstacles, taken, axes.bbox))
        taken.append(Bbox.from_bounds(corner[0], corner[1], box.width, box.height))
        x, y = axes.transData.inverted().transform(corner[:2])
        text.set_position((float(x), float(y)))
        text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


def _anchors(axes: Axes, curve: NamedCurve) -> Float64:
    """Pixels at which a name may be attached: both ends first, then the points between."""
    pixels = axes.transData.transform(np.column_stack([curve.x, curve.y]))
    middle = pixels[1:-1] if len(pixels) > 2 else (pixels[:1] + pixels[-1:]) / 2
    if len(middle) > 12:
        middle = middle[:: len(middle) // 12]
    return np.concatenate([pixels[-1:], pixels[:1], middle])


def _candidates(anchors: Float64, width: float, height: float) -> list[tuple[float, float, float]]:
    """Lower left corners to try, and how far each is from the best kind of place."""
    gap = 0.55 * height
    places = []
    for rank, (x, y) in enumerate(anchors):
        for side, (right, up) in enumerate(_SIDES):
            for distance in (1.0, 2.2):
                left = x + right * distance * gap - (0.5 - 0.5 * right) * width
                low = y + up * distance * gap - (0.5 - 0.5 * up) * height
                dislike = 0.4 * min(rank, 4) + 0.1 * side + 1.0 * (distance - 1)
                places.append((left, low, dislike))
    return places


def _cost(
    place: tuple[float, float, float], size: Bbox, obstacles: Float64, taken: list[Bbox], room: Bbox
) -> float:
    left, low, dislike = place
    box = Bbox.from_bounds(left, low, size.width, size.height)
    outside = max(room.x0 - box.x0, 0) + max(box.x1 - room.x1, 0)
    outside += max(room.y0 - box.y0, 0) + max(box.y1 - room.y1, 0)
    inside = (
        (obstacles[:, 0] > box.x0 - 2) & (obstacles[:, 0] < box.x1 + 2)
        & (obstacles[:, 1] > box.y0 - 1) & (obstacles[:, 1] < box.y1 + 1)
    )  # fmt: skip
    overlaps = sum(bool(box.overlaps(other)) for other in taken)
    return float(dislike + 1.0 * inside.sum() + 200 * overlaps + 10 * outside)


def _error_bars(axes: Axes) -> Iterator[Float64]:
    """The ends of each error bar that was drawn, `(2, 2)` in data coordinates."""
    for container in axes.containers:
        if isinstance(container, ErrorbarContainer):
            for bars in container.lines[2]:
                yield from map(np.asarray, bars.get_segments())


def _sampled(axes: Axes, points: Float64) -> Float64:
    """Pixels along a line through `(points, 2)` data points, every few pixels."""
    pixels = axes.transData.transform(points)
    parts = [pixels]
    for start, end in pairwise(pixels):
        steps = int(np.hypot(*(end - start)) // _STEP)
        shares = np.linspace(0, 1, min(steps, 2000) + 2)[1:-1, None]
        parts.append(start + shares * (end - start))
    return np.concatenate(parts)
