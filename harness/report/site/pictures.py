"""Small pictures of the pages as SVG: frontiers, difficulty of queries, histories.

They are part of the page, so they follow its light or dark colours and need no script.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from harness.report.analysis.by_query import RecallByDifficulty
from harness.report.analysis.curves import curves_of
from harness.report.analysis.points import ComparisonGroup
from harness.report.comparing.history import PointHistory
from harness.report.curve_styles import CurveStyle, mark_points
from harness.report.quantities import Scale, Unit, human, quantity, shortened
from harness.report.scales import (
    choose_scale,
    limits,
    linear_ticks,
    log_ticks,
    share_ticks,
    transform,
)

Float64 = NDArray[np.float64]

_WIDTH, _HEIGHT = 420, 240
_LINE = 14.0  # pixels between two names
_DASHES = {"solid": "", "dash": "6 3", "dot": "1.5 2.5", "dashdot": "6 2.5 1.5 2.5"}
_LETTER = 6.3  # pixels of a letter, about
_LONGEST = 22  # letters of a name
_MOST_TICKS = 6
_BARS = 24
_MOST_OUTSIDE = 2.0  # times the largest value: longer bars would fill the picture
_DAY_CHARACTERS = 10
_LEAST_SPAN = 0.1  # of a history: noise of 1 % does not fill the picture
_HISTORY = CurveStyle("#000000", "o", "circle", "solid")
_LEFT, _TOP, _BOTTOM = 52, 8, 36
_TITLE = 22  # pixels of the title at the left


@dataclass(frozen=True)
class Line:
    """A curve of a picture: its points in data coordinates, ascending in x, and its style.

    `bounds` are the ends of an interval on y of each point, NaN without one; `hollow` tells the
    points that are drawn so.
    """

    name: str
    style: CurveStyle
    x: Float64
    y: Float64
    marked: bool = True
    bounds: Sequence[tuple[float, float]] = ()
    hollow: Sequence[bool] = ()


@dataclass(frozen=True)
class Axis:
    """Ends, scale and ticks of an axis, with their texts and a title."""

    title: str
    scale: Scale
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]

    def share(self, values: Float64) -> Float64:
        """Return where values lie between the ends, 0 to 1."""
        forward, _ = transform(self.scale)
        ends = forward(np.array([self.low, self.high], dtype=np.float64))
        at = (forward(values) - ends[0]) / (ends[1] - ends[0])
        return np.asarray(np.clip(at, 0.0, 1.0), dtype=np.float64)


@dataclass(frozen=True)
class Picture:
    """The parts of a picture: lines over two axes, and what it shows in words."""

    label: str
    lines: Sequence[Line]
    x: Axis
    y: Axis
    bars: Sequence[tuple[float, float, float]] = ()
    """Bars of a histogram: both ends on x, and the height."""
    steps: Sequence[tuple[float, str]] = ()
    """Values of x at which a vertical line stands, each with its kind: faster or slower."""
    levels: Sequence[tuple[float, str]] = ()
    """Values of y at which a horizontal line stands, each with a text."""
    spans: Sequence[Span] = ()
    height: float = _HEIGHT


@dataclass(frozen=True)
class Span:
    """An interval on x around a value, drawn at a height y in the colour of a curve."""

    style: CurveStyle
    x: float
    low: float
    high: float
    y: float


def frontier_picture(group: ComparisonGroup, styles: Mapping[str, CurveStyle]) -> Markup | None:
    """Return recall against QPS of a group: the frontiers of the curves that matter, named.

    Curves that are nowhere among the fastest are grey and without a name. None without points.
    """
    across, up = quantity("recall"), quantity("qps")
    curves = curves_of(group.points, across, up, styles)
    if not curves:
        return None
    lit = {c.name for c in curves if not c.style.is_grey}
    shown = set(group.ranking.shown) if len(lit) == len(curves) else lit
    lines = [
        Line(
            c.name if c.name in shown else "",
            c.style,
            c.frontier["recall"].to_numpy(dtype=np.float64),
            c.frontier["qps"].to_numpy(dtype=np.float64),
            c.name in shown,
        )
        for c in curves
    ]
    recalls = np.concatenate([line.x for line in lines])
    x_scale = choose_scale(across, recalls.tolist())
    speeds = np.concatenate([line.y for line in lines])
    x = axis_of(f"recall@{group.k}", x_scale, limits(recalls, x_scale, across))
    y = axis_of("queries/s", choose_scale(up, speeds.tolist()), limits(speeds, "log", up), "/s")
    label = f"recall@{group.k} against queries per second on {group.dataset}: "
    return drawn(Picture(label + ", ".join(sorted(shown)), lines, x, y))


def difficulty_picture(
    group: ComparisonGroup, found: RecallByDifficulty, styles: Mapping[str, CurveStyle]
) -> Markup:
    """Return the recall of the easiest to the hardest tenth of the queries, a line a curve."""
    recall = quantity("recall")
    tenths = np.arange(1, 11, dtype=np.float64)
    lines = [Line(name, styles[name], tenths, recalls) for name, recalls in found.recalls.items()]
    values = np.concatenate([line.y for line in lines])
    scale = choose_scale(recall, values.tolist())
    words = [f"{m:.0f}" for m in found.difficulty] if found.difficulty is not None else None
    texts = words or ["easy", *[""] * 8, "hard"]
    title = "tenth of the queries" + (", by median LID" if words else "")
    x = Axis(title, "linear", 0.7, 10.3, list(zip(tenths.tolist(), texts, strict=True)))
    y = axis_of(f"recall@{group.k}", scale, limits(values, scale, recall))
    label = f"recall@{group.k} of easy to hard queries on {group.dataset}"
    return drawn(Picture(label, lines, x, y))


def lid_picture(group: ComparisonGroup, difficulty: Float64) -> Markup:
    """Return a histogram of the local intrinsic dimensionality of the queries."""
    low, high = np.quantile(difficulty, [0.0, 0.995])
    ends = (float(low), float(max(high, low + 1e-9)))
    counts, edges = np.histogram(difficulty, bins=_BARS, range=ends)
    shares = counts / len(difficulty)
    x = axis_of("local intrinsic dimensionality (LID)", "linear", ends)
    y = Axis("share of queries", "linear", 0.0, float(shares.max()) * 1.05, [])
    bars = list(zip(edges[:-1].tolist(), edges[1:].tolist(), shares.tolist(), strict=True))
    label = f"histogram of the difficulty of the queries of {group.dataset}"
    return drawn(Picture(label, [], x, y, bars))


def history_picture(one: PointHistory) -> Markup:
    """Return the QPS of a point's states in their order, with intervals, steps marked."""
    qps = quantity("qps")
    numbers = np.arange(len(one.states), dtype=np.float64)
    values = np.array([state.qps for state in one.states])
    bounds = np.array([[state.qps_low, state.qps_high] for state in one.states])
    every = np.concatenate([values, bounds[np.isfinite(bounds)]])
    last = float(numbers[-1])
    days = [(0.0, one.moments[0]), (last, one.moments[-1])]
    beside = last * (0.12 if len(days[0][1]) == _DAY_CHARACTERS else 0.25)  # room for the texts
    x = Axis(f"{len(one.states)} states", "linear", -beside, last + beside, days)
    scale = choose_scale(qps, every.tolist())
    wide = np.append(every, values.mean() * np.array([1 - _LEAST_SPAN, 1 + _LEAST_SPAN]))
    y = axis_of("queries/s", scale, limits(wide, scale, qps), "/s")
    places = dict(zip(one.states, numbers.tolist(), strict=True))
    steps = [(places[step.state], step.kind) for step in one.steps]
    line = Line("", _HISTORY, numbers, values, bounds=bounds.tolist())
    label = f"queries per second of {one.curve} {one.parameters} on {one.dataset} over its states"
    return drawn(Picture(label, [line], x, y, steps=steps))


