"""The short forms of `kills.py`, `kills_of_verbs.py` and `trials.py` of `tests/performance/`."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

PERFORMANCE = Path(__file__).parents[1] / "performance"
KILLS = 3
KILLS_OF_VERBS = 3


@pytest.fixture
def scripts(monkeypatch):
    """Let the scripts be imported as they import each other."""
    monkeypatch.syspath_prepend(str(PERFORMANCE))
    yield
    for name in ("kills", "kills_of_verbs", "trials", "disturbance"):
        sys.modules.pop(name, None)


@pytest.mark.faults
def test_kills_change_nothing(scripts, tmp_path):
    import kills

    assert kills.survive(tmp_path, KILLS, random.Random(1)) == []


@pytest.mark.faults
def test_the_next_call_of_a_verb_removes_what_a_kill_left(scripts, tmp_path):
    import kills_of_verbs

    assert kills_of_verbs.survive(tmp_path, KILLS_OF_VERBS, random.Random(1)) == []


@pytest.mark.slow
def test_a_slower_index_is_found(scripts, tmp_path):
    import trials

    (done,) = trials.trials(tmp_path, 1, trials.FEW_BLOCKS)
    assert done.verdicts["slower-10"] == "slower"
