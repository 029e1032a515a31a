"""One training from beginning to end: examples out of the database, a model, a verdict, the registry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal, NamedTuple

from sqlalchemy import Row

from services.scoring import storage
from services.scoring.domain.model import (
    CUSTOMER,
    EVERY_UNIT,
    OPPORTUNITY,
    AdditiveModel,
    Leak,
    UnusableArtefact,
    read_kept,
)
from services.scoring.domain.model.decisions import is_held
from services.scoring.learning.boosting import Recipe
from services.scoring.learning.gathering import Wanted, gather
from services.scoring.learning.lead_training import Champion, Learned, Task, TooLittle, learn_of_leads
from shared.contracts.policy import Policy
from shared.contracts.policy.learning import Learning
from shared.kit.database import Database, Transaction

CHALLENGERS_KEPT = timedelta(days=90)

HELD = "not activated: the model here was taken back by hand, and until somebody activates one no training does"

Found = Literal["activated", "challenger", "unchanged", "too_little", "refused", "off"]


class Result(NamedTuple):
    """What a training came to for one outcome of one unit."""

    outcome: str
    business_unit: str
    found: Found
    words: str
    numbers: dict[str, Any]
    version: str | None = None
    metrics: dict[str, Any] | None = None


class Order(NamedTuple):
    """What was asked for: units, or all that have leads and the whole; as of when; by whom; and whether to keep it."""

    units: Sequence[str]
    until: datetime
    by: str
    dry_run: bool = False
    seed: int = 0
    recipe: Recipe = Recipe()


async def train_models(
    database: Database, policy: Policy, order: Order, progress: Callable[[str], None] = lambda _: None
) -> list[Result]:
    """A model for each outcome of the whole and of each unit that has enough to learn from. A unit's has to be better than
    what speaks for it now, which is that of the whole where it has none. Raises `ValueError` for a unit nobody knows."""
    found = await database.run(storage.units, deadline_seconds=60)
    known = {*found, *policy.business_units, EVERY_UNIT}
    for unit in order.units:
        if unit not in known:
            raise ValueError(
                f"There is no business unit {unit!r}; there are {', '.join(sorted(known - {EVERY_UNIT}))}."
            )
    results = []
    for unit in order.units or [EVERY_UNIT, *(found if len(found) > 1 else ())]:
        results += await _train_unit(database, policy, order, unit, progress)
    return results


async def _train_unit(
    database: Database, policy: Policy, order: Order, unit: str, progress: Callable[[str], None]
) -> list[Result]:
    rules = policy.defaults if unit == EVERY_UNIT else policy.unit(unit)
    learning = rules.scoring.model if unit != EVERY_UNIT else for_every_unit(policy)
    horizons = {OPPORTUNITY: rules.horizon_days, CUSTOMER: learning.customer_horizon_days}
    if not learning.enabled:
        return [Result(outcome, unit, "off", "rules alone speak: learning is turned off", {}) for outcome in horizons]
    progress(f"{unit or 'all units'}: reading")
    wanted = Wanted(unit or None, order.until, learning.history_days, learning.imported_history, _learning_of(policy))
    try:
        gathered = await gather(database, wanted, {outcome: timedelta(days=days) for outcome, days in horizons.items()})
    except Leak as leak:
        results = [Result(outcome, unit, "refused", f"nothing is learned: {leak}", {}) for outcome in horizons]
        for one in results:
            await _note(database, order, one)
        return results
    people = {
        "people": gathered.people,
        "one_in": gathered.one_in,
        "held_out": gathered.held_out,
        "unknown_since": gathered.unknown_since,
        "imported_left_out": gathered.imported,
        "turned_off": gathered.turned_off,
    }
    results = []
    for outcome, days in horizons.items():
        progress(f"{unit or 'all units'}, {outcome}: learning from {len(gathered.examples[outcome]):,} examples")
        counted = {**people, "features_left_out": len(gathered.examples[outcome].refused)}
        task = Task(outcome, unit, days, learning, order.seed, order.recipe)
        champion = await database.run(partial(storage.active_model, outcome=outcome, business_unit=unit))
        learned = learn_of_leads(gathered.examples[outcome], task, _usable(champion, days, learning.leave_out))
        if isinstance(learned, TooLittle):
            result = Result(outcome, unit, "too_little", learned.words, {**counted, **learned.numbers})
            await _note(database, order, result)
        else:
            by_hand = learning.activate == "by_hand"
            result = await _keep(database, order, learned, champion, counted, by_hand=by_hand)
        results.append(result)
    return results


def _learning_of(policy: Policy) -> Callable[[str], Learning]:
    """How each unit learns."""
    return lambda business_unit: policy.unit(business_unit).scoring.model


def for_every_unit(policy: Policy) -> Learning:
    """How the model of the whole is learned: by the section of `defaults`, without what any unit leaves out that it may speak
    for."""
    own = policy.defaults.scoring.model
    units = [unit.scoring.model for unit in policy.business_units.values()]
    left_out = {name for one in (own, *units) if one.enabled for name in one.leave_out}
    return own.model_copy(update={"leave_out": tuple(sorted(left_out))})


def _usable(row: Row[Any] | None, horizon_days: int, left_out: Collection[str]) -> Champion | None:
    """What speaks now, as far as the new one can be held against it: within other days is another question, and what looks
    at what may no longer be looked at is to go."""
    if row is None or row.horizon_days != horizon_days:
        return None
    try:
        border = row.metrics.get("counts", {}).get("border")
        champion = Champion(row.version, _model(row), datetime.fromisoformat(border) if border else None)
    except UnusableArtefact:
        return None
    return None if any(table.name in left_out for table in champion.model.tables) else champion


def _model(row: Row[Any]) -> AdditiveModel:
    return read_kept(row.artefact, row.checksum, row.outcome, row.horizon_days).model


async def _keep(
    database: Database,
    order: Order,
    learned: Learned,
    champion: Row[Any] | None,
    people: dict[str, Any],
    *,
    by_hand: bool,
) -> Result:
    """Into the registry, and, where it is better and may be, on from there."""
    row, numbers = learned.row, {**people, **learned.numbers}
    outcome, unit, version = row["outcome"], row["business_unit"], row["version"]

    def result(found: Found, words: str) -> Result:
        return Result(outcome, unit, found, words, numbers, version, dict(row["metrics"]))

    if order.dry_run:
        return result("challenger", f"tried only: {row['verdict']}")

    async def decide(tx: Transaction) -> Result:
        await storage.speaks(tx, outcome, unit)
        now = await storage.active_model(tx, outcome, unit)
        if not await storage.add_model(tx, {**row, "trained_by": order.by}):
            known = await storage.model(tx, version)
            if known is None or known.status != "challenger":
                return result("unchanged", "the same model as before: nothing was learned that it did not know")
        if not learned.verdict.better:
            return result("challenger", row["verdict"])
        if (now.version if now else None) != (champion.version if champion else None):
            return result("challenger", f"{row['verdict']}; not activated: another model was activated meanwhile")
        if is_held(await storage.decisions(tx, outcome, unit)):
            return result("challenger", f"{row['verdict']}; {HELD}")
        if by_hand:
            return result("challenger", f"{row['verdict']}; waits to be activated by hand")
        await storage.let_speak(tx, version, outcome, unit, by=order.by, reason=row["verdict"])
        return result("activated", row["verdict"])

    async def work(tx: Transaction) -> Result:
        decided = await decide(tx)
        await _write(tx, decided)
        await storage.forget_challengers(tx, CHALLENGERS_KEPT)
        return decided

    return await database.run(work, deadline_seconds=60)


async def _note(database: Database, order: Order, result: Result) -> None:
    if not order.dry_run:
        await database.run(lambda tx: _write(tx, result), deadline_seconds=60)


async def _write(tx: Transaction, result: Result) -> None:
    await storage.note_training(
        tx,
        result.outcome,
        result.business_unit,
        result=result.found,
        words=result.words,
        numbers=result.numbers,
        version=result.version,
    )
