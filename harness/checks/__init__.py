"""The contract checks of plug-ins: what every adapter must keep, and how that is shown.

`checks_of` makes a test of them in one line; `annharness check` prints them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.checks.testing import algorithms_ready, checks_of

__all__ = ["algorithms_ready", "checks_of"]


def __getattr__(name: str) -> Any:
    # Lazy: a child process that runs the checks has no need of pytest or the registry.
    if name in __all__:
        from harness.checks import testing

        return getattr(testing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
