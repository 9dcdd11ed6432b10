"""open needs of an area are kept as counts; deadlines know the rules that they were reckoned by."""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"
branch_labels = None
depends_on = None

HELPING = ("classified", "referred", "received", "answered", "effect_check")
DESK_OF_AREA = ("department", "open", "area_code", "due_at", "referral_id")
GOES_WITHOUT_SAYING = {"D1": ("N02",), "D2": ("N01",), "D7": ("N22",), "D9": ("N21",)}
"""Needs of a disposition, as the vocabulary had them at this version."""


def upgrade() -> None:
    """To this version; open needs are counted once."""
    kept = op.create_table(
        "casework_need",
        sa.Column("area_code", sa.String(length=80), nullable=False),
        sa.Column("need", sa.String(length=80), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("area_code", "need"),
    )
    op.create_table(
        "casework_reckoned",
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rules", sa.String(length=80), nullable=False, comment="their digest"),
        sa.PrimaryKeyConstraint("one"),
    )
    op.create_index("casework_referral_area", "casework_referral", list(DESK_OF_AREA), unique=False)
    case = sa.table("casework_case", sa.column("case_id"), sa.column("state"), sa.column("body", sa.JSON))
    place = sa.table("casework_place", sa.column("area_code"), sa.column("case_id"))
    sent = sa.table("casework_referral", sa.column("case_id"), sa.column("need"), sa.column("open", sa.Boolean))
    connection = op.get_bind()
    found: set[tuple[str, str]] = {
        (case_id, need)
        for case_id, need in connection.execute(sa.select(sent.c.case_id, sent.c.need).where(sent.c.open))
    }
    helping = sa.select(case.c.case_id, case.c.body).where(case.c.state.in_(HELPING))
    for case_id, body in connection.execute(helping):
        found.update((case_id, need) for need in _asked(body))
    of_case: dict[str, list[str]] = {}
    for case_id, need in found:
        of_case.setdefault(case_id, []).append(need)
    counted: Counter[tuple[str, str]] = Counter()
    for area, case_id in connection.execute(sa.select(place.c.area_code, place.c.case_id)):
        counted.update((area, need) for need in of_case.get(case_id, ()))
    rows = [{"area_code": area, "need": need, "cases": number} for (area, need), number in sorted(counted.items())]
    op.bulk_insert(kept, rows)


def _asked(body: dict[str, Any]) -> set[str]:
    """Needs that a visit found and that nobody has sent to a department yet."""
    round_ = body["round"]
    forms = [one["form"] for one in body["records"] if one["round"] == round_ and one["kind"] != "opinion"]
    if not forms:
        return set()
    sent = {one["need"] for one in body["referrals"] if one["round"] == round_ and not one.get("withdrawn")}
    return {*GOES_WITHOUT_SAYING.get(forms[-1]["disposition"] or "", ()), *forms[-1]["needs"]} - sent


def downgrade() -> None:
    """Back to the version before."""
    op.drop_index("casework_referral_area", table_name="casework_referral")
    op.drop_table("casework_reckoned")
    op.drop_table("casework_need")
