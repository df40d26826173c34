"""Answers in order."""

from __future__ import annotations

import numpy as np

from harness.checks.bench import Bench, Ids
from harness.checks.trials import Trial
from harness.checks.verdicts import Failed, Skipped

_TOLERANCE = 1e-5


def check(bench: Bench, trial: Trial) -> None:
    """Answers come nearest first by true distance."""
    if not bench.entry.exact_order:
        raise Skipped("the entry does not declare exact_order: true")
    algorithm = bench.built(trial.case).algorithm
    _require_ascending(bench, trial, bench.ask(algorithm, trial.case))
    _require_ascending(bench, trial, bench.ask_batch(algorithm, trial.case))


def _require_ascending(bench: Bench, trial: Trial, ids: Ids) -> None:
    distances = bench.distances(trial.case, ids)
    distances[np.isinf(distances)] = np.nan  # padding
    steps = np.diff(distances, axis=1)
    scale = np.maximum(1.0, np.abs(distances[:, 1:]))
    if (steps < -_TOLERANCE * scale).any():
        query = int(np.argmax((steps < -_TOLERANCE * scale).any(axis=1)))
        shown = ", ".join(f"{distance:.6g}" for distance in distances[query][:6])
        raise Failed("ascending true distances", f"query {query}: {shown}, ...")
