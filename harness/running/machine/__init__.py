"""The machine that measures: its facts, its processors, its fitness, and what stays private."""
