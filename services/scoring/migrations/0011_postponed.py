"""A lead that waits because it could not be judged still knows when it was due."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A column of its own for waiting."""
    op.execute("ALTER TABLE scoring.leads ADD COLUMN postponed_until timestamptz")


def downgrade() -> None:
    """Leads that waited are tried again at once."""
    op.execute("ALTER TABLE scoring.leads DROP COLUMN postponed_until")
