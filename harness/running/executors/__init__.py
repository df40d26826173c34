"""Executors: they take a block as plain data and return its measurements."""
