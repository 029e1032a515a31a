"""What was known at a moment."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """What is frozen is never changed, and forgotten only when its time is over: the database itself refuses."""
    op.execute(
        """
        CREATE TABLE metrics.frozen (
            frozen_id uuid PRIMARY KEY,
            business_unit text NOT NULL,
            name text NOT NULL,
            due_at timestamptz NOT NULL,
            status text NOT NULL,
            scheduled boolean NOT NULL,
            taken_at timestamptz NOT NULL,
            taken_by text NOT NULL,
            folded_to timestamptz,
            policy_version text NOT NULL,
            keep_until timestamptz NOT NULL,
            content jsonb
        )"""
    )
    op.execute("CREATE UNIQUE INDEX frozen_once ON metrics.frozen (business_unit, name, due_at)")
    op.execute(
        """
        CREATE FUNCTION metrics.frozen_stays() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' AND OLD.keep_until <= now() THEN
                RETURN OLD;
            END IF;
            RAISE EXCEPTION 'what is frozen stays as it is until %', OLD.keep_until;
        END $$"""
    )
    op.execute(
        """
        CREATE TRIGGER frozen_stays BEFORE UPDATE OR DELETE ON metrics.frozen
        FOR EACH ROW EXECUTE FUNCTION metrics.frozen_stays()"""
    )


def downgrade() -> None:
    """Nothing was known."""
    op.execute("DROP TABLE metrics.frozen")
    op.execute("DROP FUNCTION metrics.frozen_stays()")
