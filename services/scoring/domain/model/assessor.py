"""Models at work: which one speaks for a lead, and what it says of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from services.scoring.domain.assessment import Assessment, Case, contribution
from services.scoring.domain.model.additive import UNITS_PER_LOG_ODD, AdditiveModel, Table
from services.scoring.domain.model.artefact import EVERY_UNIT
from services.scoring.domain.model.features import FeatureReader, LateTouch
from services.scoring.domain.model.values import Cell, as_number
from services.scoring.domain.model.words import BASE, REST, feature_words, likelier
from services.scoring.domain.touches import known_at
from shared.contracts.scoring_events import Contribution, Silence

STRONGEST = 5
"""So many reasons are told of each assessment, beside its base and the rest."""

MOST_REMEMBERED = 16_384


class Lookup:
    """The cell of each value of one feature. Texts, and yes and no, are looked up once: there are few different ones."""

    __slots__ = ("_cells", "_edges", "_placeholders", "_table", "_unknown", "name")

    def __init__(self, table: Table, placeholders: frozenset[str]) -> None:
        self.name = table.name
        self._table = table
        self._placeholders = placeholders
        self._unknown = table.unknown
        self._cells: dict[str | bool, int] = {}
        spelled = any(as_number(one) is not None for one in placeholders)
        self._edges = table.edges if table.levels is None and not spelled else None

    def cell(self, value: Cell) -> int:
        """The same as the table's own, quicker."""
        if value is None:
            return self._unknown
        if type(value) is int and self._edges is not None:
            return bisect_right(self._edges, value)
        if isinstance(value, str | bool):
            cell = self._cells.get(value)
            if cell is None:
                if len(self._cells) >= MOST_REMEMBERED:  # whatever senders make up, memory stays bounded
                    self._cells.clear()
                cell = self._cells[value] = self._table.cell(value, self._placeholders)
            return cell
        return self._table.cell(value, self._placeholders)


class Expert:
    """One model with its name, made ready to be asked many times. What it said of leads that look the same to it is
    remembered from the second of them on: where no lead looks like another, nothing is kept that is never asked for."""

    def __init__(self, version: str, model: AdditiveModel) -> None:
        self.version = version
        self.model = model
        self._reader = FeatureReader([table.name for table in model.tables])
        self._lookups = [Lookup(table, model.placeholders) for table in model.tables]
        self._base = contribution("base", BASE, model.base / UNITS_PER_LOG_ODD)
        self._contribution = lru_cache(maxsize=16_384)(self._say)
        self._met: set[int] = set()
        self._said: dict[tuple[int, ...], Assessment] = {}

    def cells(self, case: Case, values: Mapping[str, Cell] | None = None) -> tuple[int, ...] | None:
        """How a lead looks to the model, from what had happened; None where nothing is known of it. Its features are read
        unless they were already."""
        if values is None:
            case, values = read_of(self._reader, case)
        for one in case.touches:
            if one.kind is None:
                get = values.get
                return tuple([lookup.cell(get(lookup.name)) for lookup in self._lookups])
        return None

    def assess(self, cases: Sequence[Case]) -> Sequence[Assessment | Silence]:
        """One answer for each case, in their order."""
        return [self.assessed(case) for case in cases]

    def assessed(self, case: Case, values: Mapping[str, Cell] | None = None) -> Assessment | Silence:
        """How likely the outcome is, and the strongest reasons."""
        cells = self.cells(case, values)
        if cells is None:
            return "nothing_known"
        said = self._said.get(cells)
        if said is None:
            said = self._assess(cells, STRONGEST)
            self._remember(cells, said)
        return said

    def _remember(self, cells: tuple[int, ...], said: Assessment) -> None:
        look = hash(cells)
        if look in self._met:
            if len(self._said) >= MOST_REMEMBERED:
                self._said.clear()
            self._said[cells] = said
            return
        if len(self._met) >= MOST_REMEMBERED:
            self._met.clear()
        self._met.add(look)

    def explained(self, case: Case) -> Assessment | Silence:
        """The same with every reason."""
        cells = self.cells(case)
        return "nothing_known" if cells is None else self._assess(cells, len(self.model.tables))

    def _assess(self, cells: tuple[int, ...], reasons: int) -> Assessment:
        """The strongest reasons, the strongest first, with what the model starts from and what all others come to: their
        log-odds sum to those of the probability, to the last digit."""
        verdict = self.model.verdict(cells)
        units = verdict.units
        strength = [abs(one) for one in units]
        order = sorted(range(len(units)), key=strength.__getitem__, reverse=True)
        told = [index for index in order[:reasons] if units[index]]
        rest = verdict.total - self.model.base - sum([units[index] for index in told])
        said = [self._contribution(index, cells[index], units[index]) for index in told]
        contributions = (self._base, *said, *((_rest(rest),) if rest else ()))
        return Assessment(verdict.probability, contributions, self.version)

    def _say(self, index: int, cell: int, units: int) -> Contribution:
        table = self.model.tables[index]
        words = likelier(feature_words(table, cell), units)
        return contribution(table.name[:200], words, units / UNITS_PER_LOG_ODD)


