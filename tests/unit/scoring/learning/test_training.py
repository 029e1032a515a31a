"""Learning: the tables are what the learner predicts, a world's truth is found, and the same input gives the same model."""

from __future__ import annotations

import numpy as np
import pytest

from services.scoring.domain.model import UNITS_PER_LOG_ODD, Artefact, write_artefact
from services.scoring.domain.model.measures import auc, quality
from services.scoring.learning.binning import grid, learning_codes
from services.scoring.learning.boosting import Recipe, boosted, placed, tables
from services.scoring.learning.sheet import sheet
from services.scoring.learning.training import calibration, cells, pure, train
from tests.unit.scoring.learning.worlds import CHANNELS, world

QUICK = Recipe(rate=0.2, most_rounds=80, models=1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_tables_are_exactly_what_scikit_learn_predicts(seed: int) -> None:
    rows, labels = world(600, seed)
    given = sheet(rows)
    outcome = np.array(labels, dtype=np.float64)
    grids, codes = cells(given, outcome, np.arange(len(rows)) % 5)
    pairs = [(0, 1), (1, 5), (2, 3)]
    learner = boosted(codes, outcome, grids, QUICK, rounds=60, pairs=pairs, seed=seed)
    found = tables(learner, grids, pairs)
    strange, _ = world(500, seed + 100)
    columns = {column.name: column for column in sheet(strange).columns}
    unseen = np.column_stack([cut.codes(columns[cut.name]) for cut in grids])
    for some in (codes, unseen):
        predicted = learner.decision_function(placed(some, grids))
        assert np.abs(found.log_odds(some) - predicted).max() < 1e-9
        assert np.abs(pure(found, codes).log_odds(some) - predicted).max() < 1e-9


def test_the_model_at_work_says_what_was_learned_but_for_its_rounding() -> None:
    rows, labels = world(1_200)
    given = sheet(rows)
    trained = train(given, labels, Recipe(rate=0.2, most_rounds=60, models=2))
    outcome = np.array(labels, dtype=np.float64)
    grids = [grid(column, outcome) for column in given.columns]
    codes = np.column_stack([cut.codes(column) for column, cut in zip(given.columns, grids, strict=True)])
    by_hand = np.full(len(rows), float(trained.model.base))
    names = [column.name for column in given.columns]
    for table in trained.model.tables:
        by_hand += np.array(table.units)[codes[:, names.index(table.name)]]
    for first, second, units in trained.model.pairs:
        at = [names.index(trained.model.tables[index].name) for index in (first, second)]
        by_hand += np.array(units)[codes[:, at[0]], codes[:, at[1]]]
    assert [trained.model.judge(row).total for row in rows] == by_hand.astype(int).tolist()


def test_what_fewer_than_five_people_said_stands_in_no_model_however_often_they_said_it() -> None:
    rows, labels = world(1_200)
    people = [number // 4 for number in range(len(rows))]
    said = {0: "dr jane doe, sole owner", 1: "dr jane doe, sole owner", **dict.fromkeys(range(2, 7), "head of sales")}
    told = [{**row, "title": said.get(person, "owner")} for row, person in zip(rows, people, strict=True)]
    given = sheet(told)
    [title] = [column for column in given.columns if column.name == "title"]
    cut = grid(title, np.array(labels, dtype=np.float64), people)
    assert cut.levels is not None
    assert set(cut.levels) == {"head of sales", "owner"}
    written = write_artefact(Artefact(train(given, labels, QUICK, groups=people).model, "opportunity", 90))
    assert "jane" not in written


def test_a_worlds_truth_is_found() -> None:
    rows, labels = world(3_000)
    model = train(sheet(rows), labels, QUICK).model
    later, was = world(3_000, seed=2)
    found = quality([model.judge(row).probability for row in later], was)
    assert found is not None
    assert found.auc is not None
    assert found.auc > 0.73
    assert found.ece < 0.04
    [channel] = [table for table in model.tables if table.name == "channel"]
    assert channel.levels is not None
    says = {level: channel.units[cell] / UNITS_PER_LOG_ODD for level, cell in channel.levels.items()}
    assert sorted(says, key=lambda level: says[level]) == sorted(CHANNELS, key=lambda level: CHANNELS[level])
    together = {frozenset((model.tables[first].name, model.tables[second].name)) for first, second, _ in model.pairs}
    assert frozenset(("budget", "decides")) in together


def test_noise_teaches_nothing() -> None:
    rows, _ = world(1_500)
    _, labels = world(1_500, seed=9)
    trained = train(sheet(rows), labels, QUICK)
    later, was = world(1_500, seed=3)
    told = [trained.model.judge(row).probability for row in later]
    assert max(told) - min(told) < 0.35
    assert abs((auc(told, was) or 0.5) - 0.5) < 0.06


def test_learning_twice_is_the_same_to_the_last_byte() -> None:
    rows, labels = world(800)
    one, other = (write_artefact(Artefact(train(sheet(rows), labels, QUICK).model, "won")) for _ in range(2))
    assert one == other


def test_a_level_of_few_rows_leaves_no_trace_in_the_model() -> None:
    rows, labels = world(800)
    rows[7]["channel"] = rows[8]["channel"] = "ada@example.com called"
    text = write_artefact(Artefact(train(sheet(rows), labels, QUICK).model, "won"))
    assert "ada@example.com" not in text
    assert "referral" in text


def test_a_sources_history_is_shrunk_and_never_knows_its_own_outcome() -> None:
    rows, labels = world(1_000)
    [partner] = [column for column in sheet(rows).columns if column.name == "partner"]
    outcome = np.array(labels, dtype=np.float64)
    cut = grid(partner, outcome)
    assert cut.ordered
    assert cut.levels is not None
    fold = np.arange(len(rows)) % 5
    before = learning_codes(partner, outcome, cut, fold)
    turned = outcome.copy()
    turned[fold == 2] = 1 - turned[fold == 2]
    after = learning_codes(partner, turned, grid(partner, outcome), fold)
    mean_before, mean_after = outcome[fold != 2].mean(), turned[fold != 2].mean()
    assert mean_before == mean_after
    assert abs(np.corrcoef(before, outcome)[0, 1]) < 0.1
    assert len(after) == len(before)


def test_calibration_finds_the_line_that_was_bent() -> None:
    chance = np.random.default_rng(4)
    truth = chance.normal(0, 1.5, 20_000)
    was = (chance.random(20_000) < 1 / (1 + np.exp(-truth))).astype(np.float64)
    slope, shift = calibration(truth * 2 + 1, was)
    assert slope == pytest.approx(0.5, abs=0.03)
    assert shift == pytest.approx(-0.5, abs=0.05)
