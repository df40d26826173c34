"""What runs inside a child process: the programs that measure, import and check an adapter."""
