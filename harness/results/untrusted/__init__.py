"""Reading of stored files, which may come from anyone: bounded, and checked once."""
