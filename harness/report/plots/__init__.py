"""Static figures, made by matplotlib from the table."""
