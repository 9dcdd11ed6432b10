"""Tables of casework: the case as a document with what is looked for beside it, and append-only logs.

The document of a case is what a step made; columns repeat what pages search and sort by, and `casework_place` repeats
it for every area that holds the household, so that a page of a village, county or province is one range of one index.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Dialect, ForeignKey, Index, Integer, String, Text, TypeDecorator, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NEVER = datetime(9999, 12, 31, tzinfo=UTC)
"""The next moment of a case that waits for nobody."""
Sequence64 = BigInteger().with_variant(Integer, "sqlite")


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, as text that sorts as time does: the same on both databases, to the microsecond."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """To text."""
        del dialect
        return None if value is None else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """From text."""
        del dialect
        return None if value is None else datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Types of columns."""

    type_annotation_map = {datetime: Moment(), dict[str, Any]: JSON(), str: String(80)}  # noqa: RUF012


class CaseRow(Base):
    """A case; `body` is the document."""

    __tablename__ = "casework_case"
    case_id: Mapped[str] = mapped_column(primary_key=True)
    household_id: Mapped[str]
    area_code: Mapped[str]
    week: Mapped[date] = mapped_column(comment="as-of day of the list that opened it, or the day it was found")
    state: Mapped[str]
    owner_role: Mapped[str]
    owner_area: Mapped[str]
    owner_account: Mapped[str]
    due_at: Mapped[datetime]
    version: Mapped[int]
    changed_at: Mapped[datetime]
    body: Mapped[dict[str, Any]]
    __table_args__ = (
        # a household has one open case: a new alert joins it
        Index(
            "casework_case_open", "household_id", unique=True,
            sqlite_where=text("state <> 'closed'"), postgresql_where=text("state <> 'closed'"),
        ),
        Index("casework_case_household", "household_id", "case_id"),
        Index("casework_case_owner", "owner_account", "due_at", "case_id", "state"),
        Index("casework_case_due", "due_at", "state", "case_id"),
    )  # fmt: skip


class PlaceRow(Base):
    """A case as each area that holds it sees it; the covering indexes of pages.

    What the list said that opened it stands beside it, so that a list is narrowed and ordered within one index.
    """

    __tablename__ = "casework_place"
    area_code: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("casework_case.case_id"), primary_key=True)
    week: Mapped[date]
    state: Mapped[str]
    due_at: Mapped[datetime]
    owner_account: Mapped[str]
    run_id: Mapped[str] = mapped_column(comment="the run whose list says what follows; empty where none does")
    rank: Mapped[int] = mapped_column(comment="place by need; beyond every place where there is none")
    level: Mapped[str]
    change: Mapped[str]
    family: Mapped[str] = mapped_column(comment="of the first factor")
    __table_args__ = (
        Index("casework_place_due", "area_code", "due_at", "case_id", "state", "week"),
        Index("casework_place_state", "area_code", "state", "due_at", "case_id"),
        Index(
            "casework_place_listed", "area_code", "week", "due_at", "case_id", "state", "owner_account", "level",
            "change", "family",
        ),
        Index("casework_place_rank", "area_code", "week", "rank", "case_id"),
    )  # fmt: skip


class CountRow(Base):
    """How many cases of a week are in a state, for each area that holds them."""

    __tablename__ = "casework_count"
    week: Mapped[date] = mapped_column(primary_key=True)
    area_code: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    cases: Mapped[int]
    __table_args__ = (Index("casework_count_area", "area_code", "week", "state", "cases"),)


class NeedRow(Base):
    """How many households of an area have a need that nobody has met yet."""

    __tablename__ = "casework_need"
    area_code: Mapped[str] = mapped_column(primary_key=True)
    need: Mapped[str] = mapped_column(primary_key=True)
    cases: Mapped[int]


class ReckonedRow(Base):
    """The rules by which the deadlines of open cases were last reckoned; one row."""

    __tablename__ = "casework_reckoned"
    one: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    rules: Mapped[str] = mapped_column(comment="their digest")


class ReferralRow(Base):
    """A referral as its department's desk sees it; the whole stands in the case."""

    __tablename__ = "casework_referral"
    referral_id: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("casework_case.case_id"))
    household_id: Mapped[str]
    area_code: Mapped[str]
    need: Mapped[str]
    department: Mapped[str]
    open: Mapped[bool]
    sent_at: Mapped[datetime]
    due_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    code: Mapped[str] = mapped_column(comment="the newest feedback code; empty where nothing was said")
    __table_args__ = (
        Index("casework_referral_desk", "department", "open", "due_at", "referral_id"),
        Index("casework_referral_area", "department", "open", "area_code", "due_at", "referral_id"),
        Index("casework_referral_case", "case_id", "open", "due_at"),
    )


