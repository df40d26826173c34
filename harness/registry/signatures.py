"""Names of the parameters of methods, read from source: nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_DEEPEST = 5


@dataclass(frozen=True)
class _Class:
    """A class definition and its file."""

    node: ast.ClassDef
    file: Path
    tree: ast.Module


def parameter_names(file: Path, class_name: str, method: str) -> list[str]:
    """Return the positional parameters of a method, without `self`.

    Base classes are followed in the same file and through relative imports, such as
    `from ..faiss.module import Faiss`. A class that cannot be found or read gives no names.
    """
    found = _find_class(file, class_name)
    for _ in range(_DEEPEST):
        if found is None:
            return []
        for node in found.node.body:
            if isinstance(node, ast.FunctionDef) and node.name == method:
                return [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)][1:]
        found = _parent(found)
    return []


def sibling_folders(file: Path) -> list[Path]:
    """Return the folders beside a module's own that it imports from, such as `..faiss`."""
    tree = _parse(file)
    found = [_imported_file(node, file) for node in _relative_imports(tree)] if tree else []
    return sorted({path.parent for path in found if path is not None and path.parent.is_dir()})


def _find_class(file: Path, name: str) -> _Class | None:
    tree = _parse(file)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _Class(node, file, tree) if tree else None
    return None


def _parent(found: _Class) -> _Class | None:
    for base in found.node.bases:
        if not isinstance(base, ast.Name):
            continue
        here = _find_class(found.file, base.id)
        if here is not None and here.node is not found.node:
            return here
        for node in _relative_imports(found.tree):
            file = _imported_file(node, found.file)
            for alias in node.names:
                if (alias.asname or alias.name) == base.id and file is not None:
                    return _find_class(file, alias.name)
    return None


def _relative_imports(tree: ast.Module) -> Iterator[ast.ImportFrom]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level in (1, 2) and node.module:
            yield node


def _imported_file(node: ast.ImportFrom, file: Path) -> Path | None:
    folder = file.parent if node.level == 1 else file.parent.parent
    path = folder.joinpath(*str(node.module).split(".")).with_suffix(".py")
    return path if path.is_file() and path != file else None


def _parse(file: Path) -> ast.Module | None:
    try:
        return ast.parse(file.read_text(encoding="utf-8"), str(file))
    except (OSError, SyntaxError, ValueError):
        return None
