"""Isolated environments for adapters whose libraries conflict with the harness."""
