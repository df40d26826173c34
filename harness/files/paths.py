"""Paths as users write them."""

from __future__ import annotations

import keyword
import os
import re
import stat
from pathlib import Path

from harness.errors import UserError

_LONGEST_NAME = 255
_LONGEST_PATH = 4095

_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def user_path(text: str | Path) -> Path:
    """Return a path with `~` written out.

    Raises
    ------
    UserError
        If no file can have that path: an unknown user, a NUL, or a name that is too long.
    """
    shown = repr(str(text)[:80])
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"the path {shown} names no user of this machine", got=str(error)
        ) from error
    if "\0" in str(path):
        raise UserError(f"the path {shown} holds a NUL character")
    longest = max((len(part.encode(errors="replace")) for part in path.parts), default=0)
    if longest > _LONGEST_NAME or len(str(path).encode(errors="replace")) > _LONGEST_PATH:
        raise UserError(
            f"the path {shown} is too long",
            expected=f"names of at most {_LONGEST_NAME} bytes, {_LONGEST_PATH} in all",
        )
    return path


def identifier_of(name: str) -> str:
    """Return the folder for a name: a Python identifier, since it becomes a package."""
    folder = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return folder if is_importable(folder) else f"plugin_{folder}"


def is_importable(folder: str) -> bool:
    """Whether Python can import a folder of this name."""
    return folder.isidentifier() and not keyword.iskeyword(folder)


def kind_of(path: Path) -> str:
    """Return in words what lies at a path, links followed: "a file", "a pipe", "nothing"."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if not os.path.lexists(path):
            return "nothing" if isinstance(error, FileNotFoundError) else f"{error.strerror}"
        return "a link that leads to nothing"
    return _KINDS.get(stat.S_IFMT(mode), "something else")


def require_file(path: Path, hint: str | None = None) -> None:
    """Raise a `UserError` unless a regular file lies there: to open a pipe would block."""
    if not path.is_file():
        raise no_file(path, hint)


def no_file(path: Path, hint: str | None = None) -> UserError:
    """Return the error for a path where a file is expected and none lies."""
    missing = not os.path.lexists(path)
    what = "there is no such file" if missing else "this is no regular file"
    return UserError(what, where=str(path), got=None if missing else kind_of(path), hint=hint)