def with_bounds(values: Sequence[float], bounds: Iterable[float]) -> list[float]:
    """Return what an axis holds: the values, and their bounds, cut where they are far outside."""
    if not values:
        return []
    known = [bound for bound in bounds if np.isfinite(bound)]
    ends = min(values) / _MOST_OUTSIDE, max(values) * _MOST_OUTSIDE
    return [*values, *np.clip(known, *ends).tolist()]


def height_of(names: int) -> float:
    """Return the height of a picture in which so many curves are named."""
    return max(_HEIGHT, names * _LINE + _TOP + _BOTTOM)


def drawn(picture: Picture) -> Markup:
    """Return a picture as an SVG element."""
    named = [line for line in picture.lines if line.name]
    right = _margin(line.name for line in named)
    left = max(_LEFT, _TITLE + _LETTER * max((len(text) for _, text in picture.y.ticks), default=0))
    plane = _Plane(picture.x, picture.y, left, right, picture.height)
    body = [
        *plane.grid(),
        *(plane.bar(*bar) for bar in picture.bars),
        *(plane.step(*step) for step in picture.steps),
        *(mark for level in picture.levels for mark in plane.level(*level)),
        *(plane.curve(line) for line in sorted(picture.lines, key=lambda line: line.marked)),
        *(plane.span(span) for span in picture.spans),
        *plane.names(named),
    ]
    return Markup(
        '<svg class="picture" role="img" aria-label="{}" viewBox="0 0 {} {}">{}</svg>'
    ).format(picture.label, _WIDTH, f"{picture.height:g}", Markup("").join(body))


