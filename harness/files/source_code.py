"""What Python code does, by its sha256: comments, blank lines and tests do not count."""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from functools import lru_cache
from pathlib import Path

_UNTIMED = "distance_computations"


def source_sha256(*folders: Path) -> str:
    """Return the sha256 of all Python code, except tests, below the folders of an entry.

    Comments and blank lines do not count, so changing them makes no result or cached dataset
    stale; nor do methods called `distance_computations`, which are called when everything has been
    timed and answered.
    """
    digest = hashlib.sha256()
    for folder in folders:
        sources = [path for path in folder.rglob("*.py") if not path.name.startswith("test_")]
        for path in sorted(sources):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(_code_that_counts(path.read_bytes())).digest())
    return digest.hexdigest()


@lru_cache(maxsize=512)  # called for every point
def _code_that_counts(source: bytes) -> bytes:
    """Return Python source without comments, blank lines, space at line ends and `_UNTIMED`.

    Text that is not valid Python is returned unchanged.
    """
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(source).readline))
        lines = source.decode(tokens[0].string).splitlines()
        dropped = _lines_of_untimed(source)
    except (SyntaxError, UnicodeDecodeError, tokenize.TokenError):
        return source
    strings = {
        line
        for token in tokens
        if token.start[0] != token.end[0]  # blank lines within a string are part of it
        for line in range(token.start[0], token.end[0])
    }
    for token in tokens:
        if token.type == tokenize.COMMENT:
            line, column = token.start
            lines[line - 1] = lines[line - 1][:column]
    kept = [
        text if number in strings else text.rstrip()
        for number, text in enumerate(lines, start=1)
        if (text.strip() or number in strings) and number not in dropped
    ]
    return "\n".join(kept).encode()


def _lines_of_untimed(source: bytes) -> set[int]:
    """Return the numbers of the lines of methods called `_UNTIMED`."""
    if _UNTIMED.encode() not in source:
        return set()
    classes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
    return {
        number
        for parent in classes
        for node in parent.body
        if isinstance(node, ast.FunctionDef) and node.name == _UNTIMED
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
