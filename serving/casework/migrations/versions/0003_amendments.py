"""amended rules and texts, handed-over passwords, common sign-in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "casework_amendment",
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("account", sa.String(length=80), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("body", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "key", "number"),
    )
    op.create_table(
        "web_departure",
        sa.Column("digest", sa.String(length=80), nullable=False, comment="of the state that the browser carries"),
        sa.Column("nonce", sa.String(length=80), nullable=False),
        sa.Column("verifier", sa.String(length=80), nullable=False),
        sa.Column("onward", sa.String(length=500), nullable=False),
        sa.Column("left_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    # by ALTER TABLE alone: a copy of the table would, on SQLite, take its sessions along
    op.add_column(
        "web_account",
        sa.Column(
            "temporary", sa.Boolean(), nullable=False, server_default=sa.false(),
            comment="the password was handed over and has to be changed first",
        ),
    )  # fmt: skip
    op.add_column("web_account", sa.Column("version", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Back to the version before."""
    op.drop_column("web_account", "version")
    op.drop_column("web_account", "temporary")
    op.drop_table("web_departure")
    op.drop_table("casework_amendment")
