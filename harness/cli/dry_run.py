"""`annharness run --dry-run`: what a run would measure, and about how long it would take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isinf

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from harness.registry.suites import Suite
from harness.running.estimate import Estimate
from harness.running.machine.facts import usable_memory_bytes
from harness.running.precision import MOST_BUILDS_FOR_PRECISION
from harness.running.runner import EXTRA_SHARE
from harness.text import counted, percent

_MIB, _GIB = 1 << 20, 1 << 30


def print_dry_run(console: Console, found: Iterable[Estimate], suite: Suite) -> None:
    """Print for each dataset what a run would do."""
    for one in found:
        dataset = one.dataset
        console.print(Text(f"{dataset.name}: {dataset.n:,} rows of {dataset.d}", "bold"))
        for line in _lines(one, suite):
            console.print(Padding(Text(line), (0, 0, 0, 2), expand=False))
    console.print("nothing was measured or written")


def _lines(found: Estimate, suite: Suite) -> Iterator[str]:
    if not found.dataset.fingerprint:
        yield "not in the cache: the run fetches or checks it first, which is not counted here"
    yield (
        f"points: {found.points}, {found.kept} complete in the results folder, "
        f"{sum(found.refused.values())} unsupported"
    )
    for reason, count in found.refused.items():
        yield f"unsupported ({count}): {reason}"
    for requires in found.environments:
        yield f"makes an environment first: {requires}"
    indexes, blocks = counted(found.indexes, "index", "indexes"), counted(found.blocks, "block")
    yield f"builds: {found.builds}, of {indexes}, in {blocks}" if found.builds else "builds: none"
    yield from _time_lines(found, suite)
    if suite.precision is not None and suite.mode != "load":
        yield f"precision of {percent(suite.precision)}: {_extra(suite.extra_seconds)}"
    if found.builds:
        yield from _memory_lines(found, suite)


def _time_lines(found: Estimate, suite: Suite) -> Iterator[str]:
    if found.known:
        known = counted(found.known, "index", "indexes")
        yield (
            f"time: about {duration(found.seconds)} for {known}, "
            "by stored results of the same algorithms on this dataset and machine"
        )
    if found.unknown:
        yield (
            f"time: not known for {', '.join(found.unknown)}, of which nothing is stored; at most "
            f"{duration(found.bound_seconds)} by the time limit ({suite.timeout:g} s for each "
            "step of a build and each setting)"
        )


def _extra(seconds: float | None) -> str:
    """How long further blocks for the precision may take."""
    if seconds is None:
        return f"may add {EXTRA_SHARE:.0%} of the time"
    most = "any time" if isinf(seconds) else duration(seconds)
    return f"may add {most}, up to {MOST_BUILDS_FOR_PRECISION} builds"


def _memory_lines(found: Estimate, suite: Suite) -> Iterator[str]:
    if found.known:
        yield (
            f"memory: about {size(found.peak_bytes)} for the {found.known} of one block together, "
            "by the stored peaks of their builds"
        )
    if found.unknown:
        rows = 4 * found.dataset.n * found.dataset.d
        whose = " for the others" if found.known else ""
        yield f"memory: not known{whose}; the rows alone are {size(rows)}"
    limit = suite.memory_bytes or usable_memory_bytes()
    yield f"memory limit: {size(limit)}; a block that needs more is split"


def duration(seconds: float) -> str:
    """Return such as "45 s", "12 min" or "3.5 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Return such as "85 MiB" or "2.4 GiB"."""
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count / _MIB:.0f} MiB"
