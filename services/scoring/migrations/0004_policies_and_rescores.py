"""The policies that scores were made by, and how far each rescore has come."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables."""
    op.execute(
        """
        CREATE TABLE scoring.policies (
            version text NOT NULL,
            digest text NOT NULL,
            document jsonb NOT NULL,
            first_used_at timestamptz NOT NULL,
            PRIMARY KEY (version, digest)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE scoring.rescores (
            id uuid PRIMARY KEY,
            policy_version text NOT NULL,
            requested_at timestamptz NOT NULL,
            after_id uuid,
            leads bigint NOT NULL,
            done bigint NOT NULL,
            changed bigint NOT NULL,
            failed bigint NOT NULL,
            status text NOT NULL,
            finished_at timestamptz
        )
        """
    )


def downgrade() -> None:
    """Forgets them."""
    for table in ("rescores", "policies"):
        op.execute(f"DROP TABLE scoring.{table}")
