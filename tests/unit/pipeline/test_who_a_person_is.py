"""Who somebody is who came under several ids is the same in a message as in a list."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.pipeline.contacting import Contacting
from services.pipeline.domain.ledger import Ledger
from tests.unit.pipeline.builders import START


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_ids_that_were_told_of_at_one_moment_the_higher_one_is_the_later(order: int) -> None:
    ledger = Ledger()
    winner, loser = (UUID(int=1), UUID(int=2))[::order]
    for one in (winner, loser):
        lead = ledger.create(one, "default")
        lead.personal, lead.personal_at = {"email": f"{one.int}@x.example"}, START
    ledger.join(loser, winner)
    assert Contacting.personal(ledger, winner) == {"email": "2@x.example"}
