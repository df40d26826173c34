"""Comparison of two sets of neighbours."""

from __future__ import annotations

import numpy as np

from harness.checks.bench import Bench, Ids
from harness.checks.trials import Case
from harness.checks.verdicts import Failed

_ALIKE = 0.9
_RELATIVE, _ABSOLUTE = 1e-5, 1e-5


def agreement(first: Ids, second: Ids) -> float:
    """Return the share of ids that two arrays of neighbours `(nq, k)` have in common."""
    shared = sum(
        len(np.intersect1d(a[a >= 0], b[b >= 0])) for a, b in zip(first, second, strict=True)
    )
    most = max(int((first >= 0).sum()), int((second >= 0).sum()))
    return shared / most if most else 1.0


def require_same(first: Ids, second: Ids, expected: str) -> None:
    """Fail unless every id is the same."""
    if not np.array_equal(first, second):
        query = int(np.argmax((first != second).any(axis=1)))
        raise Failed(expected, _difference(first, second, query))


def require_alike(bench: Bench, case: Case, first: Ids, second: Ids, expected: str) -> None:
    """Fail unless the neighbours are the same up to ties.

    If they are in the order of true distance, ties are equal distances. Otherwise ties are equal
    scores, which only the adapter knows: then nine ids of ten must be the same.
    """
    if bench.entry.exact_order:
        ours, theirs = (np.sort(bench.distances(case, ids), axis=1) for ids in (first, second))
        same = np.isclose(ours, theirs, rtol=_RELATIVE, atol=_ABSOLUTE).all(axis=1)
        if not same.all():
            raise Failed(expected, _difference(first, second, int(np.argmin(same))))
        return
    share = agreement(first, second)
    if share < _ALIKE:
        raise Failed(f"{expected} (at least {_ALIKE:.0%} of the ids)", f"{share:.0%} of the ids")


def _difference(first: Ids, second: Ids, query: int) -> str:
    return f"query {query}: {_shown(first[query])} and then {_shown(second[query])}"


def _shown(ids: Ids) -> str:
    return "[" + ", ".join(map(str, ids[:6])) + (", ...]" if len(ids) > 6 else "]")
