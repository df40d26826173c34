"""The contract checks of plug-ins.

`checks_of` turns them into tests in one line; `annharness check` prints them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.checks.testing import algorithms_ready, checks_of

__all__ = ["algorithms_ready", "checks_of"]


def __getattr__(name: str) -> object:
    # Lazy: a child process that runs the checks needs neither pytest nor the registry.
    if name in __all__:
        from harness.checks import testing

        return getattr(testing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
