"""Arrays that the contract rules out: an adapter may refuse them, but not answer them wrongly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from harness.checks.bench import Bench, Ids
from harness.checks.likeness import require_alike
from harness.checks.sample import Rows
from harness.checks.trials import Case


def require_right_or_refused(
    bench: Bench, case: Case, change: Callable[[Rows], NDArray[Any]], name: str
) -> None:
    """Fail if changed rows or changed queries are taken and give other answers.

    Base and queries are changed one at a time, so that a refusal of one does not hide the other.
    """
    usual = bench.ask(bench.built(case).algorithm, case)
    for part, answers in (("base", _by_base), ("queries", _by_queries)):
        bench.note(f"{name} as {part}")
        try:
            found = answers(bench, case, change)
        except Exception:
            continue
        require_alike(bench, case, usual, found, f"{name} as {part}: the usual answers or an error")


def _by_base(bench: Bench, case: Case, change: Callable[[Rows], NDArray[Any]]) -> Ids:
    return bench.ask(bench.fit(case, change(bench.base(case))), case)


def _by_queries(bench: Bench, case: Case, change: Callable[[Rows], NDArray[Any]]) -> Ids:
    return bench.ask(bench.built(case).algorithm, case, change(bench.queries(case)))
