"""The whole document: what holds for each business unit, and what holds where a unit says nothing."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.contracts.conditions import ATTRIBUTE_PREFIX
from shared.contracts.envelope import Currency, Name
from shared.contracts.policy.calendar import Calendar
from shared.contracts.policy.channels import Endpoint, EndpointName
from shared.contracts.policy.contact import ContactRules
from shared.contracts.policy.follow_up import FollowUp
from shared.contracts.policy.hygiene import Hygiene
from shared.contracts.policy.intake import VOCABULARY_FIELDS, ConsentRules, Marks, SharedPhone, Vocabulary
from shared.contracts.policy.matching import Matching
from shared.contracts.policy.qualification import Qualification, check_qualification
from shared.contracts.policy.reports import Report, ReportName
from shared.contracts.policy.routing import Owner, Routing
from shared.contracts.policy.scoring import Scoring
from shared.contracts.policy.section import Section, refuse_twice
from shared.contracts.policy.selling import Customers, PipelineRule, Renewing, Returning, Stage
from shared.contracts.policy.snapshots import Snapshots
from shared.contracts.policy.templates import Template
from shared.contracts.policy.working_time import WorkingHours, ZoneName

MappingName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


def _one_stage() -> dict[str, tuple[Stage, ...]]:
    return {"default": (Stage(name="open", probability=0.5),)}


class UnitPolicy(Section):
    """Everything that is decided for one business unit."""

    time_zone: ZoneName = "UTC"
    country: Country | None = None
    currency: Currency = "EUR"
    calendar: Calendar = Calendar()
    working_hours: WorkingHours = WorkingHours()
    channels: tuple[Name, ...] = ()
    endpoints: dict[EndpointName, Endpoint] = Field(default_factory=dict)
    vocabularies: dict[Name, Vocabulary] = Field(default_factory=dict)
    sender_countries: dict[Name, Country] = Field(default_factory=dict)
    shared_phones: tuple[SharedPhone, ...] = ()
    marks: Marks = Marks()
    consent: ConsentRules = ConsentRules()
    matching: Matching = Matching()
    own_domains: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")], ...] = ()
    scoring: Scoring = Scoring()
    qualification: Qualification = Qualification()
    routing: Routing = Routing()
    follow_up: FollowUp = FollowUp()
    contact: ContactRules = ContactRules()
    contact_roles: tuple[Name, ...] = ("decision-maker", "adviser", "secretary", "user", "other")
    hygiene: Hygiene = Hygiene()
    templates: dict[Name, Template] = Field(default_factory=dict)
    archive_reasons: tuple[Name, ...] = ("other",)
    recycle_days: dict[Name, Annotated[int, Field(ge=1, le=3650)]] = Field(default_factory=dict)
    loss_reasons: tuple[Name, ...] = ("other",)
    win_reasons: tuple[Name, ...] = ()
    churn_reasons: tuple[Name, ...] = ("other",)
    refund_reasons: tuple[Name, ...] = ("other",)
    pipelines: dict[Name, Annotated[tuple[Stage, ...], Field(min_length=1)]] = Field(default_factory=_one_stage)
    pipeline_rules: tuple[PipelineRule, ...] = ()
    returning: Returning = Returning()
    renewing: Renewing = Renewing()
    customers: Customers = Customers()
    horizon_days: Annotated[int, Field(ge=1, le=3650)] = 90
    snapshots: Snapshots = Snapshots()

    @model_validator(mode="after")
    def _names_mean_something(self) -> UnitPolicy:
        given = [self.scoring.grades, *(variant.grades for variant in self.scoring.variants)]
        known = list(dict.fromkeys(grade.grade for grades in given for grade in grades))
        kinds = self.vocabularies.get("kind", Vocabulary())
        check_qualification(
            self.qualification,
            grades=known,
            owners=frozenset(self.routing.owners),
            own_kinds=frozenset((*kinds.values, *kinds.synonyms.values())),
        )
        for cadence in self.follow_up.cadences:
            for step in cadence.steps:
                if step.send is not None and step.send not in self.templates:
                    raise ValueError(
                        f"step {step.step!r} sends {step.send!r}, which is not under templates; there are: "
                        f"{', '.join(self.templates) or 'none'}"
                    )
            told = cadence.escalate.to if cadence.escalate is not None else None
            if told is not None and self.routing.owners and told not in self.routing.owners:
                raise ValueError(f"cadence {cadence.cadence!r} tells {told!r}, who is not under routing.owners")
            for grade in cadence.grades:
                if grade not in known:
                    raise ValueError(
                        f"cadence {cadence.cadence!r} names grade {grade!r}, which scoring never gives; it gives "
                        f"{', '.join(known)}"
                    )
        for field, vocabulary in self.vocabularies.items():
            if field not in VOCABULARY_FIELDS and not field.startswith(ATTRIBUTE_PREFIX):
                raise ValueError(
                    f"{field!r} is no field with a vocabulary; write one of {', '.join(VOCABULARY_FIELDS)}, "
                    f"or {ATTRIBUTE_PREFIX}<name>"
                )
            if field == "channel" and vocabulary.values:
                raise ValueError("the channels are listed under channels; a vocabulary adds other spellings of them")
        for reason in self.recycle_days:
            if reason not in self.archive_reasons:
                raise ValueError(
                    f"recycle_days names the reason {reason!r}, which is not one of archive_reasons: "
                    f"{', '.join(self.archive_reasons)}"
                )
        for pipeline, stages in self.pipelines.items():
            refuse_twice(f"in pipeline {pipeline!r} the stage", (stage.name for stage in stages))
        for rule in self.pipeline_rules:
            if rule.pipeline not in self.pipelines:
                raise ValueError(
                    f"a rule leads to pipeline {rule.pipeline!r}, which pipelines does not have; there are: "
                    f"{', '.join(self.pipelines)}"
                )
        return self

    @model_validator(mode="after")
    def _endpoints_lead_to_channels(self) -> UnitPolicy:
        for name, endpoint in self.endpoints.items():
            if self.channels and endpoint.channel not in self.channels:
                raise ValueError(
                    f"endpoint {name!r} leads to channel {endpoint.channel!r}, which channels does not list; "
                    "add it there, or lead to one of them"
                )
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The unit's time zone: its days, weeks and months begin there."""
        return ZoneInfo(self.time_zone)

    @property
    def outcomes(self) -> tuple[str, ...]:
        """How attempts and tasks go, in the words that anything of the policy names."""
        stops = (outcome for cadence in self.follow_up.cadences for outcome in cadence.stops_on)
        return (*self.contact.outcomes, *self.hygiene.failed_outcomes, *self.hygiene.wrong_outcomes, *stops)

    def hours_of(self, owner: Owner) -> WorkingHours:
        """When an owner works. Who has hours of their own and says nothing of holidays has those of the unit."""
        own = owner.working_hours
        if own is None or "holidays" in own.model_fields_set:
            return own or self.working_hours
        return own.model_copy(update={"holidays": self.working_hours.holidays})

    def stage(self, stage: str | None, pipeline: str = "default") -> Stage | None:
        """A stage of a pipeline, None for one the policy does not know."""
        return next((known for known in self.pipelines.get(pipeline, ()) if known.name == stage), None)

    def stage_position(self, stage: str | None, pipeline: str = "default") -> int | None:
        """A stage's place in its pipeline, from 0; None for a stage the policy does not know."""
        names = [known.name for known in self.pipelines.get(pipeline, ())]
        return names.index(stage) if stage in names else None


