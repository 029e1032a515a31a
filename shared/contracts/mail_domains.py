"""Domains at which anybody may have a mailbox: capture notes slips of them, and whoever compares people learns nothing from one."""

from __future__ import annotations

import re

REAL = frozenset(
    """
    abv.bg alice.it aol.com aol.de aol.fr aon.at arcor.de atlas.cz att.net azet.sk bbox.fr bellsouth.net bezeqint.net
    bigpond.com bk.ru bluewin.ch blueyonder.co.uk bol.com.br btinternet.com casema.nl centrum.cz charter.net chello.at chello.nl
    chmail.ir citromail.hu comcast.net cox.net daum.net duck.com earthlink.net email.com email.cz fastmail.com fmail.com
    foxmail.com free.fr freemail.hu freenet.de gazeta.pl gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com
    hanmail.net hetnet.nl hey.com hispeed.ch home.nl hotmail.be hotmail.co.il hotmail.co.uk hotmail.com hotmail.de hotmail.es
    hotmail.fr hotmail.it hotmail.nl hushmail.com i.ua icloud.com ig.com.br inbox.lv inbox.ru interia.pl iran.ir juno.com
    kpnmail.nl laposte.net libero.it list.ru live.be live.co.uk live.com live.de live.fr live.nl luukku.com mac.com mail.com
    mail.de mail.ir mail.ru mailbox.org me.com msn.com nate.com naver.com netvision.net.il neuf.fr ntlworld.com o2.pl onet.pl
    online.de online.no optonline.net optusnet.com.au orange.fr outlook.at outlook.be outlook.co.id outlook.com outlook.cz
    outlook.de outlook.dk outlook.es outlook.fr outlook.ie outlook.in outlook.it outlook.jp outlook.kr outlook.pt outlook.sa
    outlook.sk planet.nl pm.me posteo.de proton.me protonmail.ch protonmail.com qq.com quicknet.nl rambler.ru rediffmail.com
    rocketmail.com rogers.com sapo.pt sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com sky.com skynet.be sohu.com solcon.nl
    sunrise.ch t-online.de talktalk.net tele2.nl telefonica.net telenet.be telfort.nl telia.com terra.com.br terra.es tin.it
    tiscali.it tuta.io tutanota.com ukr.net uol.com.br upcmail.nl verizon.net virgilio.it virginmedia.com walla.co.il walla.com
    wanadoo.fr web.de wp.pl wxs.nl xs4all.nl xtra.co.nz ya.ru yahoo.ca yahoo.co yahoo.co.id yahoo.co.in yahoo.co.jp yahoo.co.uk
    yahoo.com yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.de yahoo.es yahoo.fr yahoo.gr yahoo.ie yahoo.in yahoo.it yahoo.nl
    yandex.com yandex.ru yeah.net ymail.com zahav.net.il ziggo.nl zoho.com zohomail.com zonnet.nl 012.net.il 126.com 139.com
    163.com
    """.split()  # noqa: SIM905
)
"""Where anybody has a mailbox: none of them is a slip of another, and none says of a person where they work."""

EVERYWHERE = re.compile(r"(gmx|hotmail|live|outlook|yahoo)\.((co|com)\.)?[a-z]{2}")
"""Names that one provider of those has in many countries: `yahoo.co.uk`, `gmx.at`. Before another name they are a firm's own."""

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


def is_anybodys(domain: str) -> bool:
    """Whether anybody may have a mailbox at this domain, in lower case: it says nothing of where a person works."""
    return domain in REAL or domain in DISPOSABLE or EVERYWHERE.fullmatch(domain) is not None
