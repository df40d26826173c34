"""The machine that measures: facts, processors, doctor, and removal of private names."""
