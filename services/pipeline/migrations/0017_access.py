"""Who may work with leads: API tokens with a role, held in some units or in all."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Tokens, and one row that tells whether there is anything new about them."""
    op.execute(
        """
        CREATE TABLE pipeline.api_keys (
            prefix text PRIMARY KEY,
            digest text NOT NULL UNIQUE,
            subject text NOT NULL,
            is_person boolean NOT NULL,
            role text NOT NULL,
            units text[],
            created_at timestamptz NOT NULL,
            expires_at timestamptz,
            revoked_at timestamptz,
            replaced_by text,
            last_used_at timestamptz
        )"""
    )
    op.execute("CREATE TABLE pipeline.key_changes (id smallint PRIMARY KEY, changes bigint NOT NULL)")
    op.execute("INSERT INTO pipeline.key_changes (id, changes) VALUES (1, 0)")


def downgrade() -> None:
    """The deployment's own token is left."""
    op.execute("DROP TABLE pipeline.key_changes")
    op.execute("DROP TABLE pipeline.api_keys")
