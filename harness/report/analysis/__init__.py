"""What the figures and tables say: points, curves, comparisons, recommendations."""