def _own_sections(own: Any) -> Any:
    """What can be judged of a unit while the defaults cannot: all but a qualification by grades it did not define."""
    if not isinstance(own, dict):
        return own or {}
    return {name: section for name, section in own.items() if name != "qualification" or "scoring" in own}


class Policy(BaseModel):
    """The whole document. An unknown unit has the defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Name
    defaults: UnitPolicy = UnitPolicy()
    business_units: dict[Name, UnitPolicy] = Field(default_factory=dict)
    mappings: dict[MappingName, Annotated[str, Field(min_length=1, max_length=100_000)]] = Field(default_factory=dict)
    reports: dict[ReportName, Report] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _units_inherit(cls, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        defaults = document.get("defaults") or {}
        units = document.get("business_units") or {}
        if not isinstance(defaults, dict) or not isinstance(units, dict):
            return document
        try:
            UnitPolicy.model_validate(defaults)
        except ValidationError:
            # Each fault of the defaults is told once, where it stands, not again for every unit that inherits it.
            units = {name: _own_sections(own) for name, own in units.items()}
            return {**document, "defaults": defaults, "business_units": units}
        merged = {
            name: {**defaults, **own} if isinstance(own, dict) else own or defaults for name, own in units.items()
        }
        return {**document, "defaults": defaults, "business_units": merged}

    @model_validator(mode="after")
    def _reports_are_of_known_units(self) -> Policy:
        for name, report in self.reports.items():
            for unit in report.business_units:
                if not self.has(unit):
                    raise ValueError(
                        f"report {name!r} is about {unit!r}, which is not under business_units; there are: "
                        f"{', '.join(self.business_units) or 'none'}"
                    )
        return self

    def has(self, business_unit: str) -> bool:
        """Whether it names a business unit; it always has the default one."""
        return business_unit == "default" or business_unit in self.business_units

    def unit(self, business_unit: str) -> UnitPolicy:
        """What holds for a business unit."""
        return self.business_units.get(business_unit, self.defaults)
