"""Every nbits works with every width of a subspace, and scores what its codes stand for."""

import numpy as np
import pytest

from harness.registry import load_registry

load_registry()

from harness.algorithms.quantization.adapter import (  # noqa: E402
    AnisotropicPQ,
    FaissPQ,
    ProductQuantizer,
)


@pytest.mark.parametrize("adapter", [ProductQuantizer, AnisotropicPQ, FaissPQ])
@pytest.mark.parametrize("nbits", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("subspaces", [2, 4, 8])
def test_answers_are_those_of_the_reconstruction(adapter, nbits, subspaces):
    rng = np.random.default_rng(nbits)
    base = rng.standard_normal((600, 8)).astype(np.float32)
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    base.flags.writeable = False
    algorithm = adapter("angular", M=subspaces, nbits=nbits, seed=1)
    algorithm.prepare(base.shape)
    algorithm.fit(base)
    algorithm.set_search(rerank=0)
    algorithm.warm_up(base[:5], 10)
    scores = base[:20] @ algorithm.reconstruct(slice(0, 600)).T
    found = algorithm.query_batch(base[:20], 10)
    best = -np.sort(-scores, axis=1)[:, :10]
    np.testing.assert_allclose(np.take_along_axis(scores, found, axis=1), best, atol=1e-5)
    assert algorithm.index_bytes() == 600 * -(-subspaces * nbits // 8) + 4 * 8 * 2**nbits
