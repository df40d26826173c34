"""Which exceptions tell a user what is wrong with a parameter, and which show a bug through."""

from __future__ import annotations

from harness.contracts import UserError

_CLEAN = (
    UserError,
    ValueError,
    TypeError,
    KeyError,
    RuntimeError,  # what libraries written in C++ raise
    OverflowError,
    OSError,
)


def is_clean(error: Exception) -> bool:
    """Whether an exception is a refusal with a message."""
    return isinstance(error, _CLEAN) and bool(str(error).strip())
