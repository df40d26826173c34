"""Which libraries a worker really used, read inside the worker after the work."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import Any


def library_provenance() -> dict[str, Any]:
    """Return the Python version, the versions of the loaded distributions and the thread pools."""
    return {
        "python": platform.python_version(),
        "versions": _loaded_versions(),
        "pools": _pools(),
    }


def _loaded_versions() -> dict[str, str]:
    loaded = {name.partition(".")[0] for name in sys.modules}
    distributions = metadata.packages_distributions()
    names = {distribution for module in loaded for distribution in distributions.get(module, ())}
    return {name: metadata.version(name) for name in sorted(names)}


def _pools() -> list[dict[str, Any]]:
    from threadpoolctl import threadpool_info

    wanted = ("user_api", "internal_api", "version", "num_threads", "architecture")
    return [{key: pool.get(key) for key in wanted} for pool in threadpool_info()]
