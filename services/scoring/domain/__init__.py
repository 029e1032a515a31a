"""Scoring's rules, pure: `rules` turns a ledger of touches into a score, `groups` says which leads are one person and
which of them a batch of events changes."""

from services.scoring.domain.groups import Lead, Place, Stir, Work, attachment, resolved_roots, score_event
from services.scoring.domain.rules import Rulebook, Score, Touch, reason, score, stored_attributes, touch

__all__ = [
    "Lead",
    "Place",
    "Rulebook",
    "Score",
    "Stir",
    "Touch",
    "Work",
    "attachment",
    "reason",
    "resolved_roots",
    "score",
    "score_event",
    "stored_attributes",
    "touch",
]
