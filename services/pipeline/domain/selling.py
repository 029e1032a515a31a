"""In which pipeline a deal begins, and what its stages ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.pipeline.domain.deal_state import DealState
from services.pipeline.domain.facts import Draft
from services.pipeline.domain.ledger import Ledger
from services.pipeline.domain.refusals import Refused, unknown
from shared.contracts.conditions import Test, Value, compiled, parse
from shared.contracts.lifecycle_events import OpportunityOpened, StageChanged
from shared.contracts.policy import DEAL_VOCABULARY, Policy, Stage, UnitPolicy

DEFAULT = "default"

Fields = Mapping[str, Value]

_OF_DEAL = ("product", "currency", "pipeline", "stage", "owner", "team", "amount")


class Selling:
    """The pipelines of one business unit, their conditions ready to be asked."""

    def __init__(self, unit: UnitPolicy) -> None:
        self._unit = unit
        self._rules = [(_test(rule.when), rule.pipeline) for rule in unit.pipeline_rules]
        self._enter: dict[tuple[str, str], Test] = {
            (pipeline, stage.name): _test(stage.enter_when)
            for pipeline, stages in unit.pipelines.items()
            for stage in stages
            if stage.enter_when is not None
        }

    def placed(self, ledger: Ledger, lead_id: UUID, drafts: list[Draft]) -> list[Draft]:
        """What was decided, where the stages it leads to take it: a deal that is opened gets its pipeline and stage. Raises
        `Refused` with what is missing."""
        return [self._placed(ledger, lead_id, draft) for draft in drafts]

    def _placed(self, ledger: Ledger, lead_id: UUID, draft: Draft) -> Draft:
        if draft.kind is OpportunityOpened:
            return self._opened(ledger, lead_id, draft)
        if draft.kind is StageChanged:
            deal = ledger.root(lead_id).state.deals[draft.data["opportunity_id"]]
            if deal.status == "open":  # one that is reopened is where it was
                fields = fields_of_deal(ledger, lead_id, values_of(deal))
                self._refuse_entry(deal.value("pipeline") or DEFAULT, draft.data["stage"], fields)
        return draft

    def _opened(self, ledger: Ledger, lead_id: UUID, draft: Draft) -> Draft:
        fields = fields_of_deal(ledger, lead_id, draft.data)
        pipeline = draft.data.get("pipeline") or self._chosen(fields)
        stages = self._unit.pipelines.get(pipeline)
        if stages is None:
            raise unknown("pipeline", tuple(self._unit.pipelines))
        stage = draft.data.get("stage") or stages[0].name
        position = self._unit.stage_position(stage, pipeline)
        if position is None:
            raise unknown("stage", tuple(known.name for known in stages))
        self._refuse_entry(pipeline, stage, {**fields, "pipeline": pipeline})
        return draft._replace(data={**draft.data, "pipeline": pipeline, "stage": stage, "position": position})

    def _chosen(self, fields: Fields) -> str:
        return next((pipeline for holds, pipeline in self._rules if holds(fields)), DEFAULT)

    def _refuse_entry(self, pipeline: str, stage: str, fields: Fields) -> None:
        known = self._unit.stage(stage, pipeline)
        if known is None:
            return
        missing = [name for name in known.needs if name not in fields]
        if missing:
            raise Refused(
                f"Stage {stage} needs what the opportunity does not have: {', '.join(missing)}.",
                kind="conflict",
                code="stage-needs",
                field=missing[0],
                fix="Say it of the opportunity, or of its lead where it begins with `lead.`, and move it then.",
                extra={"stage": stage, "missing": missing},
            )
        holds = self._enter.get((pipeline, stage))
        if holds is not None and not holds(fields):
            raise _not_taken(known)


class Sellings:
    """The pipelines of all units."""

    def __init__(self, policy: Policy) -> None:
        self._units = {name: Selling(unit) for name, unit in policy.business_units.items()}
        self._default = Selling(policy.defaults)

    def of(self, business_unit: str) -> Selling:
        """How a unit sells."""
        return self._units.get(business_unit, self._default)


def values_of(deal: DealState) -> dict[str, Any]:
    """What is known of a deal now."""
    return {name: held[1] for name, held in deal.values.items()}


def fields_of_deal(ledger: Ledger, lead_id: UUID, values: Mapping[str, Any]) -> dict[str, Value]:
    """What conditions look at: the deal, and of its lead what any of the person's ids tells, the canonical one first."""
    root = ledger.root(lead_id)
    known: dict[str, Any] = {name: values.get(name) for name in _OF_DEAL}
    known["expected_close"] = True if values.get("expected_close") else None
    known["lines"] = len(values["lines"]) if values.get("lines") else None
    for member in [root, *(one for one in ledger.group(lead_id) if one is not root)]:
        for name in ("country", "language", "company", "job_title", "name", "email", "phone"):
            if known.get(f"lead.{name}") is None and member.personal.get(name):
                known[f"lead.{name}"] = member.personal[name]
    state = root.state
    if state.first_touch is not None:
        known |= {f"lead.{name}": value for name, value in state.first_touch._asdict().items() if name != "key"}
    if state.graded is not None:
        known |= {f"lead.{name}": getattr(state.graded, name) for name in ("grade", "score", "probability")}
    known["lead.owner"] = state.assigned.owner if state.assigned is not None else None
    known["lead.response"] = True if state.first_response_at is not None else None
    return {name: value for name, value in known.items() if value is not None}


def _test(text: str) -> Test:
    return compiled(parse(text, DEAL_VOCABULARY), lambda name: lambda fields: fields.get(name))


def _not_taken(stage: Stage) -> Refused:
    return Refused(
        f"Stage {stage.name} takes only an opportunity of which this holds: {stage.enter_when}.",
        kind="conflict",
        code="stage-condition",
        field="stage",
        fix="Change what is known of the opportunity or its lead, or move it to another stage.",
        extra={"stage": stage.name, "enter_when": stage.enter_when},
    )
