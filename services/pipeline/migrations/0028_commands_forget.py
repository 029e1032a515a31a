"""What commands said is known for a while, by a hash with a key: what was hashed without one is forgotten."""

from __future__ import annotations

from alembic import op

from shared.kit.alembic import indexes

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forgets, and finds what is to be forgotten next."""
    op.execute("UPDATE pipeline.commands SET fingerprint = ''")
    indexes.build("pipeline", {"commands_remembered": "commands (recorded_at) WHERE fingerprint <> ''"})


def downgrade() -> None:
    """What was forgotten stays so."""
    op.execute("DROP INDEX pipeline.commands_remembered")
