"""What intake needs to know of a business unit, made ready to be applied many times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo

from services.capture.domain.mail_domains import MailDomains
from services.capture.domain.marks import MarkRules
from services.capture.domain.vocabulary import Alike, Words
from shared.contracts.conditions import ATTRIBUTE_PREFIX
from shared.contracts.interactions import INTERACTION_KINDS, folded_kind
from shared.contracts.policy import UnitPolicy, Vocabulary

_NOTHING = Vocabulary()


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit's part in intake. Channels are found by their name in lower case, kinds of interaction by their
    folded one (those of the vocabulary, and those that the unit gives points for); `words` are the vocabularies of fields,
    `attribute_words` those of attributes by their plain name, `other_channels` finds channels spelled otherwise."""

    zone: tzinfo
    country: str | None
    sender_countries: Mapping[str, str]
    channels: Mapping[str, str]
    other_channels: Words
    words: Mapping[str, Words]
    attribute_words: Mapping[str, Words]
    mail_domains: MailDomains
    shared_phones: frozenset[str]
    required_consents: Mapping[str, tuple[str, ...]]
    required_everywhere: tuple[str, ...]
    needs_consents: bool
    marks: MarkRules
    kinds: Mapping[str, str]
    own_hosts: frozenset[str]

    @classmethod
    def of(cls, policy: UnitPolicy, alike: Alike) -> Unit:
        """The part of a unit's policy that intake needs."""
        vocabularies = policy.vocabularies
        fields = {name: Words(name, one, one.values, alike) for name, one in vocabularies.items() if name != "channel"}
        prefix = len(ATTRIBUTE_PREFIX)
        required = policy.consent.required
        return cls(
            zone=policy.zone,
            country=policy.country,
            sender_countries=policy.sender_countries,
            channels={name.casefold(): name for name in policy.channels},
            other_channels=Words("channel", vocabularies.get("channel", _NOTHING), policy.channels, alike),
            words={name: words for name, words in fields.items() if not name.startswith(ATTRIBUTE_PREFIX)},
            attribute_words={
                name[prefix:]: words for name, words in fields.items() if name.startswith(ATTRIBUTE_PREFIX)
            },
            mail_domains=MailDomains(alike, policy.marks.disposable_domains),
            shared_phones=frozenset(policy.shared_phones),
            required_consents={channel: needed for channel, needed in required.items() if channel != "any"},
            required_everywhere=required.get("any", ()),
            needs_consents=bool(required),
            marks=MarkRules(policy.marks),
            kinds={
                **{folded_kind(kind): kind for kind in policy.scoring.kinds()},
                **{name: name for name in INTERACTION_KINDS},
            },
            own_hosts=frozenset(policy.own_domains),
        )
