"""Which of two results is the newer: told by a number that is stored with them.

The number is the time in milliseconds, so that results of several folders can be laid together. But
it is always larger than all numbers in the folder of the point: a clock that was set back does not
make a new result the older one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

MOST_SEQUENCE = 1 << 53


def sequence_of(provenance: Mapping[str, Any]) -> int:
    """Return the number of a result; for one of an earlier release the time of its end."""
    stored = provenance.get("sequence")
    if isinstance(stored, int):
        return stored
    try:
        ended = datetime.fromisoformat(str(provenance.get("finished_at", "")))
    except ValueError:
        return 0
    return int(1000 * ended.replace(tzinfo=ended.tzinfo or UTC).timestamp())


def following(newest: int) -> int:
    """Return the number of a result that is stored now, where the newest has that number."""
    return min(max(time.time_ns() // 1_000_000, newest + 1), MOST_SEQUENCE)
