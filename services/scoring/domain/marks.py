"""What of a ledger counts: tests and spam are kept, and left out of scores until somebody says that they were none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.scoring.domain.groups import Lead
from services.scoring.domain.touches import Touch
from shared.contracts.marks import Marking


def marking_of(lead: Lead, touches: Sequence[Touch]) -> Marking:
    """What is known of a lead id's mark, from its captures and from what was said about it."""
    return with_captures(Marking(word=lead.word, word_version=lead.word_version), touches)


def with_captures(marking: Marking, touches: Iterable[Touch]) -> Marking:
    """A marking with what captures show."""
    for one in touches:
        if one.kind is None:
            marking = marking.captured(one.mark)
    return marking


def counting(lead: Lead, touches: Sequence[Touch]) -> Sequence[Touch]:
    """The touches of one lead id that count for its person: none where the id is held out, all where somebody said that
    the mark was a mistake, else those without a mark."""
    if not lead.word_version and not any(one.mark for one in touches):
        return touches
    return counting_under(marking_of(lead, touches), touches)


def counting_under(marking: Marking, touches: Sequence[Touch]) -> Sequence[Touch]:
    """The same, where it is known what marks there are."""
    if marking.mark is not None:
        return ()
    return touches if marking.counts_marked_touches else [one for one in touches if one.mark is None]
