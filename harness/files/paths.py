"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UserError

_LONGEST_NAME = 255
_LONGEST_PATH = 4095


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
