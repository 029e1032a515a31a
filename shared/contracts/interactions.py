"""What leads do, in one vocabulary: every kind of interaction has one name, whichever channel tells of it. The vocabulary
is open: a kind that is not in it is kept as it was sent, and flagged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Direction = Literal["inbound", "outbound"]
"""Who began: the lead (inbound) or we (outbound)."""

INTERACTION_KINDS: Mapping[str, str] = {
    # on the web
    "page_view": "looked at a page",
    "form_start": "began to fill in a form",
    "form_submit": "sent a form",
    "link_click": "followed a link",
    "ad_click": "came by clicking an advertisement",
    "download": "downloaded a file",
    "video_watched": "watched a video",
    "site_search": "searched our site",
    "cart_abandoned": "left a filled cart behind",
    "sign_up": "opened an account",
    "log_in": "used their account",
    "app_install": "installed the app",
    "trial_started": "began to try the product",
    # what they asked for
    "demo_request": "asked to be shown the product",
    "quote_request": "asked for a price",
    "specification_request": "asked what exactly the product is and does",
    "payment_terms_request": "asked how and when they could pay",
    "sample_request": "asked for a sample",
    "callback_request": "asked to be called",
    "lead_withdrawn": "took back what they had sent",
    # by e-mail
    "email_open": "opened an e-mail of ours",
    "email_click": "followed a link in an e-mail of ours",
    "email_reply": "answered an e-mail of ours",
    "email_auto_reply": "their mailbox answered by itself",
    "email_bounce": "an e-mail of ours could not be delivered",
    "spam_complaint": "reported an e-mail of ours as spam",
    "subscribe": "asked to be written to",
    "unsubscribe": "asked not to be written to any more",
    # in conversation
    "call": "spoke, or tried to speak, by telephone",
    "voicemail": "left a spoken message",
    "text_message": "wrote a text message",
    "chat": "chatted",
    "meeting_booked": "made an appointment",
    "meeting": "met us",
    "meeting_missed": "did not come to an appointment",
    "meeting_cancelled": "called an appointment off",
    # at events
    "webinar_registered": "registered for a webinar",
    "webinar_attended": "attended a webinar",
    "event_registered": "registered for an event",
    "event_check_in": "came to an event",
    # in public and in opinion
    "survey_answered": "answered a survey",
    "review": "published a review",
    "comment": "commented on something of ours",
    "social_follow": "follows us",
    "social_like": "liked something of ours",
    "social_share": "shared something of ours",
    "social_mention": "mentioned us",
    "social_message": "wrote to us on a social network",
    "referral_given": "recommended us to somebody",
}
"""Each kind's name and what it says of the lead."""

REFUSALS = ("unsubscribe", "spam_complaint")
"""By these somebody says that they want no more e-mail, however they are spelled."""

_DIRECTIONS: Mapping[str, Direction] = {
    **dict.fromkeys(("inbound", "incoming", "in", "received"), "inbound"),
    **dict.fromkeys(("outbound", "outgoing", "out", "made", "outbound-api", "outbound-dial"), "outbound"),
}


def folded_kind(text: str) -> str:
    """A kind however it is spelled: `Page View`, `page-view` and `PAGE_VIEW` are one."""
    return "_".join(text.casefold().replace("-", " ").replace("_", " ").split())


def refuses(kind: str) -> bool:
    """Whether by a kind somebody says that they want no more e-mail."""
    return folded_kind(kind) in REFUSALS


def direction_of(text: str) -> Direction | None:
    """The direction a word means, or None where it means none."""
    return _DIRECTIONS.get(text.casefold())
