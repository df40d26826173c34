"""Executors: they take a block as plain data and return what was measured."""
