"""Since when there is anything on the log that nobody has folded."""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Until a consumer has looked, the newest fact says how far the log is folded, as before."""
    op.execute("CREATE TABLE metrics.unread (topic text PRIMARY KEY, since timestamptz)")


def downgrade() -> None:
    """The newest fact of all says it again."""
    op.execute("DROP TABLE metrics.unread")
