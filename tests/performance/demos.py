"""Whole demos: how wide are their intervals, and do their verdicts agree?

    python tests/performance/demos.py --runs 3
    python tests/performance/demos.py --runs 3 --burners 2

Each run is `annharness run demo` into a results folder of its own. Printed for each are its
seconds, the half-widths of QPS over the points, and the ratio of anisotropic-pq to pq, which share
a scan; then the pairs of points of which one run says faster and another slower.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from disturbance import disturbed

from harness.measures.verdicts import Ratio, Speeds, estimate, judge
from harness.results.table.rows import load_results
from harness.results.table.speeds import speeds_of_row

Point = tuple[int, str, str]
SIGN = {"faster": 1, "slower": -1}


def main() -> None:
    """Print the figures of each run, then the verdicts that contradict each other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--burners", type=int, default=0)
    options = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as name, disturbed(options.burners):
        for number in range(options.runs):
            seconds = run(Path(name) / str(number))
            table = load_results(Path(name) / str(number))
            table = table[table["algorithm"] != "no-op"]
            speeds = speeds_of_points(table)
            found.append(verdicts(speeds))
            shown = f"{seconds:.0f} s; {widths(table)}; {shared_scan(speeds)}"
            print(f"{number + 1}: {shown}", flush=True)
    stated = [sum(r.verdict in SIGN for r in ratios.values()) for ratios in found]
    print(f"{len(found[0])} pairs of points, faster or slower in {stated}")
    signs = [[SIGN.get(ratios[pair].verdict, 0) for ratios in found] for pair in found[0]]
    print(f"{sum(1 in one and -1 in one for one in signs)} of them contradict each other")


def run(results: Path) -> float:
    """Run the demo and return its seconds."""
    command = [Path(sys.executable).parent / "annharness", "run", "demo", "--results", results]
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - began


def widths(table: pd.DataFrame) -> str:
    """Return the smallest, median and largest half-width of QPS."""
    half = (table["qps_high"] - table["qps_low"]) / (2 * table["qps"])
    return f"half-widths {half.min():.1%}, {half.median():.1%}, {half.max():.1%}"


def speeds_of_points(table: pd.DataFrame) -> dict[Point, Speeds]:
    """Return the speeds of each point: k, algorithm, name."""
    rows = table.to_dict("records")
    return {(row["k"], row["algorithm"], row["name"]): speeds_of_row(row) for row in rows}


def verdicts(speeds: dict[Point, Speeds]) -> dict[tuple[Point, Point], Ratio]:
    """Return the ratios of all pairs of points of the same k, judged together."""
    pairs = [pair for pair in itertools.combinations(sorted(speeds), 2) if pair[0][0] == pair[1][0]]
    ratios = judge([estimate(speeds[one], speeds[other]) for one, other in pairs])
    return dict(zip(pairs, ratios, strict=True))


def shared_scan(speeds: dict[Point, Speeds]) -> str:
    """Return the ratios of two indexes that differ in their codes alone, each on its own."""
    ratios = [
        judge([estimate(speeds[(k, algorithm, name)], speeds[(k, "pq", name)])])[0]
        for k, algorithm, name in speeds
        if algorithm == "anisotropic-pq"
    ]
    widest = max((ratio.high - ratio.low) / 2 for ratio in ratios)
    values = ", ".join(f"{ratio.value:.3f}" for ratio in ratios)
    return f"anisotropic-pq / pq {values}, at most ±{widest:.1%}"


if __name__ == "__main__":
    main()
