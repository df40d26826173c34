"""Child processes of the harness: start, supervision, pausing, and complete end."""
