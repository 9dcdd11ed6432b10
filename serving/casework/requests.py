"""What households are told and may ask: notices, objections, corrections, erasure, and authorised verification (核对).

Each has a deadline. A verification needs a recorded authorisation by the persons checked; its result is a snapshot with
a date, a scope and an end, and after that end nobody may rest on it (domain A6). Erasure takes the identity out of the
vault: records stay under a pseudonym that nobody can resolve.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from features.errors import UsageError
from features.strict import Strict
from serving.casework.actor import CLOCK, Actor
from serving.casework.amending import mistake
from serving.casework.case import FINAL_CODES, Case, Event
from serving.casework.classification import IDENTITY, Mistake
from serving.casework.deadlines import Rules, later
from serving.casework.paging import Page, beyond, place
from serving.casework.refusals import AccessError, FormError
from serving.casework.tables import NEVER, AuditRow, CaseRow, RequestRow
from serving.casework.words import catalogue

if TYPE_CHECKING:
    from serving.casework.desk import Desk

Kind = Literal["notice", "objection", "correction", "erasure", "verification"]
State = Literal["open", "granted", "partly", "refused", "done"]
_DECIDING = frozenset({"town", "county"})
LONGEST_ABOUT = 200
"""Characters of what a request is about."""


class Authorisation(Strict):
    """Who agreed to be checked: the paper's number and day, and how many persons signed; guardians for minors."""

    number: str = Field(min_length=1, max_length=80)
    signed_on: date
    persons: int = Field(ge=1)
    scope: tuple[str, ...] = Field(min_length=1)


class Snapshot(Strict):
    """What a verification said, for its scope and time only."""

    report: str = Field(min_length=1, max_length=80)
    dated: date
    expires_on: date
    scope: tuple[str, ...]


class Request(Strict):
    """One request; frozen like a case."""

    request_id: str
    kind: Kind
    household_id: str
    area_code: str
    case_id: str = ""
    about: str = ""
    state: State = "open"
    opened_at: datetime
    by: Actor
    due_at: datetime
    authorisation: Authorisation | None = None
    snapshot: Snapshot | None = None
    decided_at: datetime | None = None
    decided_by: Actor | None = None
    erased_at: datetime | None = None
    reasons: tuple[str, ...] = ()
    version: int = 0


def owe_notices(session: Session, case: Case, events: Sequence[Event], rules: Rules, at: datetime) -> None:
    """A final answer is something that the household has a right to know: a notice is owed from now on."""
    for event in events:
        if event.kind == "answered" and event.detail["code"] in FINAL_CODES - {"F9"}:
            about = f"{event.detail['referral']}:{event.detail['code']}"
            identifier = _identifier("notice", case.household_id, about)
            if session.get(RequestRow, identifier) is None:
                ends = later(at, rules.deadlines.requests["notice"], rules).at
                made = Request(
                    request_id=identifier, kind="notice", household_id=case.household_id, area_code=case.area_code,
                    case_id=case.case_id, about=about, opened_at=at, by=event.by, due_at=ends,
                )  # fmt: skip
                put(session, made)


def ask(
    desk: Desk, by: Actor, kind: Kind, case_id: str, about: str = "", *, authorisation: Authorisation | None = None
) -> Request:
    """Write down what a household asks for.

    Args:
        desk: the service layer.
        by: who takes the request.
        kind: what is asked for.
        case_id: the household's case.
        about: what it is about: a referral's id, or a sentence without names and numbers.
        authorisation: for a verification.

    Raises:
        AccessError: the household is not the actor's.
        UsageError: a verification without an authorisation that was signed by then, or there is no such case.
        FormError: `about` is too long, or a number of somebody stands in it.
    """
    now = desk.now()
    if wrong := _unfit(about):
        raise FormError(wrong)
    case = _case(desk, by, case_id)
    if kind == "verification" and (authorisation is None or authorisation.signed_on > desk.rules.day(now)):
        raise UsageError("verification_unauthorised")
    ends = later(now, desk.rules.deadlines.requests[kind], desk.rules).at
    identifier = _identifier(kind, case.household_id, f"{about}|{now.isoformat()}")
    made = Request(
        request_id=identifier, kind=kind, household_id=case.household_id, area_code=case.area_code, case_id=case_id,
        about=about, opened_at=now, by=by, due_at=ends, authorisation=authorisation,
    )  # fmt: skip
    with desk.writing(by) as (session, told):
        put(session, made)
        told.append(("request", case.household_id, {"request": identifier, "kind": kind, "state": "open"}))
    return made


