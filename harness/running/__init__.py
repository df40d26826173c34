"""Jobs, the worker inside the child process, the executor and the runner."""
