"""Writing YAML that our own reading takes for the same data."""

from __future__ import annotations

import re

import yaml

_LIKE_A_NUMBER = re.compile(r"[-+.0-9]")


def yaml_text(data: object) -> str:
    """Return plain data as YAML, in the order of the keys."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Quotes text such as `1e-3`: a number in YAML 1.2, but none in the YAML 1.1 of PyYAML."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style='"' if _LIKE_A_NUMBER.match(text) else None
    ),
)
