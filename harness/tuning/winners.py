"""The winners of a search as a suite, whose points are measured like any others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.contracts.definitions import Parameters
from harness.files.replacing import write_text
from harness.files.yaml_text import yaml_text
from harness.measures.tuning import spread_over
from harness.registry.suites import Suite
from harness.text import Json
from harness.tuning.choosing import best_so_far
from harness.tuning.contenders import Contender
from harness.tuning.journal import Journal
from harness.tuning.trials import Goal, Trial

_SUITE = "tuned.yml"
_HEAD = "# Written by `annharness tune`. `annharness run` measures the same points again.\n"


MOST_OF_FRONTIER = 5
"""Of the settings on the frontier of an algorithm, so many are measured and written at most."""


def winners_of(journal: Journal, contender: Contender, goal: Goal) -> list[Trial]:
    """Return what is measured of a contender: its best trial, or its frontier by ascending bytes.

    Of a long frontier, `MOST_OF_FRONTIER` are taken: both ends, and others spread evenly along the
    logarithm of bytes.
    """
    best = best_so_far(journal, contender, goal)
    if not goal.is_frontier:
        return best
    sizes = np.array([trial.bytes_per_vector for trial in best], dtype=np.float64)
    return [best[i] for i in spread_over(sizes, MOST_OF_FRONTIER)]


def tuned_label(label: str, trial: Trial, goal: Goal) -> str:
    """Return the label of a winner, beside that of its algorithm's grid.

    Those of a frontier are told apart by their bytes per vector.
    """
    if not goal.is_frontier:
        return f"{label}-tuned"
    size = trial.bytes_per_vector or 0.0
    return f"{label}-tuned-{float(f'{size:.4g}'):g}B"


def write_suite(
    suite: Suite, goal: Goal, journal: Journal, winners: Sequence[tuple[Contender, Trial]]
) -> Path:
    """Write the suite of the winners into the folder of the search, and return its path."""
    path = journal.folder / _SUITE
    keys = _keys(suite, goal, journal, winners)
    write_text(path, _HEAD + yaml_text(keys))
    return path


def _keys(
    suite: Suite, goal: Goal, journal: Journal, winners: Sequence[tuple[Contender, Trial]]
) -> Json:
    contenders = list({contender.label: contender for contender, _ in winners}.values())
    algorithms: dict[str, list[Json]] = {}
    for contender, trial in winners:
        listed = contender.listed
        group = listed.group(trial.build, trial.search) if listed is not None else None
        variant = {
            "label": tuned_label(contender.label, trial, goal),
            **({"group": group} if group is not None else {}),
            "build": _single(trial.build),
            "search": _single(trial.search),
        }
        algorithms.setdefault(contender.definition.name, []).append(variant)
    kept = ("mode", "threads", "build_threads", "builds", "repeats", "search_seconds")
    times = ("extra_seconds", "least_seconds", "timeout")
    conditions = {name: getattr(suite, name) for name in (*kept, *times)}
    return {
        "about": f"Tuned for recall {goal.recall:g} by annharness tune.",
        "k": suite.ks[0],
        "datasets": list(suite.datasets),
        "algorithms": algorithms,
        **{name: value for name, value in conditions.items() if value is not None},
        "precision": "off" if suite.precision is None else suite.precision,
        **({"memory": suite.memory_bytes} if suite.memory_bytes is not None else {}),
        "tuned": _tuned(goal, journal, contenders),
    }


def _single(values: Parameters) -> Json:
    """As a grid of these values alone: a value that is a list is the only one of a list."""
    return {name: [value] if isinstance(value, list) else value for name, value in values.items()}


def _tuned(goal: Goal, journal: Journal, contenders: Sequence[Contender]) -> Json:
    counts = {one.label: journal.sample_count(one.label) for one in contenders}
    samples = {label: count for label, count in counts.items() if count}
    return {
        "recall": goal.recall,
        "minimize": list(goal.minimize),
        **({"max_bytes": goal.max_bytes} if goal.max_bytes is not None else {}),
        "budget_seconds": goal.budget_seconds,
        "spent_seconds": round(sum(journal.spent(one.label) for one in contenders), 1),
        "seed": goal.seed,
        "trials": {one.label: journal.count(one.label) for one in contenders},
        **({"sample_trials": samples} if samples else {}),
        "space": {one.label: one.space.to_json() for one in contenders},
    }
