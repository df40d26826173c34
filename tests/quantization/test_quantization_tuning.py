"""Eta chosen by trial, for data that the formula is not made for."""

import numpy as np
import pytest
from harness.algorithms.quantization.adapter import AnisotropicPQ
from harness.algorithms.quantization.tuning import best_eta

from harness.contracts import UserError


def narrow_cone(n=4000, d=64, seed=0):
    """Unit rows that share most of their direction, as pixels do."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, 8)) @ rng.standard_normal((8, d))
    rows = 8 + latent + 0.1 * rng.standard_normal((n, d))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    rows.flags.writeable = False
    return rows


def recall_of(base, queries, **build):
    index = AnisotropicPQ("angular", M=16, nbits=4, **build)
    index.fit(base)
    index.set_search(rerank=0)
    ids = index.query_batch(queries, 10)
    truth = np.argsort(-(queries @ base.T), axis=1)[:, :10]
    return (ids[:, :, None] == truth[:, None, :]).any(axis=1).mean(), index


def test_tuned_beats_both_ends_where_the_formula_is_far_off():
    rows = narrow_cone()
    base, queries = rows[:3800].copy(), rows[3800:]
    base.flags.writeable = False
    with pytest.warns(UserWarning, match="try eta: tuned"):
        formula, _ = recall_of(base, queries, threshold=0.8)
    euclidean, _ = recall_of(base, queries, eta=1)
    tuned, index = recall_of(base, queries, eta="tuned")
    assert tuned > max(formula, euclidean) + 0.1
    assert 2 < index.diagnostics()["loss"]["eta"][0] < 20


def test_the_same_seed_tunes_the_same():
    rows = np.array(narrow_cone(1500))
    found = {best_eta(rows, 8, 16, np.random.default_rng(7)) for _ in range(2)}
    assert len(found) == 1
    assert 1 <= found.pop() < 100


def test_too_few_rows_to_learn_from():
    assert best_eta(np.array(narrow_cone(90)), 8, 16, np.random.default_rng(0)) == 1


@pytest.mark.parametrize("eta", ["best", 0.5, -1, float("inf"), float("nan")])
def test_other_etas_are_refused(eta):
    rows = narrow_cone(300)
    with pytest.raises(UserError, match="eta is the weight"):
        AnisotropicPQ("angular", M=8, nbits=4, eta=eta).fit(rows)
