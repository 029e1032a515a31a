"""Until when an endpoint was passed over, by the time of recording: no clock of another machine says what it is told again."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column."""
    op.execute("ALTER TABLE pipeline.webhook_endpoints ADD COLUMN missed_until timestamptz")


def downgrade() -> None:
    """The time at which it is enabled stands for it again."""
    op.execute("ALTER TABLE pipeline.webhook_endpoints DROP COLUMN missed_until")
