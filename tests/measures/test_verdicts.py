"""Ratios, their intervals and the verdicts: properties for random speeds, and known answers."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.measures.verdicts import (
    EQUAL_WITHIN,
    MOST_BUILDS,
    Estimate,
    Speeds,
    estimate,
    judge,
    verdict_words,
)

MARGIN = 1 + EQUAL_WITHIN
logs = st.floats(-12, 2)
ids = st.sampled_from(["", "a1", "b2", "c3", "d4", "e5"])


@st.composite
def speeds(draw):
    builds = draw(st.integers(0, 6))
    reference = draw(arrays(np.float64, builds, elements=logs | st.just(np.nan)))
    blocks = draw(st.lists(ids, min_size=builds, max_size=builds))
    shape = draw(st.tuples(st.integers(0, 3), st.integers(1, 2)))
    levels = [
        draw(arrays(np.float64, shape, elements=st.floats(-1, 1) | st.just(np.nan)))
        for _ in range(builds)
    ]
    return Speeds(
        tuple(blocks),
        draw(arrays(np.float64, builds, elements=logs | st.just(np.nan))),
        reference,
        tuple(levels),
    )


def made(logs, blocks="abcdefgh", *, reference=None, levels=None):
    """Speeds of builds with these log seconds, in blocks of one letter each."""
    builds = len(logs)
    if reference is None:
        reference = np.full(builds, np.nan)
    if levels is None:
        levels = [np.empty((0, 1))] * builds
    return Speeds(
        tuple(blocks[:builds]) if blocks else ("",) * builds,
        np.array(logs, dtype=float),
        np.array(reference, dtype=float),
        tuple(levels),
    )


def agrees(ratio):
    if ratio.low > 1:
        return ratio.verdict == "faster"
    if ratio.high < 1:
        return ratio.verdict == "slower"
    inside = ratio.low >= 1 / MARGIN and ratio.high <= MARGIN
    return ratio.verdict == ("equal" if inside else "undecided")


@given(st.lists(st.tuples(speeds(), speeds()), max_size=4))
def test_no_verdict_disagrees_with_its_interval(pairs):
    ratios = judge([estimate(*pair) for pair in pairs])
    for ratio in ratios:
        assert agrees(ratio)
        assert ratio.verdict.split()[0] in verdict_words(ratio)
        assert (ratio.more_builds == 0) == (ratio.verdict != "undecided")
        if not np.isnan(ratio.low):
            assert ratio.low <= ratio.value <= ratio.high
            assert ratio.scope != "unknown"


@given(speeds(), speeds())
def test_swapping_the_sides_turns_the_answer_round(ours, theirs):
    (ratio,), (turned,) = judge([estimate(ours, theirs)]), judge([estimate(theirs, ours)])
    opposite = {"faster": "slower", "slower": "faster"}
    assert turned.verdict == opposite.get(ratio.verdict, ratio.verdict)
    for one, other in ((ratio.value, turned.value), (ratio.low, turned.high)):
        np.testing.assert_allclose(one, 1 / other, rtol=1e-9)
    assert (turned.scope, turned.builds) == (ratio.scope, ratio.builds)
    swapped, direct = estimate(ours, theirs).swapped, estimate(theirs, ours)
    np.testing.assert_array_equal(astuple(swapped)[:-2], astuple(direct)[:-2])  # to the last digit


@given(st.lists(st.tuples(speeds(), speeds()), min_size=1, max_size=3))
def test_the_same_comparison_counts_once(pairs):
    once = [estimate(*pair) for pair in pairs]
    swapped = [estimate(theirs, ours) for ours, theirs in pairs]
    alone = judge(once)
    together = judge([*once, *once, *swapped])
    for one, other in zip(alone, together[: len(alone)], strict=True):
        assert one.level == other.level
        np.testing.assert_array_equal([one.low, one.high], [other.low, other.high])


def test_more_comparisons_widen_the_intervals():
    some = [Estimate(0.1 * i, 0.02, 4, 5, "between builds") for i in range(1, 6)]
    unknown = Estimate(0.3, float("nan"), float("nan"), 1, "unknown")
    alone, *_ = judge([some[0], unknown])
    together = judge(some)[0]
    assert alone.level == 0.95
    assert together.level == pytest.approx(0.99)
    assert together.high / together.low > alone.high / alone.low


@given(st.floats(0.1, 10), st.integers(0, 3))
def test_a_block_that_is_slow_for_all_changes_no_ratio(factor, slow):
    generator = np.random.default_rng(slow)
    ours, theirs = generator.normal(-7, 0.1, (2, 4))
    change = np.zeros(4)
    change[slow] = np.log(factor)
    for reference in (np.full(4, np.nan), generator.normal(-9, 0.1, 4)):
        before = estimate(made(ours, reference=reference), made(theirs, reference=reference))
        after = estimate(
            made(ours + change, reference=reference + change),
            made(theirs + change, reference=reference + change),
        )
        assert before.scope == after.scope == "between builds"
        np.testing.assert_allclose(
            [after.log_ratio, after.standard_error, after.degrees],
            [before.log_ratio, before.standard_error, before.degrees],
            atol=1e-9,
        )


def test_three_shared_blocks_are_compared_in_pairs():
    found = estimate(made([1.0, 2.0, 3.0]), made([1.1, 2.2, 3.3]))
    assert found.log_ratio == pytest.approx(0.2)
    assert found.standard_error == pytest.approx(0.1 / 3**0.5)
    assert (found.degrees, found.builds, found.scope) == (2, 3, "between builds")


def test_only_shared_blocks_count_in_any_order():
    ours = made([1.0, 2.0, 3.0, 50.0], "abcx")
    theirs = made([70.0, 3.3, 1.1, 2.2], "ycab")
    found = estimate(ours, theirs)
    assert found.builds == 3
    assert found.log_ratio == pytest.approx(0.2)


def test_passes_in_slower_cycles_of_the_same_blocks_make_no_index_slower():
    """Theirs made few passes, in cycles that were slower by half a logarithm."""
    ours = made([1.0, 2.0, 3.0], reference=[-3.0, -2.0, -1.0])
    theirs = made([1.6, 2.5, 3.4], reference=[-2.5, -1.5, -0.5])
    found = estimate(ours, theirs)
    assert found.log_ratio == pytest.approx(0.0)
    assert found.standard_error == pytest.approx(0.1 / 3**0.5)


def test_without_shared_blocks_the_reference_links_them():
    ours = made([1.0, 2.0, 3.1], "abc", reference=[0.0, 1.0, 2.0])
    theirs = made([5.5, 6.5, 7.4], "xyz", reference=[4.0, 5.0, 6.0])
    found = estimate(ours, theirs)
    assert found.scope == "between builds, by the reference"
    assert found.log_ratio == pytest.approx(4.4 / 3 - 3.1 / 3)
    assert judge([found])[0].scope == found.scope


def test_builds_of_the_first_release_are_compared_by_welch():
    ours, theirs = [1.0, 1.2, 1.4], [2.0, 2.1, 2.5, 2.2]
    found = estimate(made(ours, None), made(theirs, None))
    assert found.scope == "between builds, not side by side"
    variances = [np.var(side, ddof=1) / len(side) for side in (ours, theirs)]
    assert found.standard_error == pytest.approx(sum(variances) ** 0.5)
    assert 2 < found.degrees < 5


def test_too_few_builds_give_a_ratio_without_an_interval():
    for blocks in ("ab", None):
        (ratio,) = judge([estimate(made([1.0, 1.0], blocks), made([3.0, 3.0], blocks))])
        assert ratio.value == pytest.approx(np.exp(2))
        assert np.isnan([ratio.low, ratio.high]).all()
        assert verdict_words(ratio) == "undecided: needs at least 3 builds"
        assert ratio.scope == "unknown"
    (nothing,) = judge([estimate(made([]), made([1.0]))])
    assert np.isnan(nothing.value)


def test_one_shared_block_gives_an_interval_within_the_builds():
    noise = 0.01 * np.random.default_rng(0).standard_normal((2, 5, 8))
    drift = np.linspace(0, 1, 5)[:, None]
    sides = zip((0.0, 0.5), noise, strict=True)
    ours, theirs = (made([x], levels=[x + drift + n]) for x, n in sides)
    (ratio,) = judge([estimate(ours, theirs)])
    assert ratio.verdict == "faster"
    assert ratio.scope == "within one build"
    assert ratio.high / ratio.low < 1.1  # the drift, which both share, is not in it
    assert ratio.more_builds == 0


def test_builds_are_compared_in_the_rounds_that_both_took_part_in():
    """Ours met the slow half of every block twice as often as theirs."""
    slow = np.array([[0.0], [0.6], [0.6], [0.0], [0.6], [0.6]])
    few = np.where(np.arange(6)[:, None] % 3 == 0, slow, np.nan)
    ours = made([0.6] * 3, levels=[slow] * 3)
    theirs = made([0.1] * 3, levels=[few + 0.1] * 3)
    (ratio,) = judge([estimate(ours, theirs)])
    assert ratio.value == pytest.approx(np.exp(0.1))
    assert ratio.verdict == "faster"


def test_a_single_pass_says_nothing_of_its_noise():
    lone = [made([x], levels=[np.zeros((1, 8))]) for x in (0.0, 0.5)]
    assert judge([estimate(*lone)])[0].verdict == "undecided"


def test_equal_spread_of_zero_is_an_interval_of_no_width():
    (same,) = judge([estimate(made([1.0, 2.0, 3.0]), made([1.0, 2.0, 3.0]))])
    assert (same.low, same.value, same.high) == (1.0, 1.0, 1.0)
    assert same.verdict == "equal"


@pytest.mark.parametrize(
    ("log_ratio", "error", "words"),
    [
        (0.5, 0.01, "faster"),
        (-0.5, 0.01, "slower"),
        (0.02, 0.001, "faster by less than 5 %"),
        (0.0, 0.01, "equal within 5 %"),
        (0.0, 1e3, f"undecided: {MOST_BUILDS} or more further builds"),
    ],
)
def test_verdicts_in_words(log_ratio, error, words):
    (ratio,) = judge([Estimate(log_ratio, error, 4, 5, "between builds")])
    assert verdict_words(ratio) == words


@pytest.mark.parametrize(("log_ratio", "error"), [(0.0, 0.03), (0.1, 0.08), (-0.03, 0.05)])
def test_the_builds_it_asks_for_are_the_fewest_that_decide(log_ratio, error):
    (ratio,) = judge([Estimate(log_ratio, error, 4, 5, "between builds")])
    assert f"about {ratio.more_builds} more" in verdict_words(ratio)

    def verdict(more):
        builds = 5 + more
        shrunk = error * (5 / builds) ** 0.5
        return judge([Estimate(log_ratio, shrunk, builds - 1, builds, "between builds")])[0].verdict

    assert verdict(ratio.more_builds) != "undecided"
    assert verdict(ratio.more_builds - 1) == "undecided"


def test_between_two_points_speeds_are_linear_in_logarithms():
    levels = [np.full((2, 3), float(i)) for i in range(3)]
    below = made([1.0, 2.0, 3.0], "abc", reference=[0, 1, 2], levels=levels)
    above = made([6.0, 2.0], "ca", reference=[4, 0], levels=[np.ones((4, 3)), np.ones((1, 3))])
    middle = Speeds.between(below, above, 0.25)
    assert middle.blocks == ("a", "c")
    np.testing.assert_allclose(middle.log_seconds, [1.25, 3.75])
    np.testing.assert_allclose(middle.reference, [0, 2.5])
    assert [one.shape for one in middle.levels] == [(1, 3), (2, 3)]
    np.testing.assert_allclose(middle.levels[1], 1.75)


def test_without_shared_blocks_builds_are_matched_in_their_order():
    middle = Speeds.between(made([1.0, 2.0], "ab"), made([3.0, 3.0, 3.0], "xyz"), 0.5)
    assert middle.blocks == ("", "")
    np.testing.assert_allclose(middle.log_seconds, [2.0, 2.5])


def test_speeds_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="of 2 builds"):
        Speeds(("a", "b"), np.zeros(3), np.zeros(2), (np.zeros((1, 1)),) * 2)


def test_a_build_that_both_sides_hold_says_nothing_of_a_difference():
    """Merged results: the copied build was paired with itself, and all others were ignored."""
    copied, mine = made([-5.0], "a"), made([-5.0, -5.5, -5.51, -5.49], "abcd")
    theirs = made([-5.0, -6.0, -6.01, -5.99], "aefg")
    (ratio,) = judge([estimate(mine, theirs)])
    assert ratio.verdict == "slower"
    assert ratio.value == pytest.approx(np.exp(-0.5))
    (ratio,) = judge([estimate(made([-5.0, -6.0], "ab"), copied)])
    assert verdict_words(ratio) == "undecided: all builds of one side are in the other"
    assert np.isnan(ratio.low)


def test_the_very_same_builds_are_equal():
    levels = [np.array([[-5.0, -5.1], [-5.05, -5.0]])]
    (ratio,) = judge([estimate(made([-5.0], "a", levels=levels), made([-5.0], "a", levels=levels))])
    assert (ratio.value, ratio.verdict) == (1, "equal")
