"""Free space on the disk and in memory, checked before it is used."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.errors import UserError

_DISK_RESERVE_BYTES = 64 << 20


def require_disk(
    folder: Path,
    needed_bytes: int,
    what: str,
    hint: str = "free some space (annharness data clean) or set ANNHARNESS_DATA",
) -> None:
    """Raise a `UserError` if the disk of `folder` has too little space for so many bytes."""
    free = shutil.disk_usage(folder).free
    if needed_bytes + _DISK_RESERVE_BYTES > free:
        raise UserError(
            f"not enough disk space for {what}",
            where=str(folder),
            expected=f"{megabytes(needed_bytes + _DISK_RESERVE_BYTES)} free",
            got=megabytes(free),
            hint=hint,
        )


def require_memory(needed_bytes: int, what: str, where: str) -> None:
    """Raise a `UserError` if so many bytes are more than the machine has available."""
    import psutil  # here, since every worker loads this module and none asks

    available = psutil.virtual_memory().available
    if needed_bytes > available:
        raise UserError(
            f"not enough memory for {what}",
            where=where,
            expected=f"{megabytes(needed_bytes)} free",
            got=megabytes(available),
        )


def megabytes(count: int) -> str:
    """Return a number of bytes as text, such as 12 MB."""
    return f"{count / 1e6:,.1f} MB"
