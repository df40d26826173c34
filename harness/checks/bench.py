"""The test bench inside the child process: adapter class, rows, and built indexes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.checks.sample import Rows, Sample, read
from harness.checks.trials import Case, CheckSpec
from harness.contracts import Algorithm, Attributes, Bitmap, Filter
from harness.contracts.dataset import Metric
from harness.contracts.filters import matching
from harness.measures.distances import answer_distances
from harness.running.worker.adapters import load_adapter, with_seed
from harness.running.worker.answers import WrongAnswer, checked_ids, own_array
from harness.text import Json

Ids = NDArray[np.int64]
Note = Callable[[str], None]

_OF_BATCH = "the answer of query_batch"


class Built(NamedTuple):
    """A fitted adapter, and the copy of the rows that it was given as base."""

    algorithm: Algorithm
    base: Rows


class Bench:
    """Builds indexes of cases, each from a copy of the rows, and queries them.

    The copies are writable, unlike those of a run, so that an adapter that cannot take read-only
    arrays fails only the check for that.

    Parameters
    ----------
    spec
        What the child process works on.

    Attributes
    ----------
    note
        To be called with what is being tried, so that it is known when the process dies of it.
    """

    def __init__(self, spec: CheckSpec) -> None:
        self._spec = spec
        self._raw = read(Path(spec.folder))
        self._samples: dict[Metric, Sample] = {}
        self._built: dict[str, Built] = {}
        self._adapters: dict[Metric, Callable[..., Algorithm]] = {}
        self.entry = spec.entry
        self.note: Note = lambda text: None

    def adapter(self, metric: Metric) -> Callable[..., Algorithm]:
        """Return the adapter's class, imported at first use, so that a check reports failures."""
        if metric not in self._adapters:
            self._adapters[metric] = load_adapter(self._spec.adapters[metric])
        return self._adapters[metric]

    def base(self, case: Case) -> Rows:
        """The `(n, d)` rows of a case, read-only."""
        return self._sample(case.metric).base[: case.rows]

    def queries(self, case: Case, count: int | None = None) -> Rows:
        """The `(nq, d)` queries of a case, read-only."""
        return self._sample(case.metric).queries[:count]

    def parameters(self, case: Case) -> Json:
        """Return the build parameters as the harness passes them, with the seed."""
        build = json.loads(json.dumps(dict(case.build)))  # lists of its own, to see them changed
        return with_seed(self.adapter(case.metric), build, 0)[0]

    def construct(self, case: Case) -> Algorithm:
        """Make the adapter of a case."""
        return self.adapter(case.metric)(case.metric, **self.parameters(case))

    def fit(self, case: Case, base: Rows | None = None) -> Algorithm:
        """Build the index of a case again, from `base` or from a copy of the case's rows."""
        algorithm = self.construct(case)
        rows = self.base(case).copy() if base is None else base
        algorithm.prepare(rows.shape)
        algorithm.fit(rows)
        return self.ready(algorithm, case)

    def fit_filtered(self, case: Case, attributes: Attributes) -> Algorithm:
        """Build the index of a case from a copy of its rows, with attributes."""
        algorithm = self.construct(case)
        rows = self.base(case).copy()
        algorithm.prepare(rows.shape)
        algorithm.fit_filtered(rows, attributes)
        return self.ready(algorithm, case)

    def built(self, case: Case) -> Built:
        """Return the index of a case, built once for all checks, ready for its search."""
        key = json.dumps([case.metric, case.rows, dict(case.build)], sort_keys=True)
        if key not in self._built:
            base = self.base(case).copy()
            self._built[key] = Built(self.fit(case, base), base)
        self.ready(self._built[key].algorithm, case)
        return self._built[key]

    def ready(self, algorithm: Algorithm, case: Case) -> Algorithm:
        """Set the search parameters of a case and warm up, as before every timed pass."""
        algorithm.set_search(**case.search)
        algorithm.warm_up(self.queries(case).copy(), case.k)
        return algorithm

    def ask(self, algorithm: Algorithm, case: Case, queries: Rows | None = None) -> Ids:
        """Return the `(nq, k)` neighbours from single queries: row numbers or -1.

        Nothing else is checked here, so that one fault does not fail every check.
        """
        asked = self.queries(case).copy() if queries is None else queries
        answers = _asked(lambda query: algorithm.query(query, case.k), asked)
        return _ids_of_rows(answers, (len(asked), case.k), case.rows)

    def ask_filtered(
        self, algorithm: Algorithm, case: Case, one: Filter, attributes: Attributes
    ) -> Ids:
        """Return the `(nq, k)` neighbours among the rows that match, valid but for matching.

        The filter is given in the form that the entry says.
        """
        bitmap = Bitmap.of(matching(one, attributes))
        given = bitmap if self.entry.filtered == "bitmap" else one
        queries = self.queries(case).copy()
        answers = _asked(lambda query: algorithm.query_filtered(query, case.k, given), queries)
        return checked_ids(answers, len(queries), case.k, case.rows)

    def ask_batch(self, algorithm: Algorithm, case: Case) -> Ids:
        """Return the `(nq, k)` neighbours from one batch, as `ask` does."""
        asked = self.queries(case).copy()
        answers = own_array(algorithm.query_batch(asked, case.k), _OF_BATCH)
        return _ids_of_rows(answers, (len(asked), case.k), case.rows)

    def require_valid(self, algorithm: Algorithm, case: Case) -> list[Ids]:
        """Return the neighbours, from single queries and a batch, checked against the contract."""
        queries = self.queries(case).copy()
        answers = _asked(lambda query: algorithm.query(query, case.k), queries)
        batch = own_array(algorithm.query_batch(queries, case.k), _OF_BATCH)
        return [checked_ids(one, len(queries), case.k, case.rows) for one in (answers, batch)]

    def distances(self, case: Case, ids: Ids) -> NDArray[np.float64]:
        """Return the `(nq, k)` distances of neighbours under the metric of the case."""
        queries = self.queries(case, len(ids))
        return answer_distances(case.metric, self.base(case), queries, ids)

    def _sample(self, metric: Metric) -> Sample:
        if metric not in self._samples:
            foreign = self._spec.adapters[metric].foreign
            as_in_source = foreign is not None and not foreign["unit_rows"]
            self._samples[metric] = self._raw.under("euclidean" if as_in_source else metric)
        return self._samples[metric]


def _asked(search: Callable[[Rows], object], queries: Rows) -> list[NDArray[np.generic]]:
    return [own_array(search(query), f"the answer to query {i}") for i, query in enumerate(queries)]


def _ids_of_rows(answers: Any, shape: tuple[int, int], rows: int) -> Ids:
    """Return neighbours as an int64 array that can index rows."""
    parts = {np.shape(answer) for answer in answers}
    if len(answers) != shape[0] or parts != {shape[1:]}:
        got = ", ".join(map(str, sorted(parts, key=str)))
        raise WrongAnswer(f"{len(answers)} answers of shape {got}, {shape[0]} of {shape[1:]} asked")
    ids = np.array(answers)
    if ids.dtype.kind not in "iu" or ids.min() < -1 or ids.max() >= rows:
        raise WrongAnswer(f"answers are {ids.dtype}, {ids.min()} to {ids.max()}, for {rows} rows")
    return ids.astype(np.int64)