def decide(
    desk: Desk, by: Actor, request_id: str, state: State, reasons: Sequence[str] = (), *,
    snapshot: Snapshot | None = None, erase: Callable[[str], bool] | None = None,
) -> Request:  # fmt: skip
    """Answer a request, with reasons where it is not granted as asked.

    Args:
        desk: the service layer.
        by: who decides.
        request_id: which.
        state: `done` for a notice and a verification; `granted`, `partly` or `refused` for the others.
        reasons: codes; the household has a right to them.
        snapshot: what a verification said.
        erase: the vault's way to forget, for an erasure.

    Raises:
        AccessError: the household is not the actor's, or who asked also decides an objection.
        UsageError: it is decided already, or this answer does not go with the kind, or a reason has no words.
    """
    with desk.database.reading() as session:
        row = session.get(RequestRow, request_id)
    if row is None:
        raise UsageError("request_unknown")
    request = Request.model_validate(row.body)
    if by.role not in _DECIDING or not desk.reaches(by, request.area_code):
        raise desk.refuse(by, "case_outside", request.household_id)
    if request.kind == "objection" and request.by.account == by.account:
        raise desk.refuse(by, "request_same_person", request.household_id)
    _fits(desk, request, state, reasons, snapshot)
    now = desk.now()
    with desk.writing(by) as (session, told):
        row = session.get_one(RequestRow, request_id)
        if row.version != request.version or row.state != "open":
            raise UsageError("request_decided")
        if request.kind == "erasure" and state == "granted" and _open_cases(session, request.household_id):
            raise UsageError("erasure_case_open")
        made = request.model_copy(
            update={
                "state": state, "reasons": tuple(reasons), "decided_at": now, "decided_by": by, "snapshot": snapshot,
                "version": request.version + 1,
            }
        )  # fmt: skip
        put(session, made)
        detail = {"request": request_id, "kind": request.kind, "state": state, "reasons": list(reasons)}
        told.append(("request", request.household_id, detail))
    if request.kind == "erasure" and state == "granted":
        assert erase is not None
        return _erase(desk, by, made, erase)
    return made


def _erase(desk: Desk, by: Actor, granted: Request, erase: Callable[[str], bool]) -> Request:
    """Forget an identity whose erasure stands decided, and write down that it is done.

    The decision is kept first: whatever breaks afterwards leaves a granted request whose identity is still to be
    erased, which `finish_erasures` does; never an open request about an identity that is gone.
    """
    found = erase(granted.household_id)
    with desk.writing(by) as (session, told):
        made = granted.model_copy(update={"erased_at": desk.now(), "version": granted.version + 1})
        put(session, made)
        told.append(("erasure", granted.household_id, {"request": granted.request_id, "found": found}))
    return made


def unfinished_erasures(desk: Desk) -> tuple[Request, ...]:
    """Erasures that were granted and not carried out: something broke in between."""
    query = select(RequestRow.body).where(RequestRow.kind == "erasure", RequestRow.state == "granted")
    with desk.database.reading() as session:
        found = [Request.model_validate(body) for body in session.scalars(query.order_by(RequestRow.request_id))]
    return tuple(one for one in found if one.erased_at is None)


