"""Reading of stored files, which may come from anyone, within bounds and with checks."""
