"""No language lacks a text, no text is left over, and every KPI and unit can be told."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import pytest

from services.metrics import reporting
from services.metrics.domain.definitions import BY_ID
from services.metrics.domain.forms import Unit
from services.metrics.domain.questions import CUTS
from services.metrics.domain.targets import LESS_IS_BETTER
from services.metrics.reporting.standard import STANDARD, faults
from services.metrics.reporting.telling import HEADINGS
from services.metrics.reporting.units import KINDS, NEITHER
from services.metrics.reporting.wording import catalogue
from shared.contracts.policy.reports import Language, Report

SOURCES = Path(reporting.__file__).parent
LANGUAGES: tuple[Language, ...] = get_args(Language)
OTHERS: list[Language] = [language for language in LANGUAGES if language != "en"]


def trees() -> list[ast.Module]:
    return [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCES.glob("*.py"))]


def literals() -> set[str]:
    return {
        node.value
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def asked() -> set[str]:
    """Every key with which a text is asked for."""
    return set(HEADINGS) | {
        node.args[0].value
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "text"
        and node.args
        if isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    }


def places(text: str) -> set[str]:
    return set(re.findall(r"\{(\w*)\}", text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_that_is_asked_for_is_there_and_no_other(language: Language) -> None:
    texts = set(catalogue(language).texts)
    assert asked() - texts == set()
    assert texts - literals() == set(), "a text that nobody says"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kpi_and_every_cut_has_a_name(language: Language) -> None:
    known = catalogue(language)
    assert set(known.kpis) == set(BY_ID), f"name every KPI in services/metrics/reporting/texts/{language}.yaml"
    assert set(known.words) == set(CUTS)
    assert all(name.strip() for name in (*known.kpis.values(), *known.words.values(), *known.texts.values()))


@pytest.mark.parametrize("language", OTHERS)
def test_every_kpi_is_explained_in_every_language(language: Language) -> None:
    known = catalogue(language)
    assert set(known.meanings) == set(BY_ID), "say what each KPI means"
    assert set(known.traps) == set(BY_ID), "say what to mind about each KPI"


@pytest.mark.parametrize(
    ("language", "lag", "cut", "part"),
    [("fa", "فاصله", "برش زمانی", "بازه"), ("he", "הפרש זמן", "חיתוך לפי זמן", "חלק")],
)
def test_every_language_says_the_lag_of_a_cost_and_whose_days_a_rate_is_of(
    language: Language, lag: str, cut: str, part: str
) -> None:
    known = catalogue(language)
    assert lag in known.meanings["cac"]
    assert cut in known.meanings["lead_generation_rate"]
    assert part in known.traps["lead_generation_rate"]


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_filled_in_is_the_same_in_every_language(language: Language) -> None:
    english, other = catalogue("en"), catalogue(language)
    assert {key: places(text) for key, text in other.texts.items()} == {
        key: places(text) for key, text in english.texts.items()
    }
    for name in ("durations", "scales", "currencies"):
        one, another = getattr(english, name), getattr(other, name)
        assert {key: places(text) for key, text in one.items()} == {key: places(text) for key, text in another.items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_months_quarters_and_figures_are_complete(language: Language) -> None:
    known = catalogue(language)
    for months in (*known.months.values(), *known.short_months.values()):
        assert len(set(months)) == 12
    assert (len(known.quarters), len(known.half_years), len(set(known.digits))) == (4, 2, 10)


def test_every_unit_of_a_definition_can_be_told() -> None:
    assert set(get_args(Unit)) == set(KINDS), "say in units.py what kind of number it is"
    assert {definition.unit for definition in BY_ID.values()} <= set(KINDS)
    assert set(BY_ID) >= LESS_IS_BETTER | NEITHER


def test_standard_reports_name_only_what_there_is() -> None:
    assert [fault for report in STANDARD.values() for fault in faults(report)] == []


@pytest.mark.parametrize(
    ("kpi", "name"), [("data_quality", "reason"), ("visitors", "owner"), ("cost_per_lead", "stage")]
)
def test_a_report_is_not_filtered_by_what_a_number_of_it_is_not_known_by(kpi: str, name: str) -> None:
    (fault,) = faults(Report(headlines=(kpi,), filters={name: ("a",)}))
    assert fault == f"{kpi!r} is not known by {name}, so it cannot be filtered by it"
    assert list(faults(Report(headlines=(kpi,), filters={"channel": ("web",)}))) == []
