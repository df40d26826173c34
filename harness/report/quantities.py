"""The quantities that an axis can show: column, title, direction and scale."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from harness.contracts import UserError
from harness.results.table.columns import RECALL_KS

Scale = Literal["linear", "log", "error"]
SIZES = ("index_bytes", "bytes_per_vector")
Unit = Literal["", "s", "ms", "B", "/s"]

_SMALLEST = 1e-6


@dataclass(frozen=True)
class Quantity:
    """One figure of a point.

    `column` is its column in a prepared table; the interval, where there is one, stands in
    `column_low` and `column_high`. `title` may hold `{k}`. The scale `error` is for shares close
    to 1: equal steps are equal factors of 1 - share.
    """

    column: str
    title: str
    more_is_better: bool
    scale: Scale
    unit: Unit = ""
    short: str = ""

    @property
    def brief(self) -> str:
        """The title in fewer words, for headlines and narrow places."""
        return self.short or self.title

    @property
    def is_size(self) -> bool:
        """Whether it is an index size, which may be measured instead of computed."""
        return self.column in SIZES


_LATENCIES = (
    ("mean_ms", "mean latency", ""),
    ("p50_ms", "median latency", ""),
    ("p95_ms", "95th percentile of latency", "p95"),
    ("p99_ms", "99th percentile of latency", "p99"),
    ("p999_ms", "99.9th percentile of latency", "p99.9"),
)
_QUANTITIES = {
    item.column: item
    for item in (
        Quantity("recall", "recall@{k}", True, "linear"),
        *(Quantity(f"recall1@{k}", f"recall 1@{k}", True, "linear") for k in RECALL_KS),
        Quantity(
            "recall_within_1_percent",
            "share of neighbours within 1 % of the {k}-th distance",
            True,
            "linear",
            short="within 1 %",
        ),
        Quantity(
            "recall_within_10_percent",
            "share of neighbours within 10 % of the {k}-th distance",
            True,
            "linear",
            short="within 10 %",
        ),
        Quantity("relative_error", "relative error of distances", False, "linear"),
        Quantity("qps", "queries per second", True, "log", "/s", "QPS"),
        *(Quantity(name, title, False, "log", "ms", short) for name, title, short in _LATENCIES),
        Quantity("build_seconds", "build time", False, "log", "s"),
        Quantity("build_queries", "build time in queries", False, "log"),
        Quantity("index_bytes", "index size", False, "log", "B"),
        Quantity("bytes_per_vector", "bytes per vector", False, "log", "B"),
        Quantity("peak_rss_bytes", "peak memory of the build", False, "log", "B", "peak memory"),
        Quantity("distance_computations", "distance computations per query", False, "log"),
        Quantity("distortion", "distortion", False, "log"),
        Quantity("cost_per_million_queries", "cost of a million queries", False, "log"),
    )
}

QUANTITIES: tuple[str, ...] = tuple(_QUANTITIES)


def quantity(name: str) -> Quantity:
    """Return a quantity by the name of its column.

    Raises
    ------
    UserError
        If there is none of this name.
    """
    from difflib import get_close_matches

    if name not in _QUANTITIES:
        near = get_close_matches(name, QUANTITIES, n=1)
        raise UserError(
            f"no quantity is called {name!r}",
            expected=", ".join(QUANTITIES),
            hint=f"did you mean {near[0]!r}?" if near else None,
        )
    return _QUANTITIES[name]


def human(value: float, unit: str = "", digits: int = 3) -> str:
    """Return a number in few characters: 12.3k, 950 µs, 4.2 MB."""
    if value != value:
        return "n/a"
    if unit in ("s", "ms"):
        return _time(value * (1 if unit == "s" else 1e-3), digits)
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        # 999.9 would be rounded up to a thousand
        if abs(value) >= 0.9995 * factor:
            return _joined(value / factor, prefix, unit, digits)
    return _joined(value, "", unit, digits)


def shortened(text: str, longest: int) -> str:
    """Return text of at most `longest` characters, with a mark if it was cut."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _time(seconds: float, digits: int) -> str:
    for factor, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if abs(seconds) >= 0.9995 * factor:
            return f"{_short(seconds / factor, digits)} {name}"
    return f"{_short(seconds * 1e9, digits)} ns" if seconds else "0 s"


def _joined(value: float, prefix: str, unit: str, digits: int) -> str:
    number = _short(value, digits)
    return f"{number} {prefix}{unit}" if unit == "B" else f"{number}{prefix}"


def _short(value: float, digits: int) -> str:
    """At most `digits` significant digits, never scientific; 0 below a millionth."""
    text = f"{value:.{digits}g}" if abs(value) >= _SMALLEST else "0"
    return f"{Decimal(text):f}" if "e" in text else text