class EventRow(Base):
    """What happened to a household, in order; nothing is changed or removed."""

    __tablename__ = "casework_event"
    seq: Mapped[int] = mapped_column(Sequence64, primary_key=True, autoincrement=True)
    case_id: Mapped[str]
    household_id: Mapped[str]
    version: Mapped[int] = mapped_column(comment="version of the case that it made")
    place: Mapped[int] = mapped_column(comment="its place among the events of that version")
    kind: Mapped[str]
    at: Mapped[datetime]
    account: Mapped[str]
    role: Mapped[str]
    detail: Mapped[dict[str, Any]]
    __table_args__ = (
        Index("casework_event_version", "case_id", "version", "place", unique=True),
        Index("casework_event_household", "household_id", "at", "seq"),
    )


class SignalRow(Base):
    """What a published list said of a household when its case was opened or came again; not for blind roles."""

    __tablename__ = "casework_signal"
    run_id: Mapped[str] = mapped_column(primary_key=True)
    household_id: Mapped[str] = mapped_column(primary_key=True)
    case_id: Mapped[str]
    as_of: Mapped[date]
    body: Mapped[dict[str, Any]]
    __table_args__ = (
        Index("casework_signal_case", "case_id", "as_of"),
        Index("casework_signal_household", "household_id", "as_of"),
    )


UNRANKED = 10**9
"""The place of a household without one."""


