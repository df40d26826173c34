"""Keys, result files and the one table with metrics."""
