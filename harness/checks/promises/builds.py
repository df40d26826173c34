"""The adapter can be made, fitted and asked."""

from __future__ import annotations

from harness.checks.bench import Bench
from harness.checks.trials import Trial


def check(bench: Bench, trial: Trial) -> dict[str, object]:
    """The adapter builds an index from rows and answers queries.

    Its answers go with the report, for another process to compare with.
    """
    algorithm = bench.built(trial.case).algorithm
    queries = bench.queries(trial.case).copy()
    return {"answers": [_plain(algorithm.query(query, trial.case.k)) for query in queries]}


def _plain(answer: object) -> object:
    """What JSON can carry; whether it is a right answer is for other checks to say."""
    return getattr(answer, "tolist", lambda: None)()
