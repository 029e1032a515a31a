"""The fields a sender can fill, each defined once: its limit, how it is cleaned, what it means. The API's published
schema is made from these tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.capture.domain.faults import Fault, describe
from services.capture.domain.text import clean_block, clean_line, unstorable
from shared.contracts.tokens import clean_token, digits_of


@dataclass(frozen=True, slots=True)
class TextField:
    """A field that holds text. `limit` counts characters after cleaning; what was sent may be twice as long."""

    name: str
    limit: int
    clean: Callable[[str], str]
    meaning: str
    example: str

    def read(self, value: object, faults: list[Fault]) -> str | None:
        """The cleaned text, or None where there is none or a fault was added. A number is taken as its digits."""
        if type(value) is str and len(value) <= self.limit and value.isascii() and value.isprintable():
            text = value.strip()
            return (self.clean(text) if "  " in text else text) or None
        if type(value) is not str:
            if value is None:
                return None
            value = self._from_number(value, faults)
            if value is None:
                return None
        text = self.clean(value)
        if len(text) > self.limit or len(value) > 2 * self.limit + 100:
            faults.append(
                Fault(self.name, f"is longer than {self.limit} characters", f"Send at most {self.limit} characters.")
            )
            return None
        if not value.isascii() or "\x00" in value:
            why = unstorable(value)
            if why is not None:
                faults.append(Fault(self.name, why, "Remove that character or send the text as valid UTF-8."))
                return None
        return text or None

    def _from_number(self, value: object, faults: list[Fault]) -> str | None:
        if type(value) is int and abs(value) < 10**self.limit and abs(value) < 2**64:
            return str(value)
        if type(value) is float and (digits := digits_of(value)) is not None:
            return digits
        if isinstance(value, int | float) and not isinstance(value, bool):
            fix = 'Send it in quotes, "…", so that no digit is lost.'
            faults.append(Fault(self.name, "is a number too long to be exact", fix))
        else:
            faults.append(Fault(self.name, f"is {describe(value)}, not text", "Send one text in quotes."))
        return None


def _table(*fields: TextField) -> dict[str, TextField]:
    return {field.name: field for field in fields}


CAMPAIGN_TEXTS = _table(
    TextField("source", 500, clean_line, "where it came from", "google"),
    TextField("medium", 500, clean_line, "by which kind of traffic", "cpc"),
    TextField("campaign", 500, clean_line, "because of which campaign", "spring"),
    TextField("content", 500, clean_line, "which variant of it", "banner-b"),
    TextField("term", 500, clean_line, "for which search term", "crm for clinics"),
)

SHARED_TEXTS = CAMPAIGN_TEXTS | _table(
    TextField("business_unit", 200, clean_line, "the unit of the business this is for; `default` if absent", "europe"),
    TextField("external_id", 300, clean_token, "the lead's id in the sender's system", "crm-81723"),
    TextField("email", 320, clean_token, "e-mail address; kept as sent and flagged if malformed", "ada@example.com"),
    TextField("phone", 100, clean_token, "telephone number, local or international", "+31 20 123 4567"),
    TextField("visitor_id", 300, clean_token, "the id of a browser or device not yet known by name", "v-5f2b"),
    TextField("channel", 200, clean_line, "how it reached you; `api` if absent", "web_form"),
    TextField("product", 500, clean_line, "what they are interested in", "GTX Pro"),
    TextField("record_id", 300, clean_token, "the sender's own id of this record: sent twice, counted once", "r-1"),
)

LEAD_TEXTS = SHARED_TEXTS | _table(
    TextField("name", 300, clean_line, "the person's name", "Ada Lovelace"),
    TextField("company", 300, clean_line, "the organisation", "Analytical Engines"),
    TextField("job_title", 300, clean_line, "what they do there", "Chief Engineer"),
    TextField("country", 100, clean_line, "ISO 3166-1 alpha-2; other text is kept and flagged", "NL"),
    TextField("language", 100, clean_token, "BCP 47 tag of the language they speak", "nl"),
    TextField("message", 10_000, clean_block, "what they wrote", "Please call me back."),
)

INTERACTION_TEXTS = SHARED_TEXTS | _table(
    TextField("kind", 200, clean_line, "what happened (required)", "page_view"),
    TextField("lead_id", 100, clean_token, "the lead's id, as capture answered it", "0190a6f2-…"),
    TextField("value", 1_000, clean_line, "what it was about: a page, a file, a link", "/pricing"),
    TextField("direction", 50, clean_line, "who began: inbound is the lead, outbound is you", "inbound"),
    TextField("outcome", 200, clean_line, "how it ended", "missed"),
    TextField(
        "retracts",
        300,
        clean_token,
        "the record_id of an interaction of the same lead that never happened",
        "visit-4711",
    ),
    TextField("retracts_event_id", 100, clean_token, "the same, by the event_id that was answered", "0190a6f2-…"),
)

VISIT_TEXTS = _table(
    TextField(
        "url", 8_000, clean_token, "the page where it happened; its query is read, not kept", "https://…/pricing"
    ),
    TextField(
        "landing_page", 8_000, clean_token, "the first page of the visit, read in the same way", "/?utm_source=x"
    ),
    TextField(
        "referrer", 8_000, clean_token, "the page they came from; only its host is kept", "https://www.google.com/"
    ),
    TextField("user_agent", 2_000, clean_line, "what the browser says it is; read, not kept", "Mozilla/5.0 …"),
)
"""What tells about a visit. It is read for what it means and not kept as it is; what cannot be read costs a flag."""

LEAD_OTHERS = frozenset({"consent", "occurred_at", "attributes", "historical", "test"})
INTERACTION_OTHERS = frozenset({"occurred_at", "attributes", "historical", "test", "duration_seconds"})

CONSENT_TEXTS = _table(
    TextField("purpose", 200, clean_line, "what is permitted; `contact` if absent", "newsletter"),
    TextField("lawful_basis", 200, clean_line, "on which ground", "consent"),
    TextField("text_version", 200, clean_line, "which text they agreed to", "2026-03"),
    TextField("proof", 2_000, clean_line, "how it can be shown", "form 12, box ticked"),
)
