"""Visitors of whom somebody left their address, and not their visitor's id: they are found by who that was."""

from __future__ import annotations

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A row for each visitor and lead."""
    op.execute(
        """
        CREATE TABLE pipeline.visitor_leads (
            visitor uuid NOT NULL,
            lead_id uuid NOT NULL,
            day date NOT NULL,
            PRIMARY KEY (visitor, lead_id)
        )"""
    )
    op.execute("CREATE INDEX visitor_leads_lead ON pipeline.visitor_leads (lead_id)")
    op.execute("CREATE INDEX visitor_leads_day ON pipeline.visitor_leads (day)")


def downgrade() -> None:
    """Nobody remembers."""
    op.execute("DROP TABLE pipeline.visitor_leads")
