"""The winners of a search as a suite, whose points are measured like any others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from harness.files.replacing import write_text
from harness.registry.suites import Suite
from harness.text import Json
from harness.tuning.contenders import Contender
from harness.tuning.journal import Journal
from harness.tuning.trials import Goal, Trial

_SUITE = "tuned.yml"
_HEAD = "# Written by `annharness tune`. `annharness run` measures the same points again.\n"


def tuned_label(label: str) -> str:
    """Return the label of a winner, beside that of its algorithm's grid."""
    return f"{label}-tuned"


def write_suite(
    suite: Suite, goal: Goal, journal: Journal, winners: Sequence[tuple[Contender, Trial]]
) -> Path:
    """Write the suite of the winners into the folder of the search, and return its path."""
    path = journal.folder / _SUITE
    keys = _keys(suite, goal, journal, winners)
    write_text(path, _HEAD + yaml.safe_dump(keys, sort_keys=False, allow_unicode=True))
    return path


def _keys(
    suite: Suite, goal: Goal, journal: Journal, winners: Sequence[tuple[Contender, Trial]]
) -> Json:
    algorithms: dict[str, list[Json]] = {}
    for contender, trial in winners:
        variant = {
            "label": tuned_label(contender.label),
            "build": trial.build,
            "search": trial.search,
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
        "tuned": _tuned(goal, journal, [contender for contender, _ in winners]),
    }


def _tuned(goal: Goal, journal: Journal, contenders: Sequence[Contender]) -> Json:
    return {
        "recall": goal.recall,
        "minimize": goal.minimize,
        **({"max_bytes": goal.max_bytes} if goal.max_bytes is not None else {}),
        "budget_seconds": goal.budget_seconds,
        "spent_seconds": round(sum(journal.spent(one.label) for one in contenders), 1),
        "seed": goal.seed,
        "trials": {one.label: journal.count(one.label) for one in contenders},
        "space": {one.label: one.space.to_json() for one in contenders},
    }
