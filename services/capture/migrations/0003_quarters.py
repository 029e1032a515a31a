"""Counts by quarters of an hour, since not every zone is whole hours away from UTC.

A rename is no expansion, and is safe here beside processes that still run the code before: that code had these tables and
neither read nor wrote them. The first code that does comes with this revision.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = ("receipts", "log_counts", "door_counts")


def upgrade() -> None:
    """Names the columns after what they hold."""
    for table in TABLES:
        op.execute(f"ALTER TABLE capture.{table} RENAME COLUMN hour TO quarter")
    op.execute("ALTER INDEX capture.receipts_by_hour RENAME TO receipts_by_quarter")


def downgrade() -> None:
    """As it was."""
    for table in TABLES:
        op.execute(f"ALTER TABLE capture.{table} RENAME COLUMN quarter TO hour")
    op.execute("ALTER INDEX capture.receipts_by_quarter RENAME TO receipts_by_hour")
