"""Everything that is kept, and every query."""

from services.metrics.storage.tables import EntryRow, FactRow, LeadRow, MetricsTable, ProgressRow, RollupRow

__all__ = ["EntryRow", "FactRow", "LeadRow", "MetricsTable", "ProgressRow", "RollupRow"]
