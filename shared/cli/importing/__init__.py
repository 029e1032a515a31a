"""Leads and history from files: any size, resumable, idempotent, with every rejected line accounted for."""

from shared.cli.importing.commands import app

__all__ = ["app"]
