"""The command line against the real services."""
