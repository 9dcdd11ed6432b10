"""what lists are ordered and narrowed by stands beside what a list said."""

from __future__ import annotations

from alembic import op

from serving.casework.migrations.signals import WORDS, column, read_bodies

revision = "0005"
down_revision: str | None = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version; rows that are there are read once."""
    for name in ("rank", *WORDS):
        op.add_column("casework_signal", column(name))
    read_bodies(op.get_bind())
    op.create_index("casework_signal_rank", "casework_signal", ["as_of", "rank", "case_id"], unique=False)


def downgrade() -> None:
    """Back to the version before."""
    op.drop_index("casework_signal_rank", table_name="casework_signal")
    for name in (*reversed(WORDS), "rank"):
        op.drop_column("casework_signal", name)
