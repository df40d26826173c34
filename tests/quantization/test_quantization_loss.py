"""eta and the weights of points against the integrals that define them."""

import numpy as np
import pytest
from harness.algorithms.quantization.loss import eta_exact, eta_limit, point_weights
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import betainc, betaln

from harness.contracts import UserError


def integral(power, angle):
    return quad(lambda t: np.sin(t) ** power, 0, angle, epsabs=0, epsrel=1e-11)[0]


def eta_by_quadrature(ratio, dimension):
    angle = np.arccos(ratio)
    return (dimension - 1) * (integral(dimension - 2, angle) / integral(dimension, angle) - 1)


@pytest.mark.parametrize("dimension", [2, 3, 5, 25, 50, 100, 200, 768])
@pytest.mark.parametrize("ratio", [0.01, 0.1, 0.2, 0.4, 0.7])
def test_exact_eta_is_the_quadrature(ratio, dimension):
    assert eta_exact(ratio, dimension) == pytest.approx(eta_by_quadrature(ratio, dimension), 1e-8)


@pytest.mark.parametrize(
    ("dimension", "exact", "limit"),
    [(25, 2.606, 1.0), (50, 3.762, 2.042), (100, 5.953, 4.125), (200, 10.211, 8.29)],
)
def test_known_values_at_a_threshold_of_a_fifth(dimension, exact, limit):
    assert eta_exact(0.2, dimension) == pytest.approx(exact, abs=6e-4)
    assert eta_limit(0.2, dimension) == pytest.approx(limit, abs=6e-3)


@settings(max_examples=60, deadline=None)
@given(ratio=st.floats(0.0, 0.99), dimension=st.integers(2, 2000))
def test_eta_is_finite_and_at_least_one(ratio, dimension):
    for formula in (eta_exact, eta_limit):
        eta = formula(ratio, dimension)
        assert np.isfinite(eta)
        assert eta >= 1


def test_eta_at_high_dimension_does_not_underflow():
    assert eta_exact(0.9, 5000) == pytest.approx(float(eta_limit(0.9, 5000)), rel=2e-3)


def test_threshold_zero_is_exactly_the_euclidean_loss():
    assert eta_exact(0.0, 100) == 1.0
    for unit in (True, False):
        weights = point_weights(np.array([1.0, 2.0]), 100, threshold=0.0, unit=unit)
        assert (weights.eta == 1).all()
        assert (weights.perpendicular == 1).all()


def test_weights_of_other_norms_keep_the_absolute_scale():
    norms, threshold, d = np.array([0.6, 1.0, 1.5, 2.2]), 0.2, 20
    weights = point_weights(norms, d, threshold=threshold, unit=False)
    absolute = threshold * np.sqrt(np.mean(norms**2))
    angles = np.arccos(absolute / norms)
    # I_d by the incomplete beta function, another way than the code's
    expected = np.exp(betaln((d + 1) / 2, 0.5)) * betainc((d + 1) / 2, 0.5, np.sin(angles) ** 2)
    np.testing.assert_allclose(weights.perpendicular, expected / expected.mean(), rtol=1e-5)
    by_point = [eta_by_quadrature(absolute / norm, d) for norm in norms]
    np.testing.assert_allclose(weights.eta, by_point, rtol=1e-5)


def test_zero_and_short_rows_get_finite_weights():
    weights = point_weights(np.array([0.0, 1e-3, 1.0, 3.0]), 16, threshold=0.2, unit=False)
    assert weights.eta[0] == 1
    assert np.isfinite(weights.eta).all()
    assert np.isfinite(weights.perpendicular).all()
    assert (np.diff(weights.perpendicular[1:]) > 0).all()


@pytest.mark.parametrize("threshold", [-0.1, 1.0, 1.5, float("nan")])
def test_thresholds_that_no_unit_vector_reaches_are_refused(threshold):
    with pytest.raises(UserError, match="0 <= threshold < 1"):
        point_weights(np.ones(1), 10, threshold=threshold, unit=True)


@pytest.mark.parametrize("eta", [0.5, -1.0, float("nan"), float("inf")])
def test_eta_below_one_is_refused(eta):
    with pytest.raises(UserError, match="at least 1"):
        point_weights(np.ones(1), 10, threshold=0.2, eta=eta, unit=True)


def test_unknown_formula_is_refused():
    with pytest.raises(UserError, match="exact or limit"):
        point_weights(np.ones(1), 10, threshold=0.2, formula="exactly", unit=True)
