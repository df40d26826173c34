"""The libraries that a worker used, read inside the worker after the work."""

from __future__ import annotations

import platform
import sys
from typing import Any

from harness.text import clean

_CHARACTERS = 100  # of a name or a version


def library_provenance() -> dict[str, Any]:
    """Return the Python version, the versions of the loaded distributions and the thread pools."""
    return {
        "python": platform.python_version(),
        "versions": _loaded_versions(),
        "pools": _pools(),
    }


def _loaded_versions() -> dict[str, str]:
    """The versions of the loaded packages only: reading the metadata of all would take longer."""
    packages = {name: module for name, module in sys.modules.items() if "." not in name}
    versions = {name: getattr(module, "__version__", None) for name, module in packages.items()}
    return {
        clean(name, _CHARACTERS): clean(text, _CHARACTERS)
        for name, text in sorted(versions.items())
        if isinstance(text, str)
    }


def _pools() -> list[dict[str, Any]]:
    from threadpoolctl import threadpool_info

    wanted = ("user_api", "internal_api", "version", "num_threads", "architecture")
    return [{key: pool.get(key) for key in wanted} for pool in threadpool_info()]
