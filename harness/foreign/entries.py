"""Rows as lines of text, for adapters that talk to a program."""

from __future__ import annotations

from collections.abc import Iterable


def float_parse_entry(line: str) -> list[float]:
    """Read numbers parted by blanks."""
    return [float(word) for word in line.split()]


def float_unparse_entry(entry: Iterable[float]) -> str:
    """Write numbers parted by blanks."""
    return " ".join(str(value) for value in entry)


def int_parse_entry(line: str) -> frozenset[int]:
    """Read a set of integers."""
    return frozenset(int(word) for word in line.split())


def int_unparse_entry(entry: Iterable[int]) -> str:
    """Write a set of integers."""
    return " ".join(str(int(value)) for value in entry)


def bit_parse_entry(line: str) -> list[bool]:
    """Read bits, with or without blanks between them."""
    return [bool(int(sign)) for sign in "".join(line.split())]


def bit_unparse_entry(entry: Iterable[bool]) -> str:
    """Write bits without blanks between them."""
    return "".join("1" if value else "0" for value in entry)
