"""The checks as pytest tests: one line in a test file, one test for each check."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from harness.checks.conducting import EVERYTHING, check_entry
from harness.checks.planning import Shape, trials_of
from harness.checks.sample import BASE_ROWS
from harness.checks.trials import Verdict
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.registry import Registry, load_registry
from harness.running.environments.isolated import find_environment

_D = 50  # of the sample; only the names of trials depend on it, and they do not


def checks_of(name: str, plugins: str | Path | Sequence[Path] = ()) -> Callable[[str], None]:
    """Return a test function for pytest, parametrised by the checks of an entry.

    Write it into a test file under a name that begins with `test`::

        test_my_index = checks_of("my-index", plugins=Path(__file__).parents[3])

    All checks run when the first test does. A skipped check is a skipped test with its reason; a
    failure that the entry declares is `xfail`.

    Parameters
    ----------
    name
        The algorithm's name in the registry.
    plugins
        A folder with `algorithms/NAME`, or several, beside those that are always searched.
    """
    import pytest

    roots = (Path(plugins),) if isinstance(plugins, str | Path) else tuple(plugins)

    @pytest.mark.parametrize("check", titles_of(name, roots))
    def test(check: str) -> None:
        require_pass(verdicts_of(name, roots)[check])

    return test


def titles_of(name: str, plugins: Sequence[Path] = ()) -> list[str]:
    """Return the titles of the checks of an entry."""
    definition = _registry(tuple(plugins)).algorithm(name)
    return [trial.title for trial in trials_of(definition, Shape(BASE_ROWS, _D))]


def algorithms_ready(plugins: Sequence[Path] = ()) -> dict[str, str]:
    """Return all registered algorithms by name, each with what is missing; "" if nothing is.

    Environments of isolated algorithms are made in CI; elsewhere they count as missing.
    """
    found = _registry(tuple(plugins)).algorithms
    return {name: _lacking(definition) for name, definition in found.items()}


def _lacking(definition: AlgorithmDefinition) -> str:
    if definition.isolated and find_environment(definition.requires) is None:
        made = f"its environment (annharness check {definition.name} makes it)"
        return "" if os.environ.get("CI") else made
    return ", ".join(definition.missing())


def require_pass(verdict: Verdict) -> None:
    """Turn a verdict into pytest's outcome."""
    import pytest

    if verdict.status == "skip":
        pytest.skip(verdict.why)
    if verdict.status == "expected":
        pytest.xfail(f"{verdict.why} (expected {verdict.expected}, got {verdict.got})")
    if verdict.status == "fail":
        pytest.fail(f"expected {verdict.expected}\ngot      {verdict.got}", pytrace=False)


@lru_cache(maxsize=64)
def verdicts_of(name: str, plugins: tuple[Path, ...] = ()) -> dict[str, Verdict]:
    """Return the verdicts of all checks of an entry by title; the checks run once."""
    found = {verdict.title: verdict for verdict in check_entry(name, plugins)}
    if EVERYTHING in found:
        return dict.fromkeys(titles_of(name, plugins), found[EVERYTHING])
    return found


@lru_cache(maxsize=8)
def _registry(plugins: tuple[Path, ...]) -> Registry:
    return load_registry(plugins)
