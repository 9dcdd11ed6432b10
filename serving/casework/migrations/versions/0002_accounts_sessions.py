"""accounts and sessions of the pages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "web_account",
        sa.Column("account", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False, comment="as pages show it"),
        sa.Column("role", sa.String(length=80), nullable=False),
        sa.Column("area_code", sa.String(length=80), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=False),
        sa.Column("password", sa.String(length=200), nullable=False, comment="Argon2id"),
        sa.Column("language", sa.String(length=80), nullable=False, comment="empty: as the browser asks"),
        sa.Column("large", sa.Boolean(), nullable=False, comment="large type"),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("signed_in_at", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_table(
        "web_session",
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("account", sa.String(length=80), nullable=False),
        sa.Column("opened_at", sa.String(length=32), nullable=False),
        sa.Column("seen_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["web_account.account"]),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("web_session_account", "web_session", ["account"], unique=False)
    op.create_table(
        "web_attempt",
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("web_attempt_last", "web_attempt", ["last_at"], unique=False)


def downgrade() -> None:
    """Back to the version before."""
    op.drop_index("web_attempt_last", table_name="web_attempt")
    op.drop_table("web_attempt")
    op.drop_index("web_session_account", table_name="web_session")
    op.drop_table("web_session")
    op.drop_table("web_account")
