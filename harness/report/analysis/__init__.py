"""What the figures and tables say: points, curves, recommendations, standings."""
