"""The learned model at work, pure and without any learning: tables of log-odds, where a value stands in them, what to say
about it. What made the tables is `services.scoring.learning`."""

from services.scoring.domain.model.additive import UNITS_PER_LOG_ODD, AdditiveModel, Pair, Table, Verdict
from services.scoring.domain.model.artefact import (
    FORMAT,
    FORMAT_VERSION,
    Artefact,
    UnusableArtefact,
    checksum,
    read_artefact,
    write_artefact,
)
from services.scoring.domain.model.values import Cell, as_level, as_number

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "UNITS_PER_LOG_ODD",
    "AdditiveModel",
    "Artefact",
    "Cell",
    "Pair",
    "Table",
    "UnusableArtefact",
    "Verdict",
    "as_level",
    "as_number",
    "checksum",
    "read_artefact",
    "write_artefact",
]
