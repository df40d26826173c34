"""The encoder and the trainer against brute force and their own promises."""

import itertools

import numpy as np
import pytest
from harness.algorithms.quantization.encoding import decode, encode
from harness.algorithms.quantization.training import Sample, random_codebooks, train
from hypothesis import given, settings
from hypothesis import strategies as st


def points_of(seed, n, d, unit=True):
    rows = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    if unit:
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows.flags.writeable = False
    return rows


def gains_of(eta):
    return np.array([eta - 1], np.float32)


def loss_of(points, decoded, eta):
    """The definition, in float64: |r_perp|^2 + eta |r_par|^2."""
    x = points.astype(np.float64)
    r = x - decoded
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    u = np.divide(x, norms, out=np.zeros_like(x), where=norms > 0)
    parallel = (r * u).sum(axis=1, keepdims=True) * u
    return (eta * parallel**2 + (r - parallel) ** 2).sum(axis=1)


def test_eta_one_is_the_nearest_codeword():
    points = points_of(0, 2000, 12)
    codebooks = random_codebooks(points, 3, 16, np.random.default_rng(1))
    codes = encode(points, gains_of(1), codebooks).codes
    for m in range(3):
        x = points[:, None, m * 4 : (m + 1) * 4].astype(np.float64)
        distances = ((x - codebooks[m].astype(np.float32)) ** 2).sum(axis=2)
        chosen = np.take_along_axis(distances, codes[:, m, None].astype(int), axis=1)[:, 0]
        assert (chosen <= distances.min(axis=1) + 1e-6).all()
        assert (codes[:, m] == distances.argmin(axis=1)).mean() > 0.999


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    subspaces=st.integers(1, 4),
    nbits=st.integers(1, 3),
    eta=st.floats(1, 40),
)
def test_brute_force_bounds_the_encoder(seed, subspaces, nbits, eta):
    points = points_of(seed, 20, 2 * subspaces)
    codebooks = random_codebooks(points, subspaces, 1 << nbits, np.random.default_rng(seed))
    encoded = encode(points, gains_of(eta), codebooks)
    everything = np.array(list(itertools.product(range(1 << nbits), repeat=subspaces)), np.uint8)
    losses = np.array([loss_of(points, decode(code[None], codebooks), eta) for code in everything])
    own = loss_of(points, decode(encoded.codes, codebooks), eta)
    start = loss_of(points, decode(encode(points, gains_of(1), codebooks).codes, codebooks), eta)
    assert (own >= losses.min(axis=0) - 1e-5).all()
    assert (own <= start + 1e-5).all()
    np.testing.assert_allclose(encoded.losses(gains_of(eta)), own, atol=1e-5 * eta)


@pytest.mark.parametrize("eta", [2.0, 8.0, 30.0])
def test_no_single_change_of_a_code_lowers_the_loss(eta):
    points = points_of(3, 100, 16)
    codebooks = random_codebooks(points, 8, 8, np.random.default_rng(4))
    codes = encode(points, gains_of(eta), codebooks).codes
    loss = loss_of(points, decode(codes, codebooks), eta)
    for m, c in itertools.product(range(8), range(8)):
        changed = codes.copy()
        changed[:, m] = c
        assert (loss_of(points, decode(changed, codebooks), eta) >= loss - 1e-5).all()


def test_going_on_never_raises_the_loss():
    points = points_of(5, 500, 24)
    codebooks = random_codebooks(points, 12, 8, np.random.default_rng(6))
    start = np.random.default_rng(7).integers(0, 8, (500, 12)).astype(np.uint8)
    before = loss_of(points, decode(start, codebooks), 6.0)
    encoded = encode(points, gains_of(6), codebooks, start=start)
    after = loss_of(points, decode(encoded.codes, codebooks), 6.0)
    assert (after <= before + 1e-5).all()
    assert after.mean() < before.mean()


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    eta=st.floats(1, 20),
    nbits=st.integers(1, 5),
    subspaces=st.sampled_from([1, 2, 4, 8]),
    n=st.integers(2, 300),
)
def test_training_loss_never_rises(seed, eta, nbits, subspaces, n):
    points = points_of(seed, n, 8, unit=False).copy()
    rng = np.random.default_rng(seed)
    weights = rng.random(n) + 0.1
    gains = ((eta - 1) * rng.random(n)).astype(np.float32)
    sample = Sample.of(points, gains, weights)
    start = random_codebooks(sample.points, subspaces, 1 << nbits, rng)
    losses = np.array(train(sample, start, iterations=8, tolerance=-1.0).losses)
    assert len(losses) == 9 or losses[-1] < 1e-12
    assert (np.diff(losses) <= 1e-6 * losses[0] + 1e-12).all()


