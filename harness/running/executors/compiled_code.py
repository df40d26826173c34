"""Where code that numba compiled for adapters is kept, so that only the first worker compiles it.

Numba compiles a function again when the file changes that holds it, but not when a function of
another file changes that was compiled into it. So each state of an adapter's code and libraries
has a folder of its own, and none is read for another state.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from harness.data.cache.folder import COMPILED
from harness.results.identity import hash_of, slug
from harness.running.blocks import Origin

_UNUSED_SECONDS = 3 * 24 * 3600
"""So long a state of the code that is gone back to is not compiled again."""


def compiled_folder(cache: Path, origin: Origin) -> Path:
    """Return the folder of compiled code of an adapter as it is now, and note that it is used.

    The first call for a new state removes folders of the same plug-in that were unused for three
    days. A folder that cannot be made is left to numba, which says so in the worker.

    Parameters
    ----------
    cache
        The cache folder.
    """
    code = hash_of({"source": origin.source_sha256, "versions": dict(origin.versions)})
    folder = cache / COMPILED / slug(Path(origin.folder).name) / code
    with suppress(OSError):
        if folder.is_dir():
            os.utime(folder)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            _remove_unused(folder.parent)
    return folder


def _remove_unused(plugin: Path) -> None:
    now = time.time()
    for folder in plugin.iterdir():
        if abs(now - folder.lstat().st_mtime) > _UNUSED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