@dataclass(frozen=True)
class _Plane:
    """Pixels of the data, and everything that is drawn there."""

    x: Axis
    y: Axis
    left: float
    right: float
    height: float

    @property
    def floor(self) -> float:
        """The pixel of the lowest value."""
        return self.height - _BOTTOM

    def at(self, x: Float64, y: Float64) -> list[tuple[float, float]]:
        across = self.left + self.x.share(x) * (_WIDTH - self.right - self.left)
        down = self.floor - self.y.share(y) * (self.floor - _TOP)
        return [(round(float(a), 1), round(float(b), 1)) for a, b in zip(across, down, strict=True)]

    def grid(self) -> Iterable[Markup]:
        """Lines and texts of the ticks, and the titles of the axes."""
        end, floor = _WIDTH - self.right, self.floor
        for value, text in self.x.ticks:
            ((x, _),) = self.at(np.array([value]), np.array([self.y.low]))
            yield _line((x, _TOP), (x, floor), "grid")
            yield _text((x, floor + 14), text, "tick", anchor="middle")
        for value, text in self.y.ticks:
            ((_, y),) = self.at(np.array([self.x.low]), np.array([value]))
            yield _line((self.left, y), (end, y), "grid")
            yield _text((self.left - 5, y + 4), text, "tick", anchor="end")
        yield _text(
            ((self.left + end) / 2, self.height - 5), self.x.title, "title", anchor="middle"
        )
        middle = (_TOP + floor) / 2
        yield Markup(
            '<text class="title" text-anchor="middle" transform="translate(10 {}) rotate(-90)">{}'
            "</text>"
        ).format(f"{middle:g}", self.y.title)

    def bar(self, start: float, end: float, height: float) -> Markup:
        (left, top), (right, floor) = self.at(np.array([start, end]), np.array([height, 0.0]))
        size = f"{max(right - left - 1, 0.5):.1f}", f"{floor - top:.1f}"
        return Markup('<rect class="bar" x="{:g}" y="{:g}" width="{}" height="{}"/>').format(
            left, top, *size
        )

    def step(self, value: float, kind: str) -> Markup:
        ((x, _),) = self.at(np.array([value]), np.array([self.y.low]))
        return _line((x, _TOP), (x, self.floor), f"step {kind}")

    def level(self, value: float, text: str) -> Iterable[Markup]:
        """A horizontal line with its text above it, at the left."""
        ((left, y),) = self.at(np.array([self.x.low]), np.array([value]))
        yield _line((left, y), (_WIDTH - self.right, y), "level")
        yield _text((left + 4, y - 4), text, "tick")

    def span(self, span: Span) -> Markup:
        ends = np.array([span.x, span.low, span.high])
        (x, y), start, end = self.at(ends, np.full(3, span.y))
        mark = _line((x, y - 6), (x, y + 6), "span")
        bar = _line(start, end, "span") if np.isfinite(ends).all() else Markup("")
        return Markup("<g {}>{}{}</g>").format(_colour(span.style), mark, bar)

    def curve(self, line: Line) -> Markup:
        points = self.at(line.x, line.y)
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        if not line.marked:
            return Markup('<polyline class="behind" points="{}"/>').format(path)
        bars = Markup("").join(self._bars(line))
        hollow = line.hollow or [False] * len(points)
        marks = Markup("").join(
            Markup('<polygon points="{}" transform="translate({} {})"{}/>').format(
                mark_points(line.style.symbol, 0.75), f"{x:g}", f"{y:g}",
                Markup(' class="hollow"') if is_hollow else "",
            )
            for (x, y), is_hollow in zip(points, hollow, strict=True)
        )  # fmt: skip
        return Markup('<g {}>{}<polyline points="{}" stroke-dasharray="{}"/>{}</g>').format(
            _colour(line.style), bars, path, _DASHES[line.style.dash], marks
        )

    def _bars(self, line: Line) -> Iterable[Markup]:
        """The intervals of a curve's points, as far as they are known."""
        for x, (low, high) in zip(line.x, line.bounds, strict=bool(line.bounds)):
            if np.isfinite([low, high]).all():
                start, end = self.at(np.array([x, x]), np.array([low, high]))
                yield _line(start, end, "interval-bar")

    def names(self, lines: Sequence[Line]) -> Iterable[Markup]:
        """Each name at the right edge, at the height of its curve's end, with a thread to it."""
        ends = [self.at(line.x[-1:], line.y[-1:])[0] for line in lines]
        order = sorted(range(len(lines)), key=lambda i: ends[i][1])
        heights = _apart([ends[i][1] for i in order], _TOP + 4, self.floor)
        left = _WIDTH - self.right + 18
        for i, height in zip(order, heights, strict=True):
            name = shortened(lines[i].name, _LONGEST)
            yield Markup(
                '<g {}><polyline class="thread" points="{:g},{:g} {:g},{:g} {:g},{:g}"/></g>'
            ).format(_colour(lines[i].style), *ends[i], left - 8, height, left - 3, height)
            yield _text((left, height + 4), name, "name")


