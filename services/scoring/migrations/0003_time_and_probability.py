"""Scores move with time, interactions keep what rules may ask of them, and a model speaks beside the rules."""

from __future__ import annotations

from alembic import op

from shared.kit.alembic import indexes

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

LEADS = {
    "probability": "double precision",
    "contributions": "jsonb",
    "model_version": "text",
    "rating": "text",
    "temperature": "text",
    "historical": "boolean",
    "due_at": "timestamptz",
}
TOUCHES = {
    "value": "text",
    "direction": "text",
    "outcome": "text",
    "duration_seconds": "double precision",
    "retracts": "uuid",
}


def upgrade() -> None:
    """Room for it, empty until the next event of each lead."""
    for table, columns in (("leads", LEADS), ("touches", TOUCHES)):
        added = ", ".join(f"ADD COLUMN IF NOT EXISTS {name} {kind}" for name, kind in columns.items())
        op.execute(f"ALTER TABLE scoring.{table} {added}")
    indexes.build("scoring", {"leads_due": "leads (due_at) WHERE due_at IS NOT NULL"})


def downgrade() -> None:
    """As it was."""
    for table, columns in (("leads", LEADS), ("touches", TOUCHES)):
        dropped = ", ".join(f"DROP COLUMN {name}" for name in columns)
        op.execute(f"ALTER TABLE scoring.{table} {dropped}")
