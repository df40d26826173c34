"""Adapters written for other harnesses: the packages they import, and a wrapper for them."""

from harness.foreign.adapter import import_foreign, load_foreign

__all__ = ["import_foreign", "load_foreign"]
