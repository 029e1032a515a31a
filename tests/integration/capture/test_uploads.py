"""Files posted to capture are imported behind the answer, each row told of, none lost for another's sake."""

from __future__ import annotations

import asyncio
import gzip
import zipfile
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.integration.capture.uploading import MAX_BYTES, OPERATOR, Place, Uploads, people, table
from tests.support.patience import eventually
from tests.support.workbooks import Cell, write_workbook
from tests.unit.capture.fakes import FULL_KEY, PLAIN_KEY, problem


async def test_a_file_is_imported_behind_its_answer(uploads: Uploads) -> None:
    job = await uploads.send(people(1_200), "C:\\lists\\leads.csv", business_unit="tehran", channel="web_form")
    assert (job["status"], job["filename"], job["rows"]["read"]) == ("waiting", "leads.csv", 0)
    done = await uploads.ended(job["upload_id"])
    assert done["status"] == "done"
    assert done["rows"] == {"total": 1_200, "read": 1_200}
    assert done["leads"] == {"accepted": 1_200, "duplicate": 0, "rejected": 0, "quarantined": 0}
    assert (done["form"], done["encoding"], done["line"]) == ("text", "utf-8", 1_201)
    assert done["started_at"] <= done["ended_at"]
    assert done["last_error"] is None
    assert set(uploads.times().values()) == {1}
    assert uploads.names() == [f"Lead {n}" for n in range(1_200)]
    assert {(event.business_unit, event.channel) for event in uploads.log.events()} == {("tehran", "web_form")}
    assert await uploads.report(job["upload_id"]) == []


async def test_the_same_file_read_in_the_same_way_is_the_same_job(uploads: Uploads) -> None:
    first = await uploads.imported(people(10))
    again = await uploads.send(people(10), "another-name.csv")
    assert (again["upload_id"], again["status"], again["repeated"]) == (first["upload_id"], "done", True)
    other = await uploads.imported(people(10), channel="phone")
    assert other["upload_id"] != first["upload_id"]
    listed = (await uploads.client.get("/v1/uploads")).json()
    assert {job["upload_id"] for job in listed["items"]} == {first["upload_id"], other["upload_id"]}
    assert listed["next_before"] is None


async def test_files_that_came_at_one_moment_are_listed_once_each_page_by_page(uploads: Uploads) -> None:
    sent = {(await uploads.send(people(n)))["upload_id"] for n in (1, 2, 3)}
    seen: list[str] = []
    before: str | None = None
    for _ in range(4):
        asked: dict[str, Any] = {"limit": 1, **({"before": before} if before else {})}
        page = (await uploads.client.get("/v1/uploads", params=asked)).json()
        seen += [job["upload_id"] for job in page["items"]]
        before = page["next_before"]
    assert (sorted(seen), before) == (sorted(sent), None)
    at = {"before": uploads.clock.now().isoformat()}
    assert (await uploads.client.get("/v1/uploads", params=at)).json()["items"] == []
    for wrong in ("x", f"{at['before']}/x", "2026-01-01"):
        assert (await uploads.client.get("/v1/uploads", params={"before": wrong})).status_code == 422


async def test_a_bare_body_is_a_file_too_and_so_is_a_packed_one(uploads: Uploads) -> None:
    body = gzip.compress(people(3).encode())
    answer = await uploads.client.post("/v1/uploads?filename=a.csv.gz&channel=phone", content=body)
    assert answer.status_code == 202, answer.text
    done = await uploads.ended(answer.json()["upload_id"])
    assert (done["filename"], done["status"], done["leads"]["accepted"]) == ("a.csv.gz", "done", 3)


async def test_rows_that_cannot_be_taken_are_told_by_line_and_field_and_stop_nobody(uploads: Uploads) -> None:
    rows = [["Ada", "ada@example.com", ""], ["Bob", "bob@example.com", "yesterday"], ["x" * 400, "c@example.com", ""]]
    rows += [["Dan", "dan@example.com", "2026-01-02T03:04:05Z"]]
    text = table(["name", "email", "occurred_at"], rows) + "too,many,cells,here\n"
    done = await uploads.imported(text)
    assert done["status"] == "done"
    assert done["rows"] == {"total": 5, "read": 5}
    assert done["leads"] == {"accepted": 2, "duplicate": 0, "rejected": 3, "quarantined": 1}
    report = await uploads.report(done["upload_id"])
    assert [(one["row"], one["field"]) for one in report] == [("3", "occurred_at"), ("4", "name"), ("6", "")]
    assert all(one["reason"] for one in report)
    told = str(report)
    assert "yesterday" not in told
    assert "xxx" not in told
    assert uploads.names() == ["Ada", "Dan"]
    assert [event.historical for event in uploads.log.events()] == [False, True]
    assert uploads.log.events()[1].occurred_at == datetime.fromisoformat("2026-01-02T03:04:05Z")


