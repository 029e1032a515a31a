"""From answers to a document: every number in words, held against what it was, beside the one that keeps it honest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from services.metrics.domain.definitions import BY_ID
from services.metrics.forecasts import Forecast
from services.metrics.reporting import ahead, charts_of, noticed, tables
from services.metrics.reporting.document import Compared, Document, Meaning, Number, Step, Wanted
from services.metrics.reporting.periods import Window, key, label, of_days
from services.metrics.reporting.plan import FUNNEL, TARGETS, Ask, Scope, cuts_of
from services.metrics.reporting.units import Kind, change_shown, is_better, kind_of, shown, values_shown
from services.metrics.reporting.wording import ABSENT, Wording
from services.metrics.storage.noticed import Noticed
from shared.contracts.policy.reports import Report

MATURE = 0.8
"""From here on a cohort is told without a warning."""

HEADINGS = (
    "headlines", "counter", "funnel", "charts", "numbers", "period_column", "value_column", "not_over", "cuts", "durations",
    "definitions", "number_column", "meaning_column", "trap_column", "check_column", "check", "behind", "nothing", "better",
    "worse", "changed", "foot", "on_target", "off_target", "ahead", "noticed",
    "previous", "last_year",
)  # fmt: skip
"""What is said on the page beside the numbers."""

Answer = Mapping[str, Any]
Answers = Mapping[Ask, Answer | None]
"""None where the KPI cannot be asked so: narrowed by what it does not know, in too many groups, or of another window."""

Link = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Telling:
    """Everything that is needed to tell one report."""

    name: str
    report: Report
    scope: Scope
    words: Wording
    answers: Answers
    zone: ZoneInfo
    today: date
    policy_version: str
    link: Link
    outlook: Forecast | None = None
    findings: Sequence[Noticed] = ()

    def document(self) -> Document:
        """The report, told."""
        words, scope = self.words, self.scope
        title = self.report.title or words.text(
            {"weekly": "title_weekly", "monthly": "title_monthly", "quarterly": "title_quarterly"}.get(self.name)
            or ("title_yearly" if self.report.period == "year" else "title_overview")
        )
        funnel, note = self._funnel()
        unasked = [kpi for kpi in self.report.headlines if self.answers.get(scope.ask(kpi)) is None]
        silent = [kpi for kpi in self.report.headlines if kpi not in unasked and self._is_silent(kpi)]
        charts = charts_of.Charts(words, scope, self.today, self.link)
        return Document(
            report=self.name,
            title=title,
            period=label(scope.window, scope.calendar, words),
            period_key=key(scope.window, scope.calendar),
            language=words.language,
            direction=words.known.direction,
            units=self._about(),
            as_of=words.text("as_of", moment=self._moment(scope.as_of)),
            numbers=tuple(
                self._headline(kpi, charts) for kpi in self.report.headlines if kpi not in (*silent, *unasked)
            ),
            silent=" ".join(
                words.text(key, names=words.listed(map(words.kpi, kpis)))
                for key, kpis in (("silent", silent), ("unasked", unasked))
                if kpis
            ),
            funnel=funnel,
            funnel_note=note,
            charts=tuple(
                charts.series(kpi, self.answers.get(scope.ask_trend(kpi))) for kpi in self.report.charts if _flows(kpi)
            ),
            durations=tables.durations(
                words, [answer for kpi in self.report.durations if (answer := self.answers.get(scope.ask(kpi)))]
            ),
            tables=tuple(
                found
                for cut in cuts_of(self.report, scope)
                if (
                    found := tables.of_cut(
                        words, cut, [self.answers.get(scope.ask(kpi, by=cut.by)) for kpi in cut.kpis]
                    )
                )
            ),
            ahead=ahead.table(words, self.outlook, self.link),
            noticed=noticed.table(words, self.findings, scope, self.zone, self.link),
            meanings=self._meanings(),
            foot=self._foot(),
            headings={key: words.text(key) for key in HEADINGS},
        )

    def _about(self) -> str:
        """Of which units it is, and by what its numbers are narrowed."""
        words, filters = self.words, self.report.filters
        told = [words.listed(map(words.name, self.scope.units)) if self.scope.units else words.text("all_units")]
        for name, values in sorted(filters.items()):
            each = [words.name(value) if value else words.text("unknown") for value in values]
            told.append(f"{words.word(name)}: {words.listed(each)}")
        return " · ".join(told)

    def _answer(self, kpi: str) -> Answer:
        answer = self.answers[self.scope.ask(kpi)]
        assert answer is not None, "what is told can be asked"
        return answer

    def _moment(self, at: datetime) -> str:
        return self.words.moment(at.astimezone(self.zone))

    def _headline(self, kpi: str, charts: charts_of.Charts) -> Number:
        trend = self.answers.get(self.scope.ask_trend(kpi)) if _flows(kpi) else None
        return self._number(
            kpi,
            compared=("previous", "last_year"),
            wanted=self._wanted(kpi),
            counter=self._counter(BY_ID[kpi].counter_kpi),
            spark=charts.series(kpi, trend) if trend is not None else None,
        )

    def _counter(self, kpi: str) -> Number | None:
        """The number that keeps another honest; none where it is not known by what the report is narrowed to."""
        if self.answers.get(self.scope.ask(kpi)) is None:
            return None
        return self._number(kpi, compared=("previous",))

    def _wanted(self, kpi: str) -> Wanted | None:
        """The target of a number for this window, where there is one."""
        words, (attained, pace) = self.words, (self.answers.get(self.scope.ask_target(kpi, one)) for one in TARGETS)
        target = attained["total"].get("target") if attained is not None else None
        if attained is None or target is None or target["value"] is None:
            return None
        total, kind = attained["total"], kind_of(kpi, BY_ID[kpi].unit)
        value = shown(words, kind, target["value"], target["currency"])
        share = shown(words, Kind.SHARE, total["value"])
        text = words.text("target", value=value, share=share)
        if pace is not None and pace["total"].get("value") is not None and target["elapsed_share"] < 1:
            text += f" · {words.text('pace', share=words.share(pace['total']['value'], 0))}"
        good = pace["total"]["on_target"] if pace is not None and target["elapsed_share"] < 1 else total["on_target"]
        return Wanted(text, total["value"], good, self.link(self.scope.ask_target(kpi).path))

    def _is_silent(self, kpi: str) -> bool:
        """Whether nothing is known of a number, now or before."""
        asked = [self.answers.get(self.scope.ask(kpi, compare=how)) for how in (None, "previous")]
        totals = [
            self._answer(kpi)["total"],
            *(one["comparison"]["total"] for one in asked if one and "comparison" in one),
        ]
        return all(total.get("value") is None and not total.get("by_currency") for total in totals)

    def _number(self, kpi: str, *, compared: tuple[Literal["previous", "last_year"], ...], **more: Any) -> Number:
        answer = self._answer(kpi)
        kind, total = kind_of(kpi, answer["unit"]), answer["total"]
        found = (self._compared(kpi, kind, how) for how in compared)
        return Number(
            kpi=kpi,
            name=self.words.kpi(kpi),
            texts=values_shown(self.words, kind, total),
            value=total.get("value"),
            unit=answer["unit"],
            href=self.link(self.scope.ask(kpi).path),
            compared=tuple(one for one in found if one is not None),
            notes=tuple(self._notes(kind, total)),
            young=self.young(total),
            **more,
        )

    def _compared(self, kpi: str, kind: Kind, how: Literal["previous", "last_year"]) -> Compared | None:
        answer = self.answers.get(self.scope.ask(kpi, compare=how))
        if answer is None:
            return None
        now, before = answer["total"], answer["comparison"]
        then = before["total"]
        if not then["n"] and (how == "last_year" or not now["n"]):
            return None
        change, moved = self._change(kind, now, then)
        window: Window = of_days(before["from"], before["to"], self.scope.calendar)
        return Compared(
            how=how,
            label=label(window, self.scope.calendar, self.words),
            value=self.words.listed(values_shown(self.words, kind, then)),
            change=change,
            moved=moved,
            good=is_better(kpi, moved),
        )

    def _change(self, kind: Kind, now: Mapping[str, Any], then: Mapping[str, Any]) -> tuple[str, float]:
        """How far a number moved; of several currencies that of each, and no direction where they do not agree."""
        if not now.get("by_currency") and not then.get("by_currency"):
            same = now.get("currency") == then.get("currency") or None in (now.get("currency"), then.get("currency"))
            return change_shown(
                self.words, kind, now.get("value") if same else None, then.get("value") if same else None
            )
        new, old = (each.get("by_currency") or {each.get("currency"): each} for each in (now, then))
        values: Mapping[str, Any] = {}
        moves = {
            one: change_shown(self.words, kind, new.get(one, values).get("value"), old.get(one, values).get("value"))
            for one in sorted({*new, *old} - {None})
        }
        said = self.words.listed(
            f"{self.words.currency(one)} {change}" for one, (change, _) in moves.items() if change != ABSENT
        )
        ways = {(moved > 0) - (moved < 0) for _, moved in moves.values()}
        return said or ABSENT, float(ways.pop()) if len(ways) == 1 else 0.0

    def _notes(self, kind: Kind, total: Mapping[str, Any]) -> list[str]:
        words, notes = self.words, []
        if kind is Kind.SHARE and total.get("denominator") and total.get("numerator") is not None and _counts(total):
            notes.append(
                words.text("of", above=words.number(total["numerator"]), below=words.number(total["denominator"]))
            )
        if interval := total.get("interval"):
            low, high = (shown(words, kind, interval[side]) for side in ("low", "high"))
            notes.append(words.text("interval", level=words.share(interval["level"], 0), low=low, high=high))
        if kind is Kind.DURATION and total.get("n"):
            notes.append(f"{words.text('median')} · {words.text('cases')}: {words.number(total['n'])}")
        if total.get("median") is not None:
            notes.append(f"{words.text('median')}: {shown(words, kind, total['median'], total.get('currency'))}")
        if total.get("never_contacted"):
            notes.append(words.text("never_contacted", n=words.number(total["never_contacted"])))
        if total.get("without_amount"):
            notes.append(words.text("without_amount", n=words.number(total["without_amount"])))
        if self.young(total) is None and total.get("maturity") is not None:
            notes.append(words.text("mature", share=words.share(total["maturity"], 0)))
        return notes

    def young(self, total: Mapping[str, Any]) -> str | None:
        """The warning about a cohort that is not old enough to be judged."""
        maturity = total.get("maturity")
        if maturity is None or maturity >= MATURE:
            return None
        return self.words.text("young", share=self.words.share(maturity, 0))

    def _funnel(self) -> tuple[tuple[Step, ...], str]:
        if not self.report.funnel:
            return (), ""
        words = self.words
        totals = [self._answer(kpi)["total"] for kpi in FUNNEL]
        whole = totals[0]["value"] or 0
        note = words.text("funnel_note", n=words.number(whole), moment=self._moment(self.scope.as_of))
        if not whole:
            return (), words.text("nothing")
        steps: list[Step] = []
        before = whole
        for kpi, total in zip(FUNNEL, totals, strict=True):
            reached = total["numerator"] if kpi != FUNNEL[0] else whole
            steps.append(
                Step(
                    name=words.kpi(kpi),
                    count=words.number(reached),
                    share=reached / whole,
                    of_all=words.text("of_all", share=words.share(reached / whole)),
                    of_step=words.text("of_step", share=words.share(reached / before)) if before and steps else "",
                    young=self.young(total),
                )
            )
            before = reached
        return tuple(steps), note

    def _meanings(self) -> tuple[Meaning, ...]:
        words, report = self.words, self.report
        told = [*report.headlines, *(BY_ID[kpi].counter_kpi for kpi in report.headlines)]
        told += [*(FUNNEL if report.funnel else ()), *report.kpis]
        told += [kpi for cut in cuts_of(report, self.scope) for kpi in cut.kpis]
        return tuple(
            Meaning(
                kpi=kpi,
                name=words.kpi(kpi),
                meaning=words.meaning(kpi, BY_ID[kpi].formula),
                trap=words.trap(kpi, BY_ID[kpi].trap),
                version=words.text("version", n=words.number(BY_ID[kpi].version)),
                href=self.link(self.scope.ask(kpi).path),
                leads_href=self.link(self.scope.ask(kpi).leads_path),
            )
            for kpi in dict.fromkeys(told)
        )

    def _foot(self) -> tuple[str, ...]:
        words = self.words
        asked = next((answer for answer in self.answers.values() if answer is not None), None)
        folded_to = asked["folded_to"] if asked else None
        horizons = {
            answer["total"]["horizon_days"]
            for answer in self.answers.values()
            if answer and "horizon_days" in answer["total"]
        }
        return (
            words.text("as_of", moment=self._moment(self.scope.as_of)),
            words.text("folded_to", moment=self._moment(folded_to)) if folded_to else words.text("not_folded"),
            *(words.text("horizon", n=words.number(days)) for days in sorted(horizons)),
            words.text("policy", version=words.name(self.policy_version)),
            words.text("money_note"),
        )


def _flows(kpi: str) -> bool:
    """Whether it is of a window, and so can be told over time."""
    return BY_ID[kpi].basis != "snapshot"


def _counts(total: Mapping[str, Any]) -> bool:
    """Whether what is above and below the line are counts: sums of money are told by the value alone."""
    return (
        "currency" not in total and float(total["numerator"]).is_integer() and float(total["denominator"]).is_integer()
    )