def said_of(run_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What lists are ordered and narrowed by, of what a run's list said of a household."""
    reasons, rank = body.get("reasons") or (), body.get("rank")
    return {
        "run_id": run_id, "rank": UNRANKED if rank is None else int(rank), "level": str(body.get("level") or ""),
        "change": str(body.get("change") or ""), "family": str(reasons[0]["family"]) if reasons else "",
    }  # fmt: skip


UNSAID: Mapping[str, Any] = {"run_id": "", "rank": UNRANKED, "level": "", "change": "", "family": ""}
"""Of a household that no list named."""


class SealedRow(Base):
    """How a household came on a list. Read by audit and by the weights of learning; no page of staff tells a row."""

    __tablename__ = "casework_sealed"
    run_id: Mapped[str] = mapped_column(primary_key=True)
    household_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    stratum: Mapped[str]
    selection_probability: Mapped[float]


class WeekRow(Base):
    """A published list that was made into cases."""

    __tablename__ = "casework_week"
    run_id: Mapped[str] = mapped_column(primary_key=True)
    week: Mapped[date]
    opened_at: Mapped[datetime]
    body: Mapped[dict[str, Any]]


class FindingRow(Base):
    """A first record on its way to the store."""

    __tablename__ = "casework_finding"
    finding_id: Mapped[str] = mapped_column(primary_key=True, comment="case and round")
    case_id: Mapped[str]
    household_id: Mapped[str]
    run_id: Mapped[str]
    found_on: Mapped[date]
    delivered_at: Mapped[datetime | None]
    delivery_id: Mapped[str | None]
    body: Mapped[dict[str, Any]]
    __table_args__ = (
        Index("casework_finding_waiting", "delivered_at", "finding_id"),
        Index("casework_finding_case", "case_id"),
    )


class WorkerRow(Base):
    """Who visits: an account, its areas, how many open visits it can carry, and when it is away."""

    __tablename__ = "casework_worker"
    account: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    area_code: Mapped[str]
    capacity: Mapped[int]
    active: Mapped[bool]
    away_from: Mapped[date | None]
    away_until: Mapped[date | None]
    version: Mapped[int]
    __table_args__ = (Index("casework_worker_area", "area_code", "account"),)


class ResourceRow(Base):
    """An entry of the service, policy or resource list (policy (14))."""

    __tablename__ = "casework_resource"
    resource_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    area_code: Mapped[str]
    needs: Mapped[str] = mapped_column(String(200), comment="need codes, with a bar on both sides of each")
    remaining: Mapped[int | None] = mapped_column(comment="how often it can still be given; none: without limit")
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    version: Mapped[int]
    body: Mapped[dict[str, Any]]
    __table_args__ = (Index("casework_resource_area", "area_code", "kind", "resource_id"),)


class MatchRow(Base):
    """A need that was met from a resource; it stands in the chain (policy (20))."""

    __tablename__ = "casework_match"
    match_id: Mapped[str] = mapped_column(primary_key=True)
    resource_id: Mapped[str] = mapped_column(ForeignKey("casework_resource.resource_id"))
    case_id: Mapped[str]
    household_id: Mapped[str]
    need: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (Index("casework_match_case", "case_id", "need"),)


class RequestRow(Base):
    """A notice, objection, correction, erasure or verification; `body` is the document."""

    __tablename__ = "casework_request"
    request_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    household_id: Mapped[str]
    area_code: Mapped[str]
    state: Mapped[str]
    due_at: Mapped[datetime]
    version: Mapped[int]
    body: Mapped[dict[str, Any]]
    __table_args__ = (
        Index("casework_request_due", "state", "due_at", "request_id"),
        Index("casework_request_household", "household_id", "request_id"),
    )


class AuditRow(Base):
    """A line of the audit log, chained to the one before by its digest."""

    __tablename__ = "casework_audit"
    seq: Mapped[int] = mapped_column(Sequence64, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    account: Mapped[str]
    role: Mapped[str]
    area_code: Mapped[str]
    kind: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[str] = mapped_column(Text)
    previous: Mapped[str]
    digest: Mapped[str]
    __table_args__ = (
        Index("casework_audit_subject", "subject", "seq"),
        Index("casework_audit_at", "at", "seq"),
    )


class AuditHeadRow(Base):
    """Where the audit log ends; one row."""

    __tablename__ = "casework_audit_head"
    one: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(Sequence64)
    digest: Mapped[str]


class SignedDayRow(Base):
    """A day of the audit log, signed."""

    __tablename__ = "casework_signed_day"
    day: Mapped[date] = mapped_column(primary_key=True)
    first: Mapped[int] = mapped_column(Sequence64)
    last: Mapped[int] = mapped_column(Sequence64)
    digest: Mapped[str]
    previous: Mapped[str]
    signature: Mapped[str] = mapped_column(String(128))


class AmendmentRow(Base):
    """A rule or text of this deployment that an administrator changed: from when, by whom, on what ground.

    Rows only come: a later one takes an earlier one's place, and one without a body gives the word back to the files.
    """

    __tablename__ = "casework_amendment"
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    since: Mapped[date]
    source: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(String(500))
    account: Mapped[str]
    at: Mapped[datetime]
    body: Mapped[dict[str, Any] | None]


class OutgoingRow(Base):
    """An event for other platforms, written with the decision and carried to the outbox after it."""

    __tablename__ = "casework_outgoing"
    event_id: Mapped[str] = mapped_column(primary_key=True)
    area_code: Mapped[str]
    body: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime]
    carried_at: Mapped[datetime | None]
    __table_args__ = (Index("casework_outgoing_waiting", "carried_at", "made_at"),)


class AccountRow(Base):
    """Somebody who may sign in: a role in an area, and how pages are shown."""

    __tablename__ = "web_account"
    account: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(comment="as pages show it")
    role: Mapped[str]
    area_code: Mapped[str]
    department: Mapped[str]
    password: Mapped[str] = mapped_column(String(200), comment="Argon2id")
    language: Mapped[str] = mapped_column(comment="empty: as the browser asks")
    large: Mapped[bool] = mapped_column(comment="large type")
    active: Mapped[bool]
    temporary: Mapped[bool] = mapped_column(comment="the password was handed over and has to be changed first")
    version: Mapped[int]
    created_at: Mapped[datetime]
    signed_in_at: Mapped[datetime | None]


class SessionRow(Base):
    """Somebody signed in; only a hash of what the browser holds."""

    __tablename__ = "web_session"
    digest: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("web_account.account"))
    opened_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    __table_args__ = (Index("web_session_account", "account"),)


class DepartureRow(Base):
    """Somebody on the way to the common sign-in: what has to come back with them. Taken away when it is used."""

    __tablename__ = "web_departure"
    digest: Mapped[str] = mapped_column(primary_key=True, comment="of the state that the browser carries")
    nonce: Mapped[str]
    verifier: Mapped[str]
    onward: Mapped[str] = mapped_column(String(500))
    left_at: Mapped[datetime]


class AttemptRow(Base):
    """Passwords that were wrong, for names that are known and names that are not alike; only a hash of the name."""

    __tablename__ = "web_attempt"
    digest: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime]
    __table_args__ = (Index("web_attempt_last", "last_at"),)


APPEND_ONLY = ("casework_event", "casework_audit", "casework_signed_day")
"""Tables whose rows the database itself refuses to change or remove."""
