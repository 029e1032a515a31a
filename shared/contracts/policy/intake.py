"""What intake is told: the words a unit uses, who is a test or spam, what consent it needs, whose number is nobody's."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, field_validator, model_validator

from shared.contracts.envelope import Name
from shared.contracts.policy.section import Section, refuse_twice

VOCABULARY_FIELDS = (
    *("channel", "source", "medium", "campaign", "content", "term", "product"),
    *("company", "job_title", "kind"),
)
"""What a vocabulary may be for, beside `attributes.<name>`. Countries and languages have theirs already."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Listed = tuple[Text, ...]

SharedPhone = Annotated[str, StringConstraints(pattern=r"^\+[1-9]\d{6,14}$")]
"""A number in E.164 form, +31201234567, that is nobody's own: a switchboard, a front desk."""


class Vocabulary(Section):
    """The words that a unit uses in one field, other spellings of them, and how alike (0 to 1) another word has to be for
    one of them to be suggested."""

    values: Listed = ()
    synonyms: dict[Text, Text] = Field(default_factory=dict)
    suggest_from: Annotated[float, Field(ge=0.5, le=1)] = 0.85

    @model_validator(mode="after")
    def _synonyms_stand_for_a_value(self) -> Vocabulary:
        refuse_twice("value", self.values)
        for synonym, value in self.synonyms.items():
            if self.values and value not in self.values:
                raise ValueError(
                    f"synonym {synonym!r} stands for {value!r}, which is not among the values; add it there"
                )
        return self


class MarkLists(Section):
    """Who is marked: whoever fits one entry. E-mail addresses and domains in any case, a domain with all below it; names
    and companies as whole, in any case; senders by the name of their key."""

    emails: Listed = ()
    domains: Listed = ()
    names: Listed = ()
    companies: Listed = ()
    senders: Listed = ()

    @field_validator("emails")
    @classmethod
    def _are_addresses(cls, emails: Listed) -> Listed:
        for email in emails:
            if "@" not in email.strip("@"):
                raise ValueError(f"{email!r} is no e-mail address; a whole domain belongs under domains")
        return emails


class SpamSigns(MarkLists):
    """Beside the lists: a form's hidden field that only a machine fills, a form filled faster than somebody can, a message
    of nothing but links."""

    hidden_field: bool = True
    filled_within_seconds: Annotated[float, Field(ge=0, le=60)] = 1.0
    only_links: bool = True


class Marks(Section):
    """What is kept and shown, and held out of scores and numbers until somebody says otherwise. A disposable address is
    flagged only; `disposable_domains` are those beside the well-known ones."""

    test: MarkLists = MarkLists()
    spam: SpamSigns = SpamSigns()
    disposable_domains: Listed = ()


class ConsentRules(Section):
    """Which purposes a lead has to come with an answer to, by channel; `any` is for every channel. What is missing is
    flagged."""

    required: dict[Name, tuple[Name, ...]] = Field(default_factory=dict)
