"""Checks of the arrays of builds and truths, and the exception for files that fail them."""

from __future__ import annotations

import errno
import itertools
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.contracts import UserError
from harness.contracts.dataset import Truth
from harness.measures.load import DROPPED
from harness.results.point import BlockShare, Build, LoadShare, PointHeader
from harness.results.untrusted.schema import MOST_SECONDS
from harness.text import clean, one_line, told

MOST_BYTES = 4 << 30
"""Of a stored file, and of the arrays in it; larger files are not read."""

_REASON_CHARACTERS = 300
_SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class BrokenResult(UserError):
    """A stored file that cannot be used; it is reported and skipped, never deleted.

    `str` gives the path and the reason in one line.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = one_line(reason, _REASON_CHARACTERS)
        super().__init__(
            "a stored file cannot be used",
            where=clean(path),
            got=self.reason,
            hint="remove it and run its suite again",
        )

    @property
    def fault_of_machine(self) -> OSError | MemoryError | None:
        """What kept the file from being read, if it is not the file that is at fault."""
        cause = self.__cause__
        if isinstance(cause, OSError) and cause.errno is None:  # HDF5's own errors have none
            return None
        return cause if isinstance(cause, OSError | MemoryError) else None

    def require_resources(self) -> None:
        """Raise a `UserError` if the process ran out of memory or of files: nothing is broken."""
        fault = self.fault_of_machine
        if isinstance(fault, MemoryError) or (fault and fault.errno in _SCARCE):
            raise UserError(
                "a stored file cannot be read now",
                where=clean(self.path),
                got=told(fault),
                hint="end other programs, or raise the limits (ulimit -n, ulimit -v)",
            ) from self

    def set_aside(self) -> None:
        """Rename the damaged file, so that another can take its place; its name says so.

        Raises
        ------
        OSError
            If the file may be whole and only cannot be read, or cannot be renamed.
        """
        if self.fault_of_machine is not None:
            raise self.fault_of_machine
        path = self.path
        names = (path.with_name(f"{path.name}.{n}.broken") for n in itertools.count(1))
        aside = path.rename(next(name for name in names if not os.path.lexists(name)))
        warnings.warn(f"set aside a broken result: {self}; it is {aside.name} now", stacklevel=3)

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise whatever reading a file raises as `BrokenResult`.

    h5py, numpy, zlib and json have more than ten kinds of exceptions for damaged files.
    """
    try:
        if not path.is_file():  # to open a pipe would block
            raise ValueError("no file" if not path.exists() else "no regular file")
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path.stat().st_size:,} bytes, at most {MOST_BYTES:,} are read")
        yield
    except BrokenResult:
        raise
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BrokenResult(path, reason or str(error) or type(error).__name__) from error


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
    under_load = header.identity.load is not None
    _require((build.load is not None) == under_load, "a schedule of another mode, or none")
    if build.load is not None:
        _check_load(build.load, passes, header.nq)


def _check_block(block: BlockShare, passes: int) -> None:
    """Raise ValueError if a block does not fit its build, which would falsify comparisons."""
    cycles, window = block.cycles, block.window
    fits = cycles.shape == (passes,) and bool((np.diff(cycles, prepend=-1) > 0).all())
    _require(fits and window >= 1, f"block of cycles {cycles} and windows of {window}, {passes}")
    _require(0 <= block.order_seed < 1 << 63, f"an order of queries of seed {block.order_seed}")
    check_seconds(block.reference_times)


def _check_load(load: LoadShare, passes: int, nq: int) -> None:
    shapes = (load.rates.shape, load.service.shape, load.outcomes.shape)
    _require(shapes == ((passes,), (passes, nq), (passes, nq)), f"a schedule of shapes {shapes}")
    sound = (load.rates > 0) & (load.rates < MOST_SECONDS)
    _require(bool(sound.all()), "a rate that cannot be")
    _require(bool(((load.service >= 0) & (load.service <= MOST_SECONDS)).all()), "a service time")
    _require(bool(((load.outcomes >= 0) & (load.outcomes <= DROPPED)).all()), "an outcome")


def check_truth(truth: Truth) -> None:
    """Raise ValueError if these are impossible as true neighbours."""
    ids, distances = truth.ids, truth.distances
    _require(ids.shape == distances.shape and ids.size > 0, f"{ids.shape} ids")
    _require(bool((ids >= -1).all()), "an id below -1")
    none = ids == -1  # fewer rows match the filter of a query
    possible = np.where(none, distances == np.inf, np.abs(distances) < _MOST_DISTANCE)
    _require(bool(possible.all()), "a distance that cannot be")
    _require(bool((distances[:, 1:] >= distances[:, :-1]).all()), "distances that do not ascend")
    if truth.matches is not None and truth.nearness is not None:
        alike = truth.matches.shape == truth.nearness.shape == ids.shape[:1]
        _require(alike, f"{truth.matches.shape} counts of matching rows")
        _require(bool((truth.matches >= 0).all()), "a count below 0")


def check_seconds(values: NDArray[np.float64]) -> None:
    """Raise ValueError unless these can be times that something took."""
    _require(bool(((values > 0) & (values <= MOST_SECONDS)).all()), "a time that cannot be")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
