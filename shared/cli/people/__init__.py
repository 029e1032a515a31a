"""What is kept of people: `leadflow erase`, `leadflow erasures` and `leadflow export-person`."""

from shared.cli.people.erasing import app, erase
from shared.cli.people.exporting import export_person

__all__ = ["app", "erase", "export_person"]
