"""What there is to learn from, and what was learned: outcomes, when each touch was known, models, what came of them."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Room for it. When a touch of before was known is not known, so it is not learned from."""
    op.execute(
        """
        ALTER TABLE scoring.touches
            ADD COLUMN medium text, ADD COLUMN known_at timestamptz, ADD COLUMN historical boolean
        """
    )
    op.execute("ALTER TABLE scoring.attachments ADD COLUMN known_at timestamptz")
    op.execute("ALTER TABLE scoring.leads ADD COLUMN customer_probability double precision")
    op.execute(
        """
        CREATE TABLE scoring.outcomes (
            lead_id uuid NOT NULL,
            event_id uuid NOT NULL,
            kind text NOT NULL,
            occurred_at timestamptz NOT NULL,
            known_at timestamptz NOT NULL,
            opportunity_id text,
            PRIMARY KEY (lead_id, event_id)
        )
        """
    )
    # An empty business unit stands for every unit that has no model of its own.
    op.execute(
        """
        CREATE TABLE scoring.models (
            version text PRIMARY KEY,
            outcome text NOT NULL,
            business_unit text NOT NULL,
            status text NOT NULL,
            verdict text NOT NULL,
            artefact text NOT NULL,
            checksum text NOT NULL,
            format_version integer NOT NULL,
            horizon_days integer NOT NULL,
            data_from timestamptz NOT NULL,
            data_to timestamptz NOT NULL,
            examples integer NOT NULL,
            positives integer NOT NULL,
            features jsonb NOT NULL,
            metrics jsonb NOT NULL,
            profile jsonb NOT NULL,
            trained_at timestamptz NOT NULL,
            trained_by text NOT NULL
        )
        """
    )
    op.execute("CREATE UNIQUE INDEX models_active ON scoring.models (outcome, business_unit) WHERE status = 'active'")
    op.execute(
        """
        CREATE TABLE scoring.model_activations (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            outcome text NOT NULL,
            business_unit text NOT NULL,
            version text REFERENCES scoring.models (version),
            activated_at timestamptz NOT NULL,
            activated_by text NOT NULL,
            reason text NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE scoring.model_checks (
            outcome text NOT NULL,
            business_unit text NOT NULL,
            checked_at timestamptz NOT NULL,
            findings jsonb NOT NULL,
            PRIMARY KEY (outcome, business_unit)
        )
        """
    )


def downgrade() -> None:
    """As it was."""
    for table in ("model_checks", "model_activations", "models", "outcomes"):
        op.execute(f"DROP TABLE scoring.{table}")
    op.execute("ALTER TABLE scoring.leads DROP COLUMN customer_probability")
    op.execute("ALTER TABLE scoring.attachments DROP COLUMN known_at")
    op.execute("ALTER TABLE scoring.touches DROP COLUMN medium, DROP COLUMN known_at, DROP COLUMN historical")