def axis_of(title: str, scale: Scale, ends: tuple[float, float], unit: Unit = "") -> Axis:
    """Return an axis between two ends, with a few ticks."""
    low, high = ends
    if scale == "error":
        ticks = [
            (tick, f"{tick:.4g}".lstrip("0") or "0") for tick in share_ticks(low, high, _MOST_TICKS)
        ]
        return Axis(title, scale, low, high, ticks)
    values = (
        log_ticks(low, high)
        if scale == "log" and high / low >= 10**0.7
        else linear_ticks(low, high, 4)
    )
    kept = values[:: max(1, -(-len(values) // _MOST_TICKS))]
    return Axis(title, scale, low, high, [(value, human(value, unit)) for value in kept])


def _apart(heights: Sequence[float], top: float, bottom: float) -> list[float]:
    """Heights, ascending, moved as little as needed for a line of text each."""
    found = list(heights)
    for i in range(1, len(found)):
        found[i] = max(found[i], found[i - 1] + _LINE)
    for i in reversed(range(len(found))):
        limit = bottom if i == len(found) - 1 else found[i + 1] - _LINE
        found[i] = min(found[i], limit)
    return (
        [max(height, top + i * _LINE) for i, height in enumerate(found)]
        if found[:1] and found[0] < top
        else found
    )


def _margin(names: Iterable[str]) -> float:
    """The room for names at the right edge."""
    longest = max((min(len(name), _LONGEST) for name in names), default=0)
    return 12 + (longest * _LETTER + 18 if longest else 0)


def _colour(style: CurveStyle) -> Markup:
    """The colour of a style; black follows the page."""
    colour = "currentColor" if style.colour == "#000000" else style.colour
    return Markup('class="curve" style="--curve: {}"').format(colour)


def _line(start: tuple[float, float], end: tuple[float, float], kind: str) -> Markup:
    return Markup('<line class="{}" x1="{:g}" y1="{:g}" x2="{:g}" y2="{:g}"/>').format(
        kind, *start, *end
    )


def _text(at: tuple[float, float], text: str, kind: str, anchor: str = "start") -> Markup:
    return Markup('<text class="{}" x="{:g}" y="{:g}" text-anchor="{}">{}</text>').format(
        kind, *at, anchor, escape(text)
    )
