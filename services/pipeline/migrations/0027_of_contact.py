"""Which identities a lead has only for one of its contacts, so that no other is let go of with the contact."""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What contacts had before stays with their leads: who was captured with it since is not told apart any more."""
    op.execute("ALTER TABLE pipeline.identities ADD COLUMN of_contact boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    """Every identity is as good as another."""
    op.execute("ALTER TABLE pipeline.identities DROP COLUMN of_contact")
