"""The results table: a row for each stored point, and how its figures are computed."""
