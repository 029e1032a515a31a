"""Leads are found by whatever is known of them, as soon as it is known, and by nothing once they are erased."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from services.pipeline.searching import Searching
from tests.integration.pipeline.conftest import Pipeline
from tests.integration.pipeline.erasing import erase
from tests.unit.pipeline.builders import POLICY, SECRET, a_lead, a_score, at


async def found(http: httpx.AsyncClient, q: str, **parameters: Any) -> Sequence[dict[str, Any]]:
    """What a search answers."""
    answer = await http.get("/v1/search", params={"q": q, **parameters})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def names(http: httpx.AsyncClient, q: str, **parameters: Any) -> list[str]:
    """Whom it finds, in order."""
    return [one["personal"].get("name") for one in await found(http, q, **parameters)]


@pytest.mark.parametrize(
    ("q", "matched"),
    [
        ("Ann Smith", ["words"]),
        ("smith AN", ["words"]),
        ("Dr. Smith", ["words"]),
        ("Smïth", ["words"]),
        ("Ann+offers@Acme.example", ["email"]),
        ("ann@acme.example", ["email"]),
        ("ann@ac", ["words"]),
        ("+31 6 1234-5679", ["phone"]),
        ("31612345", ["words"]),
    ],
)
async def test_a_lead_is_found_by_what_is_known_of_it(
    pipeline: Pipeline, http: httpx.AsyncClient, q: str, matched: list[str]
) -> None:
    await pipeline.take(
        a_lead("ann@acme.example", phone="+31612345679", name="Ann Smith"), a_lead("bo@x.example", name="Bo Li")
    )
    (lead,) = await found(http, q)
    assert (lead["personal"]["name"], lead["matched"]) == ("Ann Smith", matched)


@pytest.mark.parametrize(
    ("known", "q"), [("محمد رضایی", "محمد رضايي"), ("כהן דוד", "דוד כה"), ("İpek Yıldız", "ipek yildiz")]
)
async def test_names_are_found_in_every_form_of_their_letters(
    pipeline: Pipeline, http: httpx.AsyncClient, known: str, q: str
) -> None:
    await pipeline.take(a_lead("a@x.example", name=known), a_lead("bo@x.example", name="Bo Li"))
    assert await names(http, q) == [known]


async def test_a_lead_is_found_by_the_beginning_of_its_id_also_where_it_was_merged(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    root, other = (
        a_lead("ann@x.example", name="Ann", occurred_at=at(1)),
        a_lead(phone="+31612345679", occurred_at=at(2)),
    )
    await pipeline.take(root, other, a_lead("ann@x.example", phone="+31612345679", occurred_at=at(3)))
    for lead in (root, other):
        (one,) = await found(http, str(lead.lead_id)[:10])
        assert (one["lead_id"], one["matched"]) == (str(root.lead_id), ["lead_id"])


async def test_what_is_whole_comes_before_what_only_begins_so_and_then_the_better_lead(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    leads = {
        name: a_lead(f"{place}@x.example", name=name)
        for place, name in enumerate(("Anna Li", "Ann Li", "Ann Bo", "Bo Li"))
    }
    await pipeline.take(*leads.values(), a_score(leads["Ann Bo"].lead_id, 30))
    assert await names(http, "ann") == ["Ann Bo", "Ann Li", "Anna Li"]
    answer = (await http.get("/v1/search", params={"q": "ann", "limit": 2})).json()
    assert ([one["personal"]["name"] for one in answer["items"]], answer["more"]) == (["Ann Bo", "Ann Li"], True)


async def test_what_is_learned_later_is_looked_for_and_a_score_leaves_the_words(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    lead = a_lead("ann@x.example", name="Ann")
    await pipeline.take(lead)
    await pipeline.take(a_lead("ann@x.example", name="Ann Smith", occurred_at=at(1)))
    await pipeline.take(a_score(lead.lead_id, 20))
    assert await names(http, "smith") == ["Ann Smith"]


async def test_a_unit_finds_its_own_people_alone(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    await pipeline.take(
        a_lead("ann@x.example", name="Ann North", business_unit="north"),
        a_lead("ann@x.example", name="Ann", business_unit="south"),
    )
    assert await names(http, "ann", business_unit="north") == ["Ann North"]
    assert await names(http, "ann@x.example", business_unit="south") == ["Ann"]
    assert sorted(await names(http, "ann")) == ["Ann", "Ann North"]


async def test_who_was_erased_is_found_by_nothing(pipeline: Pipeline, http: httpx.AsyncClient) -> None:
    await pipeline.take(a_lead("ann@x.example", phone="+31612345679", name="Ann Smith"))
    assert await names(http, "ann") == ["Ann Smith"]
    await erase(http, email="ann@x.example")
    assert await found(http, "ann") == []
    assert (await pipeline.one("SELECT length(words) AS n FROM pipeline.leads")).n == 0


async def test_whoever_was_there_before_there_was_a_search_is_given_words(
    pipeline: Pipeline, http: httpx.AsyncClient
) -> None:
    await pipeline.take(a_lead("ann@x.example", name="Ann Smith"))
    await pipeline.database.run(lambda tx: tx.execute("UPDATE pipeline.leads SET words = NULL"))
    assert await names(http, "smith") == []
    await Searching(pipeline.database, POLICY, SECRET).word()
    assert await names(http, "smith") == ["Ann Smith"]


@pytest.mark.parametrize("q", ["!!", "\\'", "' | 'x", "a & !b", "\x01"])
async def test_no_text_breaks_the_question(pipeline: Pipeline, http: httpx.AsyncClient, q: str) -> None:
    await pipeline.take(a_lead("ann@x.example", name="Ann Smith"))
    answer = await http.get("/v1/search", params={"q": q})
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 422:
        assert answer.json()["fix"]