def read_of(reader: FeatureReader, case: Case) -> tuple[Case, Mapping[str, Cell]]:
    """A lead as of a moment, and its features then."""
    try:
        return case, reader.read(case.business_unit, case.touches, case.as_of)
    except LateTouch:
        known = case._replace(touches=known_at(case.touches, case.as_of))
        return known, reader.read(known.business_unit, known.touches, known.as_of)


class Reading:
    """The features of the leads that were asked about last, read once for the models of both outcomes."""

    def __init__(self, experts: Iterable[Expert] = ()) -> None:
        self._reader = FeatureReader({table.name for expert in experts for table in expert.model.tables})
        self._cases: Sequence[Case] = ()
        self._read: list[tuple[Case, Mapping[str, Cell]] | None] = []

    def of(self, cases: Sequence[Case], place: int) -> tuple[Case, Mapping[str, Cell]]:
        """One of these leads as of its moment, and its features then."""
        if cases is not self._cases:
            self._cases, self._read = cases, [None] * len(cases)
        found = self._read[place]
        if found is None:
            found = self._read[place] = read_of(self._reader, cases[place])
        return found


class Experts(NamedTuple):
    """The models that speak, by business unit: its own, else that for every unit. Where there is none, or one that cannot
    be used, `silent` says why, and rules alone speak, as they do for units whose policy has learning `off`. Experts of another
    outcome may share their `reading`."""

    speaking: Mapping[str, Expert] = {}
    silent: Mapping[str, Silence] = {}
    off: Callable[[str], bool] = lambda _: False
    reading: Reading | None = None

    def expert(self, business_unit: str) -> Expert | Silence:
        """The model of a unit, or why there is none. A unit whose own model cannot be used is not given another's."""
        if self.off(business_unit):
            return "none_active"
        for unit in (business_unit, EVERY_UNIT):
            if unit in self.speaking:
                return self.speaking[unit]
            if self.silent.get(unit) == "unusable":
                return "unusable"
        return self.silent.get(business_unit) or self.silent.get(EVERY_UNIT) or "none_active"

    def assess(self, cases: Sequence[Case]) -> Sequence[Assessment | Silence]:
        """One answer for each case, in their order."""
        found: list[Assessment | Silence] = []
        for place, case in enumerate(cases):
            expert = self.expert(case.business_unit)
            if not isinstance(expert, Expert):
                found.append(expert)
            elif self.reading is None:
                found.append(expert.assessed(case))
            else:
                found.append(expert.assessed(*self.reading.of(cases, place)))
        return found


@lru_cache(maxsize=16_384)
def _rest(units: int) -> Contribution:
    return contribution("rest", REST, units / UNITS_PER_LOG_ODD)
