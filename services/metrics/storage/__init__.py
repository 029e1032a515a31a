"""Everything that is kept, and every query."""

from services.metrics.storage.noticed import NoticedLookRow, NoticedRow, NoticedWordRow
from services.metrics.storage.quarantine import QuarantinedRow, QuarantineSettledRow
from services.metrics.storage.report_tables import ReportDeliveryRow, ReportRow, ReportScheduleRow
from services.metrics.storage.tables import EntryRow, FactRow, LeadRow, MetricsTable, ProgressRow, RollupRow
from services.metrics.storage.unread import UnreadRow

__all__ = [
    "EntryRow",
    "FactRow",
    "LeadRow",
    "MetricsTable",
    "NoticedLookRow",
    "NoticedRow",
    "NoticedWordRow",
    "ProgressRow",
    "QuarantineSettledRow",
    "QuarantinedRow",
    "ReportDeliveryRow",
    "ReportRow",
    "ReportScheduleRow",
    "RollupRow",
    "UnreadRow",
]
