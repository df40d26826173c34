"""Child processes of the harness: started, watched, paused and ended to the last."""
