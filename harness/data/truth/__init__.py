"""True neighbours: computed, checked, stored, and what they say of the data."""
