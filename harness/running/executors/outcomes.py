"""What an executor returns: the measured settings, and the failures of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TaskFailure:
    """The failure of a setting or a task, and the `phase` in which it happened.

    `log_tail` is the end of the process's output, `peak_bytes` its peak memory, `seconds` its
    lifetime.
    """

    status: str
    reason: str
    phase: str
    log_tail: str = ""
    peak_bytes: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Measured:
    """The measurements of one setting in one build.

    `times` is `(passes, nq)` and `walls` `(passes,)`, float64 seconds; `cycles` is `(passes,)`, the
    cycle of each pass; `neighbors` is `(a, nq, k)`: a = 1, or `passes` where the answers differed.
    """

    times: NDArray[np.float64]
    walls: NDArray[np.float64]
    cycles: NDArray[np.int16]
    neighbors: NDArray[np.integer[Any]]
    facts: Mapping[str, Any]
    diagnostics: Mapping[str, Mapping[str, NDArray[Any]]]


@dataclass
class BlockOutcome:
    """The outcome of a block, or of the part of it that fitted into memory.

    `finished` and `failed` are by the key of the setting. A setting in neither was not to blame for
    the end of its process and comes in a later part. `reference_times` are the seconds per query of
    the reference index in each of its turns; `window` and `order_seed` tell which queries were
    asked in each round.
    """

    id: str
    number: int
    order_seed: int = 0
    window: int = 1
    reference_times: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    finished: dict[str, Measured] = field(default_factory=dict)
    failed: dict[str, TaskFailure] = field(default_factory=dict)
    seconds: float = 0.0
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class ProgramOutcome:
    """The outcome of a program that does not measure: reports and failures by task."""

    reports: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    failed: dict[str, TaskFailure] = field(default_factory=dict)
    log_tail: str = ""
