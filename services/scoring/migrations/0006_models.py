"""The registry of models, what the last training of each came to, and the marks that keep tests and spam out of it."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables. An empty business unit stands for every unit that has no model of its own."""
    op.execute("ALTER TABLE scoring.touches ADD COLUMN mark text")
    op.execute("ALTER TABLE scoring.outcomes ADD COLUMN mark text, ADD COLUMN version bigint")
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
            kind text NOT NULL,
            version text REFERENCES scoring.models (version),
            replaced text REFERENCES scoring.models (version),
            at timestamptz NOT NULL,
            by text NOT NULL,
            reason text NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE scoring.trainings (
            outcome text NOT NULL,
            business_unit text NOT NULL,
            at timestamptz NOT NULL,
            result text NOT NULL,
            words text NOT NULL,
            numbers jsonb NOT NULL,
            version text REFERENCES scoring.models (version),
            PRIMARY KEY (outcome, business_unit)
        )
        """
    )


def downgrade() -> None:
    """Forgets them."""
    for table in ("trainings", "model_activations", "models"):
        op.execute(f"DROP TABLE scoring.{table}")
    op.execute("ALTER TABLE scoring.outcomes DROP COLUMN mark, DROP COLUMN version")
    op.execute("ALTER TABLE scoring.touches DROP COLUMN mark")
