"""Scoring's rules, pure: `rules` turns a ledger of touches into a score, `groups` says which leads are one person and
which of them a batch of events changes."""

from services.scoring.domain.groups import Lead, Stir, Work, resolved_roots, score_event
from services.scoring.domain.rules import Rulebook, Score, Touch, reason, score, stored_attributes, touch

__all__ = [
    "Lead",
    "Rulebook",
    "Score",
    "Stir",
    "Touch",
    "Work",
    "reason",
    "resolved_roots",
    "score",
    "score_event",
    "stored_attributes",
    "touch",
]
