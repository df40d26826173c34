"""Finding the parameters of an index for a recall; see docs/explanation/tuning.md."""