def finish_erasures(desk: Desk, by: Actor, erase: Callable[[str], bool]) -> int:
    """Carry out what was granted and not carried out; returns how many there were.

    Raises:
        AccessError: the actor is neither the clock nor an administrator.
    """
    _retention(desk, by)
    return len([_erase(desk, by, one, erase) for one in unfinished_erasures(desk)])


def _fits(desk: Desk, request: Request, state: State, reasons: Sequence[str], snapshot: Snapshot | None) -> None:
    if request.state != "open":
        raise UsageError("request_decided")
    endings: tuple[State, ...] = (
        ("done",) if request.kind in ("notice", "verification") else ("granted", "partly", "refused")
    )
    if request.kind == "verification":
        endings = ("done", "refused")
    if (
        state not in endings
        or (state in ("partly", "refused") and not reasons)
        or set(reasons) - set(catalogue()["request_reason"])
    ):
        raise UsageError("request_answer_unfit")
    if request.kind == "verification" and state == "done":
        signed = request.authorisation
        assert signed is not None
        most = (
            later(desk.rules.end(snapshot.dated), desk.rules.deadlines.verification_valid, desk.rules)
            if snapshot
            else None
        )
        if (
            snapshot is None
            or most is None
            or not set(snapshot.scope) <= set(signed.scope)
            or not signed.signed_on <= snapshot.dated <= desk.rules.day(desk.now())
            or not snapshot.dated < snapshot.expires_on <= desk.rules.day(most.at)
        ):
            raise UsageError("verification_result_unfit")


def valid_verifications(desk: Desk, by: Actor, case_id: str, on: date) -> tuple[Snapshot, ...]:
    """Verifications of a household that hold on a day; an expired one is none."""
    case = _case(desk, by, case_id)
    query = select(RequestRow.body).where(
        RequestRow.household_id == case.household_id, RequestRow.kind == "verification"
    )
    with desk.database.reading() as session:
        found = [Request.model_validate(body).snapshot for body in session.scalars(query)]
    desk.note(by, "view", case.household_id, verification=True)
    return tuple(one for one in found if one is not None and one.dated <= on < one.expires_on)


def waiting(desk: Desk, by: Actor, *, after: str | None = None, limit: int = 50) -> Page[Request]:
    """Open requests of the actor's area, the most urgent first.

    Raises:
        AccessError: the role does not decide.
        UsageError: `after` is no place of such a page.
    """
    if by.role not in _DECIDING:
        raise desk.refuse(by, "case_outside", by.area)
    shown = [RequestRow.state == "open", RequestRow.area_code.in_(desk.tree.inside(by.area))]
    if after is not None:
        shown.append(beyond(RequestRow.due_at, RequestRow.request_id, after))
    query = select(RequestRow).where(*shown).order_by(RequestRow.due_at, RequestRow.request_id).limit(limit + 1)
    with desk.database.reading() as session:
        found = tuple(Request.model_validate(row.body) for row in session.scalars(query))
    onward = place(found[limit - 1].due_at, found[limit - 1].request_id) if len(found) > limit else None
    return Page(found[:limit], onward)


def of_household(desk: Desk, by: Actor, case_id: str) -> tuple[Request, ...]:
    """Everything that a household was told and asked for, the newest first.

    Raises:
        AccessError: the household is not the actor's.
        UsageError: there is no such case.
    """
    case = _case(desk, by, case_id)
    query = select(RequestRow.body).where(RequestRow.household_id == case.household_id)
    with desk.database.reading() as session:
        found = [Request.model_validate(body) for body in session.scalars(query)]
    desk.note(by, "view", case.household_id, requests=True)
    return tuple(sorted(found, key=lambda one: (one.opened_at, one.request_id), reverse=True))


def looked_at(desk: Desk, by: Actor, request_id: str) -> Request:
    """One request, for who may answer it. One of another area is answered like one that there is not.

    Raises:
        AccessError: it is not the actor's, or there is none.
    """
    with desk.database.reading() as session:
        row = session.get(RequestRow, request_id)
    if row is None:
        raise AccessError("case_outside")
    if by.role not in _DECIDING or not desk.reaches(by, row.area_code):
        raise desk.refuse(by, "case_outside", row.household_id)
    desk.note(by, "view", row.household_id, request=request_id)
    return Request.model_validate(row.body)


