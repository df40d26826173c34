"""Checks of the arrays of builds and truths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Truth
from harness.results.point import BlockShare, Build, PointHeader
from harness.results.untrusted.schema import MOST_SECONDS

_MOST_BUILDS = 1 << 20
_MOST_DISTANCE = 1e120  # squares of it are still numbers


def check_build(header: PointHeader, build: Build) -> None:
    """Raise ValueError if a build does not fit its point, or has impossible values."""
    passes = len(build.walls)
    answers = len(build.neighbors)
    shape = (answers, header.nq, header.identity.k)
    shapes = (build.neighbors.shape, build.distances.shape, build.scales.shape)
    _require(0 <= build.number < _MOST_BUILDS, f"build {build.number}")
    _require(passes > 0, "no pass")
    _require(build.times.shape == (passes, header.nq), f"times {build.times.shape}")
    _require(shapes == (shape,) * 3 and answers in (1, passes), f"answers of the shapes {shapes}")
    check_seconds(build.times)
    check_seconds(build.walls)
    ids = build.neighbors
    _require(ids.min() >= -1 and ids.max() < header.n, f"an id outside of 0 to {header.n - 1}")
    known = build.distances[build.distances != np.inf]
    _require(bool((np.abs(known) < _MOST_DISTANCE).all()), "a distance that cannot be")
    # A scale beyond float32 is stored as infinity.
    _require(bool((build.scales >= 0).all()), "a scale that cannot be")
    if build.block is not None:
        _check_block(build.block, passes)


def _check_block(block: BlockShare, passes: int) -> None:
    """Raise ValueError if a block does not fit its build, which would falsify comparisons."""
    cycles, window = block.cycles, block.window
    fits = cycles.shape == (passes,) and bool((np.diff(cycles, prepend=-1) > 0).all())
    _require(fits and window >= 1, f"block of cycles {cycles} and windows of {window}, {passes}")
    _require(0 <= block.order_seed < 1 << 63, f"an order of queries of seed {block.order_seed}")
    check_seconds(block.reference_times)


def check_truth(truth: Truth) -> None:
    """Raise ValueError if these are impossible as true neighbours."""
    ids, distances = truth
    _require(ids.shape == distances.shape and ids.size > 0, f"{ids.shape} ids")
    _require(bool((ids >= 0).all()), "an id below 0")
    _require(bool((np.abs(distances) < _MOST_DISTANCE).all()), "a distance that cannot be")
    _require(bool((np.diff(distances, axis=1) >= 0).all()), "distances that do not ascend")


def check_seconds(values: NDArray[Any]) -> None:
    """Raise ValueError unless these can be times that something took."""
    _require(bool(((values > 0) & (values <= MOST_SECONDS)).all()), "a time that cannot be")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
