"""At which domains anybody may have a mailbox, and which say where a person works."""

from __future__ import annotations

import pytest

from shared.contracts.mail_domains import is_anybodys


@pytest.mark.parametrize(
    "domain", ["gmail.com", "yahoo.com", "yahoo.co.uk", "yahoo.com.sg", "live.ie", "gmx.net", "mailinator.com"]
)
def test_a_providers_domain_is_anybodys_in_every_country(domain: str) -> None:
    assert is_anybodys(domain)


@pytest.mark.parametrize(
    "domain", ["live.company.com", "outlook.firm.de", "live.events", "gmx.co.firm.de", "yahoo", "mail.company.com"]
)
def test_a_firms_domain_is_its_own_whatever_it_begins_with(domain: str) -> None:
    assert not is_anybodys(domain)
