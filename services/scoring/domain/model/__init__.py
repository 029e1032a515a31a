"""The learned model at work, pure and without any learning: tables of log-odds, where a value stands in them, what to say
about it. What made the tables is `services.scoring.learning`."""

from services.scoring.domain.model.additive import UNITS_PER_LOG_ODD, AdditiveModel, Pair, Table, Verdict
from services.scoring.domain.model.artefact import (
    CUSTOMER,
    EVERY_UNIT,
    FORMAT,
    FORMAT_VERSION,
    OPPORTUNITY,
    Artefact,
    UnusableArtefact,
    checksum,
    read_artefact,
    read_kept,
    write_artefact,
)
from services.scoring.domain.model.examples import Example, Leak, examples, refuse_leak
from services.scoring.domain.model.features import FEATURES_VERSION, FeatureReader, LateTouch
from services.scoring.domain.model.history import History, Member, history_of
from services.scoring.domain.model.values import Cell, as_known_number, as_level, as_number

__all__ = [
    "CUSTOMER",
    "EVERY_UNIT",
    "FEATURES_VERSION",
    "FORMAT",
    "FORMAT_VERSION",
    "OPPORTUNITY",
    "UNITS_PER_LOG_ODD",
    "AdditiveModel",
    "Artefact",
    "Cell",
    "Example",
    "FeatureReader",
    "History",
    "LateTouch",
    "Leak",
    "Member",
    "Pair",
    "Table",
    "UnusableArtefact",
    "Verdict",
    "as_known_number",
    "as_level",
    "as_number",
    "checksum",
    "examples",
    "history_of",
    "read_artefact",
    "read_kept",
    "refuse_leak",
    "write_artefact",
]
