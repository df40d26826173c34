"""Figures, export and comparison: they read the table only."""
