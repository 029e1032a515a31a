"""An artefact is read back as it was written, and anything else is refused without a word of what it holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain.model import (
    AdditiveModel,
    Artefact,
    Pair,
    Table,
    UnusableArtefact,
    checksum,
    read_artefact,
    read_kept,
    write_artefact,
)
from tests.unit.scoring.model.test_additive import MODEL

ARTEFACT = Artefact(MODEL, "opportunity", 90)
WRITTEN = write_artefact(ARTEFACT)

UNITS = st.integers(-100_000, 100_000)


@st.composite
def models(draw: st.DrawFn) -> AdditiveModel:
    tables = []
    for index in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            edges = tuple(sorted(draw(st.sets(st.floats(-1e9, 1e9), max_size=4))))
            units = draw(st.lists(UNITS, min_size=len(edges) + 2, max_size=len(edges) + 2))
            tables.append(Table(f"number {index}", tuple(units), edges))
        else:
            names = draw(st.sets(st.text(min_size=1, max_size=4), max_size=4))
            units = draw(st.lists(UNITS, min_size=len(names) + 2, max_size=len(names) + 2))
            tables.append(
                Table(f"level {index}", tuple(units), levels={name: at for at, name in enumerate(sorted(names))})
            )
    pairs = []
    if len(tables) > 1:
        row = st.lists(UNITS, min_size=len(tables[1].units), max_size=len(tables[1].units)).map(tuple)
        rows = draw(st.lists(row, min_size=len(tables[0].units), max_size=len(tables[0].units)))
        pairs.append(Pair(0, 1, tuple(rows)))
    return AdditiveModel(draw(UNITS), tuple(tables), tuple(pairs), frozenset(draw(st.sets(st.text(max_size=3)))))


@given(models())
def test_a_model_is_read_back_as_it_was_written(model: AdditiveModel) -> None:
    text = write_artefact(Artefact(model, "won", None))
    assert read_artefact(text, checksum(text)) == Artefact(model, "won", None)
    assert write_artefact(read_artefact(text)) == text


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-10, 10), st.floats(), st.text(max_size=4), st.sampled_from(["Select", "n/a"])
)


@given(
    models(),
    st.lists(st.dictionaries(st.sampled_from(["number 0", "level 0", "number 1", "level 1"]), VALUES), max_size=5),
)
def test_a_model_that_was_kept_says_the_same_of_every_lead_even_of_values_it_never_met(
    model: AdditiveModel, leads: list[dict[str, Any]]
) -> None:
    kept = read_artefact(write_artefact(Artefact(model, "opportunity", 90))).model
    for lead in leads:
        said = model.judge(lead)
        assert kept.judge(lead) == said
        assert 0 <= said.probability <= 1
        assert model.base + sum(said.units) == said.total


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    document = json.loads(WRITTEN)
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        (WRITTEN.replace("-12000", "NaN"), "no JSON"),
        ("[]", "format"),
        (changed(lambda one: one.update(format="pickle")), "format"),
        (changed(lambda one: one.update(format_version=2)), "another format version"),
        (changed(lambda one: one.update(features_version=99)), "another meaning"),
        (changed(lambda one: one.pop("tables")), "do not fit"),
        (changed(lambda one: one.update(base=1.5)), "do not fit"),
        (changed(lambda one: one.update(base=10**12)), "do not fit"),
        (changed(lambda one: one["tables"][0]["units"].pop()), "do not fit"),
        (changed(lambda one: one["tables"][1]["edges"].reverse()), "do not fit"),
        (changed(lambda one: one["tables"][1].update(name="channel")), "do not fit"),
        (changed(lambda one: one["tables"][0]["levels"].update(extra=99)), "do not fit"),
        (changed(lambda one: one["tables"].clear()), "do not fit"),
        (changed(lambda one: one["pairs"][0].update(of=[1, 0])), "do not fit"),
        (changed(lambda one: one["pairs"][0]["units"][0].append(1)), "do not fit"),
        (changed(lambda one: one.update(pairs=[1])), "do not fit"),
    ],
)
def test_what_is_no_model_is_refused_and_not_quoted(text: str, why: str) -> None:
    with pytest.raises(UnusableArtefact, match=why) as refused:
        read_artefact(text)
    assert "referral" not in str(refused.value)


@given(st.integers(0, len(WRITTEN) - 1), st.characters(codec="utf-8"))
def test_any_changed_character_is_noticed(place: int, letter: str) -> None:
    text = WRITTEN[:place] + letter + WRITTEN[place + 1 :]
    if text != WRITTEN:
        with pytest.raises(UnusableArtefact):
            read_artefact(text, checksum(WRITTEN))


@pytest.mark.parametrize(("outcome", "days"), [("customer", 90), ("opportunity", 30)])
def test_a_model_of_something_else_than_its_row_says_is_refused(outcome: str, days: int) -> None:
    text = write_artefact(Artefact(MODEL, "opportunity", 90))
    assert read_kept(text, checksum(text), "opportunity", 90).model == MODEL
    with pytest.raises(UnusableArtefact, match="foretells something else"):
        read_kept(text, checksum(text), outcome, days)