async def test_rows_that_are_there_twice_are_one_lead(uploads: Uploads) -> None:
    done = await uploads.imported("name,email\nAda,a@example.com\nBob,b@example.com\nAda,a@example.com\n")
    assert done["leads"] == {"accepted": 2, "duplicate": 1, "rejected": 0, "quarantined": 0}
    assert set(uploads.times().values()) == {1}


async def test_a_workbook_is_read_by_its_sheet(uploads: Uploads, tmp_path: Path) -> None:
    rows: list[list[Cell]] = [["name", "phone", "occurred_at"]]
    rows.append(["Ada", 3_120_000_000.0, datetime(2026, 1, 2, 3, 4)])  # noqa: DTZ001 - a sheet has no zones
    book = write_workbook(tmp_path / "a.xlsx", ("Notes", [["nothing"]]), ("Leads", rows))
    done = await uploads.imported(book.read_bytes(), "a.xlsx", sheet="Leads", live="true")
    assert (done["form"], done["leads"]["accepted"]) == ("spreadsheet", 1)
    (event,) = uploads.log.events()
    assert event.occurred_at == datetime.fromisoformat("2026-01-02T03:04:00Z")
    assert not event.historical


@pytest.mark.parametrize("encoding", ["cp1256", "utf-16", "utf-8-sig"])
async def test_persian_files_are_read_in_their_encoding(uploads: Uploads, encoding: str) -> None:
    text = "name;email\nسارا احمدی;sara@example.com\nرضا کاظمی;reza@example.com\n".replace("ی", "ي")
    done = await uploads.imported(text.encode(encoding))
    assert done["leads"]["accepted"] == 2
    assert len(uploads.names()) == 2
    assert all("سارا" in str(name) or "رضا" in str(name) for name in uploads.names())


async def test_a_mapping_is_named_in_the_policy_or_sent_along(uploads: Uploads) -> None:
    text = "First,Last,Mail\nAda,Lovelace,ada@example.com\n"
    named = await uploads.imported(text, mapping="crm")
    json = '[{"name": "First", "email": "Mail"}]'
    inline = await uploads.imported("First,Mail\nBob,bob@example.com\n", mapping=json)
    assert (named["leads"]["accepted"], inline["leads"]["accepted"]) == (1, 1)
    assert named["options"]["mapping"] is True
    assert uploads.names() == ["Ada Lovelace", "Bob"]
    unknown = await uploads.send(text, mapping="crn", status=422)
    assert unknown["field"] == "mapping"
    assert "crm" in unknown["fix"]
    broken = await uploads.send(text, mapping="- nmae: First", status=422)
    assert "line 1" in broken["detail"]
    elsewhere = await uploads.send("a,b\n1,2\n", mapping="crm", status=422)
    assert "'First'" in elsewhere["detail"]


async def test_what_cannot_be_an_upload_is_told_at_once_and_leaves_nothing(uploads: Uploads, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("xl/workbook.xml", b"\0")
        archive.infolist()[0].file_size = 2 << 30
    for content, status, told in (
        (b"", 422, "empty"),
        (b" \n\n", 422, "empty"),
        (b"name,email\n", 422, "no row"),
        (b"Ada,ada@example.com\n", 422, "first line that names them"),
        (b"name,name\nAda,Bob\n", 422, "same name"),
        (b"PK\x03\x04 and nothing else", 422, "no workbook"),
        (bomb.read_bytes(), 422, "unpacks to more than"),
        (gzip.compress(people(50).encode())[:100], 422, "does not unpack"),
        (b"x" * (MAX_BYTES + 1), 413, "over the limit"),
    ):
        answer = await uploads.send(content, status=status)
        assert told in answer["detail"], answer
        assert answer["fix"], answer
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"zone": "Mars/North"}, "zone"),
        ({"encoding": "rot13"}, "encoding"),
        ({"live": "perhaps"}, "live"),
        ({"delimiter": "::"}, "delimiter"),
        ({"colour": "red"}, "colour"),
    )
    for options, field in wrong:
        assert (await uploads.send(people(1), status=422, **options))["field"] == field
    assert list((uploads.directory / "incoming").iterdir()) == []
    assert list((uploads.directory / "files").iterdir()) == []
    assert (await uploads.client.get("/v1/uploads")).json()["items"] == []


async def test_what_is_wrong_with_a_workbook_ends_its_job_and_says_so(uploads: Uploads, tmp_path: Path) -> None:
    book = write_workbook(tmp_path / "a.xlsx", ("Leads", [["name", "email"]]))
    failed = await uploads.imported(book.read_bytes(), "a.xlsx")
    assert failed["status"] == "failed"
    assert "no row" in failed["last_error"]["detail"]
    assert failed["last_error"]["fix"]


async def test_bodies_that_are_no_upload_are_refused(uploads: Uploads) -> None:
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    broken = await uploads.client.post("/v1/uploads", content=b"--b\r\nbroken", headers=form)
    problem(broken, 400, "not-a-form")
    problem(await uploads.client.post("/v1/uploads", files={"channel": (None, "phone")}), 422, "invalid-fields")
    packed = await uploads.client.post("/v1/uploads", content=b"x", headers={"Content-Encoding": "gzip"})
    problem(packed, 415, "unsupported-content-encoding")


