"""Removal of user and host names from stored results, unless a run is given `--signed`."""

from __future__ import annotations

import getpass
import json
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HOME, USER, HOST = "~", "USER", "HOST"
_LEAST_CHARACTERS = 3


def impersonal(text: str) -> str:
    """Return a text with home folder, user's folders and host name replaced."""
    home, user, host = _home(), _user(), platform.node()
    if len(home) > 1:
        text = re.sub(rf"{re.escape(home)}(?![\w.-])", HOME, text)
    if len(user) >= _LEAST_CHARACTERS:
        text = re.sub(rf"(?<=/){re.escape(user)}(?![\w.-])", USER, text)
    if len(host) >= _LEAST_CHARACTERS:
        text = re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", HOST, text)
    return text


def impersonal_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain data with every text in it made impersonal."""
    cleaned: dict[str, Any] = json.loads(json.dumps(data), object_hook=_cleaned)
    return cleaned


def signature() -> dict[str, str]:
    """Return user and host name, for those who sign their results."""
    return {"user": _user(), "host": platform.node()}


def _cleaned(one: dict[str, Any]) -> dict[str, Any]:
    return {impersonal(name): _without_names(value) for name, value in one.items()}


def _without_names(value: Any) -> Any:
    if isinstance(value, str):
        return impersonal(value)
    return [_without_names(one) for one in value] if isinstance(value, list) else value


def _home() -> str:
    try:
        return str(Path.home())
    except RuntimeError:
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
