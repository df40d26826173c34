"""The register of contract checks: functions that check one rule of the contract each."""

from __future__ import annotations

from collections.abc import Callable

from harness.checks.bench import Bench
from harness.checks.trials import Trial
from harness.text import Json

Check = Callable[[Bench, Trial], Json | None]
"""Raises if the rule is broken; may return fields of `Verdict` to report."""

_CHECKS: dict[str, Check] = {}


def rule(check: Check) -> Check:
    """Register a check under the name of its function, with hyphens."""
    _CHECKS[check.__name__.replace("_", "-")] = check
    return check


def names_of_checks() -> tuple[str, ...]:
    """Return the names of all checks, in the order in which they are run and shown."""
    from harness.checks import rules  # noqa: F401 - registers them

    return tuple(_CHECKS)


def check_function(name: str) -> Check:
    """Return the check of a name."""
    names_of_checks()
    return _CHECKS[name]


def rule_of(check: Check) -> str:
    """Return the first line of a check's docstring: the rule that it checks."""
    return (check.__doc__ or "").strip().splitlines()[0].rstrip(".")
