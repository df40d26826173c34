"""Folders that work as they are, as a start for one's own: a plug-in, a leaderboard."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

import numpy as np

from harness.contracts import UserError
from harness.files.paths import identifier_of
from harness.files.temporary import temporary_folder
from harness.files.yaml_text import yaml_text
from harness.registry.plugins import Kind, find_folders
from harness.registry.registry import Registry, load_registry
from harness.registry.schema.values import check_entry_name

_TEMPLATES = Path(__file__).parent / "templates"
_ROWS, _DIMENSION, _SEED = 320, 8, 42
MADE_UP = "vectors.csv"
"""The file of a new dataset, with rows that stand for one's own."""

_LEADERBOARD = {
    "README.md": "README.md",
    "Makefile": "Makefile",
    "suite.yml": "suite.yml",
    ".gitignore": "gitignore",
    ".github/workflows/leaderboard.yml": "workflow.yml",
    "packages/.gitkeep": "gitkeep",
}


def write_plugin(name: str, kind: Kind, root: Path, plugins: Sequence[Path] = ()) -> Path:
    """Write a folder with a new entry below `root`, and return it; nothing is overwritten.

    Parameters
    ----------
    name
        Of the entry.
    root
        A folder of plug-ins, made if missing.
    plugins
        Other such folders, whose names are taken.

    Raises
    ------
    UserError
        If the name is none or is taken, or the folder cannot be written.
    """
    check_entry_name(name, "NAME")
    known = [path for path in {*plugins, root} if _has_plugins(path)]
    folder = root / kind / identifier_of(name)
    require_free(name, kind, folder, load_registry(known))
    made = _files_of_dataset(name) if kind == "datasets" else _files_of_algorithm(name)
    _write_folder(folder, made)
    return folder


def write_leaderboard(name: str, parent: Path) -> Path:
    """Write a repository that checks and publishes packages of results; nothing is overwritten.

    Raises
    ------
    UserError
        If the name is none, or the folder is there or cannot be written.
    """
    check_entry_name(name, "NAME")
    folder = parent / name
    if folder.exists():
        raise UserError("there is such a folder already", where=str(folder), hint="another name")
    files = {
        place: _filled(f"leaderboard/{template}.txt", name=name)
        for place, template in _LEADERBOARD.items()
    }
    _write_folder(folder, files)
    return folder


def class_name_of(name: str) -> str:
    """Return the name of a class, as `MyIndex` for `my-index`."""
    words = identifier_of(name).split("_")
    joined = "".join(word[:1].upper() + word[1:] for word in words)
    return f"{joined}Index" if keyword.iskeyword(joined) else joined


def _write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write a folder whole or not at all."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder.parent, folder.name) as temporary:
            draft = temporary / "draft"  # as a folder made by hand, not private as a temporary one
            draft.mkdir()
            for file, text in files.items():
                (draft / file).parent.mkdir(parents=True, exist_ok=True)
                (draft / file).write_text(text, encoding="utf-8")
            draft.rename(folder)
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror}", where=str(folder)) from error


def _has_plugins(root: Path) -> bool:
    return any((root / kind).is_dir() for kind in ("algorithms", "datasets"))


def require_free(name: str, kind: Kind, folder: Path, registry: Registry) -> None:
    """Raise a `UserError` if an entry has this name, or a plug-in folder that of `folder`."""
    entries = registry.datasets if kind == "datasets" else registry.algorithms
    if name in entries:
        raise UserError(
            f"{name!r} is taken", where=entries[name].origin, hint="choose another name"
        )
    taken = {found.path.name: found.path for found in find_folders(kind, registry.roots)}
    place = folder if folder.exists() else taken.get(folder.name)
    if place is not None:
        raise UserError(
            f"there is a folder {folder.name!r} already",
            where=str(place),
            hint="choose another name, or remove that folder",
        )


def _filled(template: str, **values: str) -> str:
    return Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(values)


def _names(name: str) -> dict[str, str]:
    """The name as the templates need it: `123` and `null` are keys in quotes only."""
    key = yaml_text({name: None}).partition(":")[0]
    return {"name": name, "key": key, "identifier": identifier_of(name)}


def _files_of_algorithm(name: str) -> dict[str, str]:
    values = {
        **_names(name),
        "class_name": class_name_of(name),
    }
    return {
        "adapter.py": _filled("algorithm/adapter.py.txt", **values),
        "config.yml": _filled("algorithm/config.yml.txt", **values),
        "suite.yml": _filled("algorithm/suite.yml.txt", **values),
        f"test_{values['identifier']}.py": _filled("algorithm/test.py.txt", **values),
    }


def _files_of_dataset(name: str) -> dict[str, str]:
    rows = np.random.default_rng(_SEED).standard_normal((_ROWS, _DIMENSION)).round(4)
    golden = f"[{rows[0, 0]:.4f}, {rows[0, 1]:.4f}]"
    values = {**_names(name), "golden": golden}
    lines = [f"row-{i}," + ",".join(f"{value:.4f}" for value in row) for i, row in enumerate(rows)]
    return {
        "config.yml": _filled("dataset/config.yml.txt", **values),
        "loader.py": _filled("dataset/loader.py.txt", **values),
        f"test_{values['identifier']}.py": _filled("dataset/test.py.txt", **values),
        MADE_UP: "\n".join(lines) + "\n",
    }
