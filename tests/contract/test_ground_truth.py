"""Every figure that was computed outside for some sets is held by a test, or it is said why there is no number for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DATA = TESTS.parents[1] / "shared" / "data"
HOLDING = (
    "integration/metrics/test_real_orders.py", "integration/metrics/test_real_deals.py", "integration/metrics/test_real_spending.py",
    "integration/metrics/test_real_loans.py",
    "integration/cli/test_real_histories.py", "unit/pipeline/test_real_stages.py", "unit/pipeline/test_real_outcomes.py",
)  # fmt: skip
ABOUT_THE_FILES = frozenset({"files", "note", "notes", "definitions", "oddities"})

A_MODEL = "how well a model of theirs foretells, not what happened"

NO_NUMBER: dict[str, dict[str, str]] = {
    "parch_posey": {
        "web_events_by_channel": "visits of known accounts are touches, which are shared out and not counted",
        "last_touch_to_order_minutes": "attribution says to which touch, not how long after it",
    },
    "maven_crm": {
        "cycle_closed": "won and lost together: each has its own",
        "won_value": "their mean and median are held, amounts have no other quantiles",
        "top10_accounts_by_won_value": "an account is no lead there, and accounts with open deals only are not named",
        "discount": "list prices are no one's",
        "win_prediction_logistic": A_MODEL,
    },
    "marketing_spend": {},
    "bpic2012": {
        "dutch_activity_names": "of the files",
        "W_Afhandelen_leads (follow up on leads)": "of one kind of work, and from when it was scheduled: work is due, and late or not",
        "work_item_minutes (START -> next COMPLETE, same case and activity)": "how long attempts took is summed by kind, and not spread",
    },
    "synthetic_leadforge": {
        "tables": "of the files",
        "stage": "where leads stand is their deals' stage: opportunities has it",
        "touches_per_lead": "touches are shared out, not counted",
        "touch_channel": "touches are shared out, not counted",
        "latent_linear_score_auc (conversion_hazard weights; not an upper bound, conversion also depends on stage progress)": A_MODEL,
        "lightgbm_snapshot_day30_test": A_MODEL,
        "logistic_snapshot_day30_test": A_MODEL,
        "leads": "by_source, by_rep and by_month add up to it",
        "created": "of the files",
    },
}
INSIDE = {"synthetic_leadforge": "dev_seed42", "bpic2012": "dev"}


def figures_of(folder: str) -> set[str]:
    truth = json.loads((DATA / folder / "ground_truth.json").read_text())
    inner = truth.get(INSIDE.get(folder, ""), {})
    return {*inner, *truth} - ABOUT_THE_FILES - {INSIDE.get(folder, "")}


@pytest.mark.skipif(not DATA.exists(), reason="the real data is not here: ../shared/data is absent")
@pytest.mark.parametrize("folder", sorted(NO_NUMBER))
def test_each_figure_is_named_by_a_test_or_has_a_reason(folder: str) -> None:
    tests = "\n".join((TESTS / file).read_text() for file in HOLDING)
    figures = figures_of(folder)
    held = {name for name in figures if f'"{name}"' in tests}
    assert set(NO_NUMBER[folder]) <= figures, "a reason for what is not there"
    assert figures - held - set(NO_NUMBER[folder]) == set()