def _unfit(about: str) -> tuple[Mistake, ...]:
    """What is wrong with what somebody wrote about a request: it is kept, so no number of anybody may stand in it."""
    found = [mistake("about", "note_long", most=LONGEST_ABOUT)] if len(about) > LONGEST_ABOUT else []
    return (*found, *((mistake("about", "note_identity"),) if IDENTITY.search(about) else ()))


def expired_identities(desk: Desk, today: date) -> tuple[str, ...]:
    """Households whose cases have all been closed, and untouched, for longer than identities are kept."""
    kept = timedelta(days=desk.rules.deadlines.identity_kept.amount)
    newest = select(CaseRow.household_id, func.max(CaseRow.changed_at)).group_by(CaseRow.household_id)
    with desk.database.reading() as session:
        open_now = set(session.scalars(select(CaseRow.household_id).where(CaseRow.state != "closed")))
        rows = list(session.execute(newest.order_by(CaseRow.household_id)))
    return tuple(
        str(household) for household, at in rows if household not in open_now and desk.rules.day(at) + kept < today
    )


def erase_expired(desk: Desk, by: Actor, today: date, erase: Callable[[str], bool]) -> int:
    """Take identities whose time is over out of the vault; returns how many were there. What was done is written down.

    A line that could not be written is written at the next round: erasing twice changes nothing.

    Raises:
        AccessError: the actor is neither the clock nor an administrator.
    """
    _retention(desk, by)
    erased = 0
    for household in expired_identities(desk, today):
        if not _erased_before(desk, household):
            found = erase(household)
            desk.note(by, "erasure", household, retention=True, found=found)
            erased += found
    return erased


def _retention(desk: Desk, by: Actor) -> None:
    if by.role not in ("admin", CLOCK):
        raise desk.refuse(by, "case_outside", by.area)


def _erased_before(desk: Desk, household: str) -> bool:
    """Whether the log says that a household's identity went when its time was over, and nothing happened since."""
    gone = select(func.max(AuditRow.at)).where(
        AuditRow.subject == household, AuditRow.kind == "erasure", AuditRow.detail.contains('"retention":true')
    )
    touched = select(func.max(CaseRow.changed_at)).where(CaseRow.household_id == household)
    with desk.database.reading() as session:
        last, changed = session.scalar(gone), session.scalar(touched)
    return last is not None and (changed is None or last >= changed)


def _case(desk: Desk, by: Actor, case_id: str) -> Case:
    with desk.database.reading() as session:
        row = session.get(CaseRow, case_id)
    if row is None:
        raise UsageError("case_unknown")
    if by.role not in ("village", "town", "county") or not desk.reaches(by, row.area_code):
        raise desk.refuse(by, "case_outside", row.household_id)
    return Case.model_validate(row.body)


def _open_cases(session: Session, household_id: str) -> bool:
    query = select(CaseRow.case_id).where(CaseRow.household_id == household_id, CaseRow.state != "closed")
    return session.scalars(query.limit(1)).first() is not None


def _identifier(kind: str, household_id: str, key: str) -> str:
    return hashlib.sha256(f"request|{kind}|{household_id}|{key}".encode()).hexdigest()[:24]


def put(session: Session, request: Request) -> None:
    """Keep a request as it is now; who may change it is decided before."""
    body: dict[str, Any] = request.model_dump(mode="json")
    session.merge(
        RequestRow(
            request_id=request.request_id, kind=request.kind, household_id=request.household_id,
            area_code=request.area_code, state=request.state,
            due_at=request.due_at if request.state == "open" else NEVER, version=request.version, body=body,
        )
    )  # fmt: skip
