"""Locks of the results folder: of several processes, one at a time measures on a dataset."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from harness.data.cache.cached import CachedDataset
from harness.files.locks import try_lock
from harness.results.identity import hash_of
from harness.results.store import cannot_lock


def is_locked_by(stack: ExitStack, path: Path) -> bool:
    """Lock a file until a stack is closed; return False if another process holds it.

    Raises
    ------
    UserError
        If the folder cannot be locked.
    """
    try:
        return stack.enter_context(try_lock(path))
    except OSError as error:
        raise cannot_lock(path, error) from error


class DatasetLocks:
    """Locks on datasets: of two processes with one results folder, one measures on a dataset."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, ExitStack] = {}
        self._blocks: Counter[str] = Counter()

    def __enter__(self) -> DatasetLocks:
        return self

    def __exit__(self, *error: object) -> None:
        for held in self._held.values():
            held.close()

    def hold(self, dataset: CachedDataset) -> bool:
        """Lock a dataset for one more block; return False if another process holds it."""
        if dataset.name not in self._held:
            path = self._folder / f"block-{hash_of({'dataset': dataset.fingerprint})}.lock"
            lock = ExitStack()
            if not is_locked_by(lock, path):
                lock.close()
                return False
            self._held[dataset.name] = lock
        self._blocks[dataset.name] += 1
        return True

    def release(self, dataset: CachedDataset) -> None:
        """Unlock a dataset when the last block on it has ended."""
        self._blocks[dataset.name] -= 1
        if not self._blocks[dataset.name]:
            self._held.pop(dataset.name).close()
