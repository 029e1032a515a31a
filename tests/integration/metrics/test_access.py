"""What somebody with a token of pipeline's sees of metrics and may say to it, and that nobody sees what is of another unit."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx
import pytest

from services.metrics.access import Callers
from services.metrics.storage import reports as storage
from shared.contracts.policy.reports import Report
from shared.kit.vouching import Voucher
from tests.integration.metrics.harness import Metrics
from tests.unit.metrics.stories import Told

PEOPLE: dict[str, tuple[str, list[tuple[str, list[str] | None]]]] = {
    "reader": ("rea", [("integrator", None)]),
    "agent": ("ann", [("agent", ["tehran"])]),
    "manager": ("max", [("manager", ["tehran"]), ("agent", ["default"])]),
    "operator": ("olga", [("operator", None)]),
    "nothing": ("nemo", []),
}
AIM = {"kpi": "leads_created", "from": "2026-01-01", "to": "2026-07-01", "value": "10"}
SPENT = {"first_day": "2026-01-01", "amount": "5"}


async def pipeline(request: httpx.Request) -> httpx.Response:
    name = request.headers["authorization"].removeprefix("Bearer lf_")
    if name == "away":
        return httpx.Response(503)
    if name not in PEOPLE:
        return httpx.Response(401)
    subject, grants = PEOPLE[name]
    told = [{"role": role, "business_units": units} for role, units in grants]
    return httpx.Response(200, json={"subject": subject, "is_person": True, "grants": told})


@pytest.fixture(autouse=True)
async def known(metrics: Metrics) -> None:
    """Two leads of one unit and one of another, and pipeline, which knows the people."""
    metrics.app.state.callers = Callers(Voucher("http://pipeline/v1/me", transport=httpx.MockTransport(pipeline)))
    stories = [Told("tehran").tell("a", "LeadCreated", 3, channel="phone").tell("b", "LeadCreated", 4, channel="phone")]
    stories.append(Told("default").tell("c", "LeadCreated", 3, channel="phone"))
    await metrics.fold([fact for story in stories for fact in story.facts])


async def ask(metrics: Metrics, who: str, method: str, path: str, status: int, **more: Any) -> Any:
    headers = {"Authorization": f"Bearer lf_{who}" if who else "", **more.pop("headers", {})}
    answer = await metrics.client.request(method, path, headers=headers, **more)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content and "json" in answer.headers["content-type"] else answer.text


async def test_numbers_are_of_the_units_that_somebody_has(metrics: Metrics) -> None:
    async def created(who: str, **asked: Any) -> Any:
        return (await ask(metrics, who, "GET", "/v1/kpis/leads_created", 200, params=asked))["total"]["value"]

    assert [await created(who) for who in ("reader", "agent", "manager", "operator")] == [3, 2, 3, 3]
    assert await created("agent", business_unit="tehran") == 2
    by_unit = await ask(metrics, "agent", "GET", "/v1/kpis/leads_created?group_by=business_unit", 200)
    assert [one["key"] for one in by_unit["groups"]] == [{"business_unit": "tehran"}]
    behind = await ask(metrics, "agent", "GET", "/v1/kpis/leads_created/leads", 200)
    assert len(behind["leads"]) == 2
    for path in (
        "/v1/kpis/leads_created",
        "/v1/kpis/leads_created/leads",
        "/v1/findings",
        "/v1/forecast",
        "/v1/targets",
    ):
        for unit in ("default", ""):
            refused = await ask(metrics, "agent", "GET", path, 403, params={"business_unit": unit})
            assert (refused["type"], "reach" in refused["detail"]) == ("urn:leadflow:problem:unit-not-held", True)
    both = await ask(metrics, "manager", "GET", "/v1/forecast", 422)
    assert "default, tehran" in both["fix"]
    for path in (
        "/v1/kpis",
        "/v1/rates",
        "/v1/reports",
        "/v1/findings/noticed",
        "/v1/frozen",
        "/v1/targets",
        "/v1/spending",
    ):
        await ask(metrics, "agent", "GET", path, 200)
    report = await ask(metrics, "agent", "GET", "/v1/reports/overview/told?format=json", 200)
    assert (report["units"], report["numbers"][0]["texts"]) == ("tehran", ["2"])


@pytest.mark.parametrize("who", ["reader", "agent"])
async def test_those_who_read_write_nothing(metrics: Metrics, who: str) -> None:
    for method, path, body in (
        ("PUT", "/v1/targets", AIM),
        ("POST", "/v1/spending", {"rows": [SPENT]}),
        ("POST", "/v1/rates", {"rows": [{"currency": "USD", "into": "EUR", "day": "2026-01-01", "rate": "1"}]}),
        ("POST", "/v1/frozen", {}),
        ("POST", "/v1/shadow", {"source": "log"}),
        ("DELETE", "/v1/shadow", None),
    ):
        refused = await ask(metrics, who, method, path, 403, json=body)
        assert refused["type"] == "urn:leadflow:problem:forbidden"
        assert refused["fix"]
    assert (await ask(metrics, "operator", "GET", "/v1/targets", 200))["items"] == []


async def test_a_manager_says_what_is_wanted_and_spent_in_their_units_alone(metrics: Metrics) -> None:
    made = await ask(metrics, "manager", "PUT", "/v1/targets?by=somebody", 200, json={**AIM, "business_unit": "tehran"})
    assert made["set_by"] == "max", "on record is whose credentials they are"
    for aimed in ({"business_unit": "default"}, {}):
        await ask(metrics, "manager", "PUT", "/v1/targets", 403, json={**AIM, **aimed})
    csv = "kpi,business_unit,from,to,value\nleads_created,tehran,2026-02-01,2026-03-01,5\n"
    files: dict[str, Any] = {"content": csv, "headers": {"Content-Type": "text/csv"}}
    await ask(metrics, "manager", "POST", "/v1/targets/import", 200, **files)
    await ask(
        metrics, "manager", "POST", "/v1/targets/import", 403, **{**files, "content": csv.replace("tehran", "default")}
    )
    for unit, status in (("tehran", 200), ("default", 403)):
        await ask(metrics, "manager", "POST", "/v1/spending", status, json={"rows": [{**SPENT, "business_unit": unit}]})
        content = f"first_day,amount,business_unit,campaign\n2026-01-02,3,{unit},spring\n"
        await ask(metrics, "manager", "POST", "/v1/spending/import", status, **{**files, "content": content})
    org = await ask(metrics, "operator", "PUT", "/v1/targets", 200, json=AIM)
    await ask(metrics, "manager", "GET", f"/v1/targets/{org['target_id']}", 404)
    await ask(metrics, "manager", "DELETE", f"/v1/targets/{org['target_id']}", 404)
    await ask(metrics, "manager", "DELETE", f"/v1/targets/{made['target_id']}", 204)
    spent = await ask(metrics, "operator", "POST", "/v1/spending", 200, json={"rows": [SPENT]})
    assert spent["changed"] == 1
    rows = (await ask(metrics, "operator", "GET", "/v1/spending", 200, params={"business_unit": "default"}))["items"]
    await ask(metrics, "manager", "DELETE", f"/v1/spending/{rows[0]['spend_id']}", 404)
    await ask(metrics, "operator", "DELETE", f"/v1/spending/{rows[0]['spend_id']}", 204)


async def test_reports_are_ones_own_and_of_ones_units(metrics: Metrics) -> None:
    mine = {"headlines": ["leads_created"], "business_units": ["tehran"]}
    await ask(metrics, "agent", "PUT", "/v1/reports/mine", 200, json=mine)
    assert (await ask(metrics, "agent", "GET", "/v1/reports/mine", 200))["origin"] == "own"
    await ask(metrics, "manager", "GET", "/v1/reports/mine", 404)
    named = await ask(metrics, "manager", "DELETE", "/v1/reports/mine", 403, headers={"Leadflow-Actor": "ann"})
    assert named["type"] == "urn:leadflow:problem:not-the-actor"
    await ask(metrics, "agent", "PUT", "/v1/reports/all", 403, json={**mine, "business_units": []})
    sent = {**mine, "deliveries": [{"delivery": "d", "folder": "x"}]}
    await ask(metrics, "agent", "PUT", "/v1/reports/mine", 403, json=sent)
    await ask(metrics, "agent", "GET", "/v1/reports/deliveries", 403)
    await ask(metrics, "agent", "DELETE", "/v1/reports/mine", 204)


async def test_where_reports_are_sent_and_those_of_other_units_are_for_who_may_know(metrics: Metrics) -> None:
    posted = {
        "headlines": ["leads_created"],
        "filters": {"owner": ["kim"]},
        "deliveries": [{"delivery": "d", "webhook": "https://hooks.example/secret", "secret": "crm"}],
    }
    units: dict[str, list[str]] = {"all": [], "there": ["tehran"], "both": ["tehran", "default"], "here": ["default"]}
    for name, of in units.items():
        row = Report.model_validate({**posted, "business_units": of}).model_dump(mode="json")
        await metrics.database.run(partial(storage.save, owner=storage.EVERYBODY, name=name, report=row))

    async def seen(who: str) -> dict[str, tuple[list[str], bool]]:
        items = (await ask(metrics, who, "GET", "/v1/reports", 200))["items"]
        found = {one["name"]: (one["business_units"], "deliveries" in one) for one in items if one["name"] in units}
        for name in units:
            one = await ask(metrics, who, "GET", f"/v1/reports/{name}", 200 if name in found else 404)
            assert name not in found or (one["business_units"], "deliveries" in one) == found[name]
            told = f"/v1/reports/{name}/told?format=json"
            await ask(metrics, who, "GET", told, 200 if name in found else 404)
        return found

    assert await seen("operator") == {name: (of, True) for name, of in units.items()}
    assert await seen("agent") == {"all": ([], False), "there": (["tehran"], False), "both": (["tehran"], False)}
    assert await seen("manager") == {name: (of, name == "there") for name, of in units.items()}
    unknown = await ask(metrics, "agent", "GET", "/v1/reports/here", 404)
    assert "here" not in unknown["reports"]


async def test_nobody_is_let_in_who_is_nobody(metrics: Metrics) -> None:
    for who, status in (("", 401), ("unknown", 401), ("nothing", 403), ("away", 503)):
        await ask(metrics, who, "GET", "/v1/kpis", status)
    metrics.app.state.callers = Callers(None)
    await ask(metrics, "operator", "GET", "/v1/kpis", 401)
