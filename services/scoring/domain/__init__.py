"""Scoring's rules, pure: `rulebook` turns a ledger of `touches` into a score as of a day, `groups` says which leads are
one person and which of them a batch of events changes, `assessment` is where a learned model speaks."""

from services.scoring.domain.assessment import Assessment, Assessor, Case, NoModel, contribution
from services.scoring.domain.auditing import Comparison, Recalled, compare
from services.scoring.domain.backtest import Replay, Totals, Trial, replay, try_out
from services.scoring.domain.explanation import Explanation, explain
from services.scoring.domain.groups import (
    Attachment,
    Lead,
    Place,
    Stir,
    Work,
    attachment,
    resolved_roots,
    rests_on,
    score_event,
    scored_moment,
)
from services.scoring.domain.judging import Judge, Verdict
from services.scoring.domain.keeping import Keeping
from services.scoring.domain.marks import counting, marking_of
from services.scoring.domain.outcomes import OUTCOME_EVENTS, Outcome, learned_at, outcome
from services.scoring.domain.passing import Person, pass_time, score_anew
from services.scoring.domain.rulebook import Rulebook, score
from services.scoring.domain.scores import Judgement, Score, reason
from services.scoring.domain.touches import Keepings, Touch, known_at, stored_attributes, touch, without_person

__all__ = [
    "OUTCOME_EVENTS",
    "Assessment",
    "Assessor",
    "Attachment",
    "Case",
    "Comparison",
    "Explanation",
    "Judge",
    "Judgement",
    "Keeping",
    "Keepings",
    "Lead",
    "NoModel",
    "Outcome",
    "Person",
    "Place",
    "Recalled",
    "Replay",
    "Rulebook",
    "Score",
    "Stir",
    "Totals",
    "Touch",
    "Trial",
    "Verdict",
    "Work",
    "attachment",
    "compare",
    "contribution",
    "counting",
    "explain",
    "known_at",
    "learned_at",
    "marking_of",
    "outcome",
    "pass_time",
    "reason",
    "replay",
    "resolved_roots",
    "rests_on",
    "score",
    "score_anew",
    "score_event",
    "scored_moment",
    "stored_attributes",
    "touch",
    "try_out",
    "without_person",
]
