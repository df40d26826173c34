"""The table as files and as text: CSV, Parquet, JSON, Markdown, LaTeX, the terminal."""
