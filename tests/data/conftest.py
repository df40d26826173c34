"""A cache of their own for the tests of the data package, and small files to read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder that nothing else uses."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ANNHARNESS_DATA", str(folder))
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


Hdf5Maker = Callable[..., Path]


@pytest.fixture
def make_hdf5(tmp_path: Path, rng: np.random.Generator) -> Hdf5Maker:
    """Write an HDF5 file in ann-benchmarks' schema; keywords replace or remove (None) parts."""

    def make(name: str = "mine.hdf5", *, compression: str | None = None, **parts: object) -> Path:
        path = tmp_path / name
        arrays: dict[str, NDArray[np.generic] | None] = {
            "train": rng.standard_normal((200, 8)).astype(np.float32),
            "test": rng.standard_normal((20, 8)).astype(np.float32),
        }
        attributes: dict[str, object] = {"distance": "angular", "point_type": "float"}
        for key, value in parts.items():
            if isinstance(value, np.ndarray) or key in arrays:
                arrays[key] = value  # type: ignore[assignment]
            else:
                attributes[key] = value
        with h5py.File(path, "w") as file:
            for key, rows in arrays.items():
                if rows is not None:
                    file.create_dataset(key, data=rows, compression=compression)
            for key, value in attributes.items():
                if value is not None:
                    file.attrs[key] = value
        return path

    return make


def leftovers(folder: Path) -> list[Path]:
    """Files below a folder that a failed piece of work must not leave behind."""
    return [
        path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".lock", "")
    ]