async def test_only_a_key_with_the_scope_uploads_and_each_sender_sees_its_own(uploads: Uploads) -> None:
    plain = {"Authorization": f"Bearer {PLAIN_KEY}"}
    assert "scope upload" in (await uploads.send(people(1), status=403, headers=plain))["detail"]
    await uploads.send(people(1), status=401, headers={"Authorization": "Bearer nobody"})
    shop = {"Leadflow-Sender": "shop"}
    job = await uploads.send(people(1), headers=shop)
    path = f"/v1/uploads/{job['upload_id']}"
    problem(await uploads.client.get(path), 404, "not-found")
    problem(await uploads.client.get(path, headers=plain), 403, "forbidden")
    assert (await uploads.client.get(path, headers=shop)).json()["sender"] == "shop"
    assert (await uploads.client.get(path, headers=OPERATOR)).json()["sender"] == "shop"
    assert (await uploads.client.get("/v1/uploads")).json()["items"] == []
    seen = (await uploads.client.get("/v1/uploads", headers=OPERATOR)).json()["items"]
    assert [one["upload_id"] for one in seen] == [job["upload_id"]]
    problem(await uploads.client.get("/v1/uploads/none"), 404, "not-found")
    problem(await uploads.client.get("/v1/uploads?limit=0"), 422, "invalid-fields")
    problem(await uploads.client.get("/v1/uploads?status=lost"), 422, "invalid-fields")


async def test_a_preview_shows_what_the_first_rows_would_become_and_takes_nothing(
    uploads: Uploads, tmp_path: Path
) -> None:
    text = "First;Last;Mail;Since\nسارا;Ahmadi;SARA@Example.com;2026\n" + "a;b;c@example.com;1\n" * 20
    shown = await uploads.send(text.encode("utf-16"), status=200, path="/v1/uploads:preview", mapping="crm")
    assert (shown["encoding"], shown["delimiter"]) == ("utf-16", ";")
    assert shown["columns"] == ["First", "Last", "Mail", "Since"]
    assert len(shown["rows"]) == 10
    assert shown["rows"][0]["line"] == 2
    (lead,) = shown["rows"][0]["leads"]
    assert lead["sent"]["name"] == "سارا Ahmadi"
    assert lead["understood"]["personal"]["email"] == "SARA@example.com"
    assert lead["understood"]["recognised_by"] == ["email"]
    book = write_workbook(tmp_path / "a.xlsx", ("Leads", [["name", "occurred_at"], ["Ada", "soon"], ["Bob", None]]))
    shown = await uploads.send(book.read_bytes(), status=200, path="/v1/uploads:preview")
    assert shown["form"] == "spreadsheet"
    assert [bool(lead.get("errors")) for row in shown["rows"] for lead in row["leads"]] == [True, False]
    assert uploads.log.records == []
    assert list((uploads.directory / "incoming").iterdir()) == []


async def test_a_job_is_cancelled_and_gone_on_with_from_where_it_was(place: Place) -> None:
    async with place.capture(upload_rows_per_second=200) as uploads:
        job = await uploads.send(people(1_000))

        async def begun() -> bool:
            return bool((await uploads.show(job["upload_id"]))["rows"]["read"])

        await eventually(begun)
        cancelled = await uploads.command(job["upload_id"], "cancel")
        assert (cancelled["status"], cancelled["ended_at"] is not None) == ("cancelled", True)
        assert (await uploads.command(job["upload_id"], "cancel"))["status"] == "cancelled"
        await asyncio.sleep(0)
        read = (await uploads.show(job["upload_id"]))["rows"]["read"]
        assert 0 < read < 1_000
        again = await uploads.send(people(1_000))
        assert (again["upload_id"], again["status"]) == (job["upload_id"], "cancelled")
    async with place.capture() as uploads:
        assert (await uploads.show(job["upload_id"]))["rows"]["read"] == read
        assert (await uploads.command(job["upload_id"], "resume"))["status"] == "waiting"
        done = await uploads.ended(job["upload_id"])
        assert done["rows"] == {"total": 1_000, "read": 1_000}
        assert done["leads"]["accepted"] == 1_000
        assert len(uploads.times()) == 1_000
        wrong = await uploads.command(job["upload_id"], "resume", status=409)
        assert "it is done" in wrong["detail"]
        await uploads.command(job["upload_id"], "cancel", status=409)


async def test_a_key_that_may_not_backdate_is_told_before_any_row(place: Place) -> None:
    place.settings["keys"] = f"dev={sha256(FULL_KEY.encode()).hexdigest()}:upload"
    async with place.capture() as uploads:
        text = "name,occurred_at\nAda,2026-01-01T00:00:00Z\n"
        refused = await uploads.send(text, status=422)
        assert "lacks the scope backdate" in refused["detail"]
        assert (await uploads.imported(text, live="true"))["leads"]["accepted"] == 1
        assert not uploads.log.events()[0].historical
