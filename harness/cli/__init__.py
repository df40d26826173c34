"""The command line: thin, it parses and prints."""
