"""By which identities contacts of leads are found, so that erasure reaches them."""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.execute(
        """
        CREATE TABLE pipeline.contact_names (
            token text NOT NULL,
            lead_id uuid NOT NULL,
            contact_id uuid NOT NULL,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (token, lead_id, contact_id)
        )"""
    )
    op.execute("CREATE INDEX contact_names_of_lead ON pipeline.contact_names (lead_id, contact_id)")


def downgrade() -> None:
    """Contacts stay with their leads."""
    op.execute("DROP TABLE pipeline.contact_names")
