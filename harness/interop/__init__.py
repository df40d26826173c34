"""Results of other harnesses: read, and written."""
