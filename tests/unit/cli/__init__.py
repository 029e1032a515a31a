"""The command line without any service."""
