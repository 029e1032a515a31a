"""The example of docs/scoring.md, by the rules of policy.yaml."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.scoring.domain import Rulebook, Touch
from shared.contracts.policy import Policy
from shared.kit.documents import read_yaml
from tests.unit.scoring.builders import an_id

ROOT = Path(__file__).parents[3]
LEAD = an_id("lead")
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
LEDGER = [
    Touch(LEAD, an_id("capture"), MONDAY, "web_form", email=True, phone=True, job_title="Analyst"),
    Touch(LEAD, an_id("demo"), MONDAY, "web_form", kind="demo_request"),
    *(Touch(LEAD, an_id(("page", number)), MONDAY, "web_form", kind="page_view") for number in range(6)),
]
ROW = re.compile(
    r"^\| (?P<day>\d+ [A-Z][a-z]+) \| (?P<fit>\d+) \| (?P<demo>\d+) \| (?P<page>\d+) \| (?P<score>\d+) \| (?P<grade>\w) "
    r"\| (?P<rating>\w\d) \| (?P<words>.*) \|$",
    re.MULTILINE,
)


def test_the_example_is_what_the_rules_say() -> None:
    rulebook = Rulebook(read_yaml(ROOT / "policy.yaml", Policy).defaults.scoring)
    rows = list(ROW.finditer((ROOT / "docs" / "scoring.md").read_text()))
    assert len(rows) == 6
    told = []
    for row in rows:
        moment = datetime.strptime(f"{row['day']} 2026 09", "%d %B %Y %H").replace(tzinfo=UTC)
        judgement = rulebook.judge(LEDGER, moment)
        points = {one.rule: one.points for one in judgement.score.reasons}
        shown = (row["fit"], row["demo"], row["page"], row["score"], row["grade"], row["rating"])
        assert shown == (
            str(judgement.score.fit),
            str(points["asked for a demo"]),
            str(points.get("visited a page", 0)),
            str(judgement.score.score),
            judgement.score.grade,
            judgement.score.rating,
        )
        told.append(judgement.changes_at)
    assert told == [
        datetime(2026, 3, 6, tzinfo=UTC),
        *[datetime(2026, 4, 18, tzinfo=UTC)] * 2,
        datetime(2026, 5, 22, tzinfo=UTC),
        None,
        None,
    ]
    assert rulebook.judge(LEDGER, MONDAY + timedelta(days=400)).score.grade == "C"
