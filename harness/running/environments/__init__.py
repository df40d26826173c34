"""Environments of their own for adapters whose libraries cannot live beside the harness."""
