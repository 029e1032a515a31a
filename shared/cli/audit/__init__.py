"""`leadflow audit`: every accepted event is a fact exactly once, waits, or is a dead letter; anybody can check it."""

from shared.cli.audit.command import audit

__all__ = ["audit"]