def test_a_block_update_is_the_joint_least_squares_solution():
    """With one subspace, the update must be the stationary point of Theorem 4.2."""
    points = points_of(8, 400, 6, unit=False).copy()
    rng = np.random.default_rng(9)
    h_perp, eta = rng.random(400) + 0.5, 1 + 4 * rng.random(400)
    sample = Sample.of(points, (eta - 1).astype(np.float32), h_perp)
    start = random_codebooks(sample.points, 1, 4, rng)
    codes = encode(sample.points, sample.gains, start).codes[:, 0]
    trained = train(sample, start, iterations=1, tolerance=-1.0).codebooks[0]
    x = points.astype(np.float64)
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    for c in range(4):
        i = np.flatnonzero(codes == c)
        bent = (h_perp * (eta - 1))[i, None, None] * u[i, :, None] * u[i, None, :]
        matrix = (h_perp[i, None, None] * np.eye(6) + bent).sum(axis=0)
        right = ((h_perp * eta)[i, None] * x[i]).sum(axis=0)  # h_par on the right side
        np.testing.assert_allclose(trained[c], np.linalg.solve(matrix, right), atol=1e-5)


def test_joint_training_beats_kmeans_codebooks_in_its_own_loss():
    points = points_of(10, 3000, 24).copy()
    sample = Sample.of(points, gains_of(6), np.ones(1))
    start = random_codebooks(sample.points, 6, 16, np.random.default_rng(1))
    kmeans = train(sample.euclidean(), start, iterations=15).codebooks
    joint = train(sample, kmeans, iterations=10)
    assert joint.losses[-1] < 0.97 * joint.losses[0]
    assert kmeans.shape == joint.codebooks.shape == (6, 16, 4)


def test_scann_rule_gives_another_encoding_with_no_lower_loss_on_average():
    points = points_of(11, 2000, 32)
    codebooks = random_codebooks(points, 16, 16, np.random.default_rng(1))
    free = encode(points, gains_of(6), codebooks)
    ruled = encode(points, gains_of(6), codebooks, scann_compatible=True)
    nearest = encode(points, gains_of(1), codebooks)
    assert (free.codes != ruled.codes).any()
    assert (np.abs(ruled.parallels) <= np.abs(nearest.parallels) + 1e-5).all()
    assert free.losses(gains_of(6)).mean() <= ruled.losses(gains_of(6)).mean()


def test_permuting_subspaces_and_points_permutes_the_answer():
    points = points_of(12, 300, 12)
    codebooks = random_codebooks(points, 4, 8, np.random.default_rng(1))
    codes = encode(points, gains_of(5), codebooks).codes
    rows = np.random.default_rng(2).permutation(300)
    shuffled = points[rows]
    shuffled.flags.writeable = False
    assert (encode(shuffled, gains_of(5), codebooks).codes == codes[rows]).all()
    order = np.array([2, 0, 3, 1])
    moved = np.ascontiguousarray(points.reshape(300, 4, 3)[:, order].reshape(300, 12))
    moved.flags.writeable = False
    # the largest residual first, whichever subspace it is in: here order leaves no trace at all
    ruled = encode(points, gains_of(5), codebooks, scann_compatible=True).codes
    permuted = encode(moved, gains_of(5), codebooks[order], scann_compatible=True).codes
    assert (permuted == ruled[:, order]).mean() > 0.999
    free = encode(moved, gains_of(5), codebooks[order]).codes
    assert (free == codes[:, order]).mean() > 0.95


def test_scaling_points_and_codebooks_together_changes_no_code():
    points = points_of(13, 300, 12)
    codebooks = random_codebooks(points, 4, 8, np.random.default_rng(1))
    doubled = points * np.float32(2)
    doubled.flags.writeable = False
    own = encode(points, gains_of(5), codebooks)
    other = encode(doubled, gains_of(5), 2 * codebooks)
    assert (own.codes == other.codes).all()
    np.testing.assert_allclose(other.squares, 4 * own.squares, rtol=1e-5)


def test_encoding_loss_never_rises_from_round_to_round(monkeypatch):
    from harness.algorithms.quantization import encoding

    points = points_of(14, 400, 40)
    codebooks = random_codebooks(points, 20, 16, np.random.default_rng(1))
    losses = []
    for rounds in range(6):
        monkeypatch.setattr(encoding, "ROUNDS", rounds)
        losses.append(encode(points, gains_of(8), codebooks).losses(gains_of(8)))
    assert (np.diff(losses, axis=0) <= 1e-5).all()
    assert losses[1].mean() < losses[0].mean()


def test_turning_points_and_whole_vector_codewords_changes_no_code():
    from harness.algorithms.quantization.rotation import random_orthogonal

    points = points_of(15, 300, 6)
    codebooks = random_codebooks(points, 1, 32, np.random.default_rng(1))
    turn = random_orthogonal(6, 3)
    np.testing.assert_allclose(turn @ turn.T, np.eye(6), atol=1e-6)
    turned = points @ turn.T
    turned.flags.writeable = False
    own = encode(points, gains_of(5), codebooks)
    other = encode(turned, gains_of(5), codebooks @ turn.T)
    assert (own.codes == other.codes).mean() > 0.99
    np.testing.assert_allclose(
        own.losses(gains_of(5)), other.losses(gains_of(5)), rtol=1e-4, atol=1e-6
    )
