"""Comparisons of two sides, and of the same points over time."""
