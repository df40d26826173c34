"""Every adapter of the registry keeps the contract, as far as its entry does not say otherwise.

What is registered later is checked without a change here. An algorithm whose library is absent is
skipped by name.
"""

from __future__ import annotations

import pytest

from harness.checks import algorithms_ready, checks_of
from harness.checks.testing import require_pass, titles_of, verdicts_of
from harness.registry.registry import load_registry

# An environment takes up to minutes to make, so that one stands here for all that want their own,
# and pynndescent compiles for minutes in every process; `annharness check NAME` does the others.
MADE_HERE = {"qdrant-local"}
ISOLATED = {name for name, definition in load_registry().algorithms.items() if definition.isolated}
ELSEWHERE = (ISOLATED - MADE_HERE) | {"pynndescent"}
READY = {name: lack for name, lack in algorithms_ready().items() if name not in ELSEWHERE}
TRIALS = [(name, title) for name in READY for title in titles_of(name)]


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, session_cache):
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))


test_exact = checks_of("exact")


@pytest.mark.adapters
@pytest.mark.parametrize(("name", "check"), TRIALS, ids=[f"{n}-{t}" for n, t in TRIALS])
def test_adapter(name, check):
    if READY[name]:
        pytest.skip(f"{name}: not installed: {READY[name]}")
    require_pass(verdicts_of(name)[check])
