"""What the domain of an e-mail address says: that another was probably meant, or that nobody reads it for long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from services.capture.domain.vocabulary import Alike

SUGGESTED = (
    "gmail.com",
    "yahoo.com",
    "hotmail.com",
    "outlook.com",
    "icloud.com",
    "googlemail.com",
    "protonmail.com",
)
"""Where nearly everybody is who mistypes: only these are suggested."""

SUGGEST_FROM = 0.85
"""One letter of up to thirteen, two of more."""

REAL = frozenset(
    """
    aol.com aol.de aol.fr bk.ru bluewin.ch btinternet.com chmail.ir comcast.net cox.net duck.com email.com email.cz fastmail.com
    fmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hey.com home.nl hotmail.be
    hotmail.co.il hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it hotmail.nl icloud.com inbox.lv inbox.ru
    iran.ir kpnmail.nl laposte.net libero.it live.co.uk live.com live.de live.fr live.nl mac.com mail.com mail.de mail.ir mail.ru
    me.com msn.com naver.com orange.fr outlook.at outlook.be outlook.co.id outlook.com outlook.cz outlook.de outlook.dk
    outlook.es outlook.fr outlook.ie outlook.in outlook.it outlook.jp outlook.kr outlook.pt outlook.sa outlook.sk pm.me proton.me
    protonmail.ch protonmail.com qq.com rambler.ru rediffmail.com rocketmail.com seznam.cz sky.com t-online.de tutanota.com
    walla.co.il walla.com web.de wp.pl xs4all.nl yahoo.ca yahoo.co yahoo.co.id yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com
    yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.de yahoo.es yahoo.fr yahoo.gr yahoo.ie yahoo.in yahoo.it yahoo.nl yandex.com
    yandex.ru ymail.com ziggo.nl zoho.com 126.com 163.com
    """.split()  # noqa: SIM905
)
"""Real ones, so that none of them is taken for a slip of another."""

DISPOSABLE = frozenset(
    """
    10minutemail.com 10minutemail.net 20minutemail.com 33mail.com anonaddy.me burnermail.io byom.de discard.email
    discardmail.com discardmail.de dispostable.com dropmail.me emailondeck.com fakeinbox.com fakemail.net getairmail.com
    getnada.com guerrillamail.biz guerrillamail.com guerrillamail.de guerrillamail.info guerrillamail.net guerrillamail.org
    guerrillamailblock.com harakirimail.com inboxkitten.com incognitomail.org jetable.org mail-temp.com mail.tm mailcatch.com
    maildrop.cc mailexpire.com mailinator.com mailinator.net mailnesia.com mailnull.com mailsac.com minutemail.com mintemail.com
    moakt.com mohmal.com mytemp.email nada.email nowmymail.com pokemail.net sharklasers.com spam4.me spamavert.com spambog.com
    spambox.us spamex.com spamgourmet.com spamspot.com temp-mail.io temp-mail.org tempail.com tempinbox.com tempmail.dev
    tempmail.net tempmailo.com tempr.email throwawaymail.com tmail.ws tmpmail.net tmpmail.org trash-mail.com trashmail.com
    trashmail.de trashmail.net wegwerfmail.de wegwerfmail.net yopmail.com yopmail.fr yopmail.net
    """.split()  # noqa: SIM905
)
"""Well-known services of addresses for a few minutes. A unit adds its own; they are flagged and nothing more."""


class DomainNotes(NamedTuple):
    """What is noted of a domain: another that was probably meant, and whether its addresses are thrown away."""

    suggestion: str | None
    disposable: bool


NOTHING_NOTED = DomainNotes(None, False)
"""Almost every domain."""

MANY_DOMAINS = 50_000


class MailDomains(dict[str, DomainNotes]):
    """What a unit notes of domains in lower case, each looked at once. `disposable` are those it adds."""

    def __init__(self, alike: Alike, disposable: Iterable[str]) -> None:
        super().__init__()
        self._alike = alike
        self._disposable = DISPOSABLE | {domain.strip(" @.").casefold() for domain in disposable}

    def __missing__(self, domain: str) -> DomainNotes:
        suggestion = None if domain in REAL else self._alike(domain, SUGGESTED, SUGGEST_FROM)
        disposable = domain in self._disposable
        notes = DomainNotes(suggestion, disposable) if suggestion or disposable else NOTHING_NOTED
        if len(self) >= MANY_DOMAINS:
            self.clear()
        self[domain] = notes
        return notes
