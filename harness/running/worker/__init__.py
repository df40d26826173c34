"""Programs that run inside a child process: they measure, import and check an adapter."""
