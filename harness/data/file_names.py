"""Names of datasets that are files: a file's stem as a slug, and digits of its fingerprint."""

from __future__ import annotations

import re
from pathlib import Path

_FINGERPRINT_DIGITS = 8
_SLUG_CHARACTERS = 60


def name_of_file(path: Path, fingerprint: str) -> str:
    """Return the name that results give to a file."""
    return f"{_slug(path.stem)}-{fingerprint[:_FINGERPRINT_DIGITS]}"


def is_name_of_file(name: str) -> bool:
    """Whether a name is such as `name_of_file` gives."""
    return re.fullmatch(rf"[a-z0-9.-]+-[0-9a-f]{{{_FINGERPRINT_DIGITS}}}", name) is not None


def is_named_after(name: str, path: Path) -> bool:
    """Whether a name is that of a file at such a path, whatever it holds."""
    return is_name_of_file(name) and name[: -_FINGERPRINT_DIGITS - 1] == _slug(path.stem)


def _slug(stem: str) -> str:
    slug = re.sub(r"[^a-z0-9.]+", "-", stem.lower()).strip("-.")
    return slug[:_SLUG_CHARACTERS].rstrip("-.") or "file"
