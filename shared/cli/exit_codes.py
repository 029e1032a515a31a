"""What a command says by its exit code; 0 is that all of it went well."""

from __future__ import annotations

FAILED_EXIT_CODE = 1
"""Some of what was asked for was not done, or is not as it should be."""

UNFINISHED_EXIT_CODE = 2
"""It could not go on; the message says what to do."""

REJECTED_EXIT_CODE = 3
"""All was looked at, and rows were refused."""
