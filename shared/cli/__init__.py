"""The `leadflow` command line: starts the system, asks the services over HTTP, never touches their tables."""
