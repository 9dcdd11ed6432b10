"""Accounts: who may sign in, with a role in an area. Passwords are kept as Argon2id; nothing says which names exist."""

from __future__ import annotations

import functools
import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from features.errors import UsageError
from serving.access.roles import ROLES
from serving.casework.actions import WHO
from serving.casework.actor import Actor, clock
from serving.casework.desk import Desk
from serving.casework.tables import AccountRow, AttemptRow, SessionRow, WorkerRow

MOST_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)
SHORTEST = 10
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,39}")
_HASHER = PasswordHasher()


@dataclass(frozen=True)
class Account:
    """An account as pages know it."""

    account: str
    name: str
    role: str
    area: str
    department: str
    language: str
    large: bool
    active: bool
    temporary: bool = False
    version: int = 0


@dataclass(frozen=True)
class Refused:
    """A sign-in that was refused: how many tries are left; none means that the name rests for a while."""

    left: int


def create(
    desk: Desk, account: str, *, name: str, role: str, area: str, department: str = "", password: str = "",
    capacity: int | None = None, by: Actor | None = None, temporary: bool = False,
) -> tuple[Account, str]:  # fmt: skip
    """A new account and its password; one is made where none is given. With a capacity, it can be given visits.

    A temporary password opens nothing but the page where its owner chooses another.

    Raises:
        UsageError: the name, the role, the department or the area cannot be, the account exists, or the password is
            short.
    """
    known = desk.rules.routing.departments
    fits = (department in known) if role == "department" else not department
    if _NAME.fullmatch(account) is None or role not in ROLES or not fits or not name.strip():
        raise UsageError("account_unfit", account=account)
    if area not in desk.tree:
        raise UsageError("area_unknown", area=area, suggestion="—")
    if capacity is not None and (role not in WHO["visit"] or capacity < 0):
        raise UsageError("worker_unfit")
    password = password or secrets.token_urlsafe(12)
    if len(password) < SHORTEST:
        raise UsageError("password_short", least=SHORTEST)
    row = AccountRow(
        account=account, name=name.strip(), role=role, area_code=area, department=department,
        password=_HASHER.hash(password), language="", large=False, active=True, temporary=temporary, version=0,
        created_at=desk.now(),
    )  # fmt: skip
    with desk.writing(by or clock(area)) as (session, told):
        if session.get(AccountRow, account) is not None:
            raise UsageError("account_known", account=account)
        session.add(row)
        told.append(("account", account, {"made": True, "role": role, "area": area}))
        if capacity is not None:
            session.merge(
                WorkerRow(account=account, role=role, area_code=area, capacity=capacity, active=True, version=1)
            )
            told.append(("worker", account, {"capacity": capacity, "active": True, "away": None}))
    return account_of(row), password


def accounts(desk: Desk) -> list[Account]:
    """All accounts by name."""
    with desk.database.reading() as session:
        return [account_of(row) for row in session.scalars(select(AccountRow).order_by(AccountRow.account))]


def disable(desk: Desk, account: str, by: Actor | None = None) -> Account:
    """Let nobody sign in by an account any more, nor be given visits; whoever is signed in by it is out.

    Raises:
        UsageError: there is no such account.
    """
    with desk.writing(by or clock()) as (session, told):
        row = session.get(AccountRow, account)
        if row is None:
            raise UsageError("account_unknown", account=account)
        row.active, row.version = False, row.version + 1
        if (worker := session.get(WorkerRow, account)) is not None and worker.active:
            worker.active, worker.version = False, worker.version + 1
            told.append(("worker", account, {"capacity": worker.capacity, "active": False, "away": None}))
        session.execute(delete(SessionRow).where(SessionRow.account == account))
        told.append(("account", account, {"disabled": True}))
        return account_of(row)


def prefer(desk: Desk, account: str, *, language: str | None = None, large: bool | None = None) -> None:
    """Keep how somebody wants pages shown."""
    with desk.database.writing() as session:
        row = session.get(AccountRow, account)
        if row is None:
            return
        if language in ("zh", "en"):
            row.language = language
        if large is not None:
            row.large = large


def sign_in(desk: Desk, name: str, password: str) -> Account | Refused:
    """The account of a name and password, or how many tries are left.

    The try is counted before the password is looked at, so that many at once gain nothing, and it is counted for names
    that do not exist as well.
    """
    account = name.strip().lower()
    digest = _digest(account)
    now = desk.now()
    with desk.database.writing() as session:
        left = _counted(session, digest, now)
        row = session.get(AccountRow, account)
    if left < 0:
        return Refused(0)
    right = _matches(row.password if row is not None else _nobody(), password)
    if row is None or not right or not row.active:
        if row is not None:
            desk.note(actor_of(account_of(row)), "sign_in_refused", account, left=left)
        return Refused(left)
    with desk.writing(actor_of(account_of(row))) as (session, told):
        session.execute(delete(AttemptRow).where(AttemptRow.digest == digest))
        kept = session.get(AccountRow, account)
        if kept is not None:
            kept.signed_in_at = now
        told.append(("signed_in", account, {}))
    return account_of(row)


def change_password(desk: Desk, account: Account, current: str, chosen: str) -> bool:
    """Choose another password; False where the current one is wrong. Every session of the account ends.

    Raises:
        UsageError: the new one is short, or too many current ones were wrong.
    """
    now = desk.now()
    with desk.database.writing() as session:
        if _counted(session, _digest(f"password|{account.account}"), now) < 0:
            raise UsageError("password_rests", minutes=int(LOCKED_FOR.total_seconds() // 60))
        kept = session.get_one(AccountRow, account.account).password
    if not _matches(kept, current):
        desk.note(actor_of(account), "sign_in_refused", account.account, password=True)
        return False
    if len(chosen) < SHORTEST or chosen == current:
        raise UsageError("password_short", least=SHORTEST)
    with desk.writing(actor_of(account)) as (session, told):
        row = session.get_one(AccountRow, account.account)
        row.password, row.temporary, row.version = _HASHER.hash(chosen), False, row.version + 1
        session.execute(delete(AttemptRow).where(AttemptRow.digest == _digest(f"password|{account.account}")))
        session.execute(delete(SessionRow).where(SessionRow.account == account.account))
        told.append(("account", account.account, {"password": "own"}))
    return True


def hand_over(session: Session, row: AccountRow) -> str:
    """A password that is told once and has to be changed first; whoever is signed in is out."""
    password = secrets.token_urlsafe(12)
    row.password, row.temporary, row.version = _HASHER.hash(password), True, row.version + 1
    session.execute(delete(SessionRow).where(SessionRow.account == row.account))
    session.execute(delete(AttemptRow).where(AttemptRow.digest == _digest(row.account)))
    return password


def _counted(session: Session, digest: str, now: datetime) -> int:
    """Tries that are left after this one; below nothing while the name rests."""
    session.execute(delete(AttemptRow).where(AttemptRow.last_at < now - LOCKED_FOR))
    row = session.get(AttemptRow, digest)
    if row is None:
        row = AttemptRow(digest=digest, failures=0, last_at=now)
        session.add(row)
    if row.failures >= MOST_FAILURES:
        return -1  # does not begin the rest anew
    row.failures += 1
    row.last_at = now
    return MOST_FAILURES - row.failures


def actor_of(account: Account) -> Actor:
    """Who acts."""
    return Actor(account=account.account, role=account.role, area=account.area, department=account.department)


def _matches(kept: str, password: str) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except (Argon2Error, InvalidHashError):
        return False


def no_password() -> str:
    """A hash that no password has."""
    return _HASHER.hash(secrets.token_urlsafe(24))


@functools.cache
def _nobody() -> str:
    """One such, so that unknown names take as long as known ones."""
    return no_password()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def account_named(desk: Desk, account: str) -> Account:
    """The account of a name, that may be used.

    Raises:
        UsageError: there is none, or it is switched off.
    """
    with desk.database.reading() as session:
        row = session.get(AccountRow, account)
    if row is None or not row.active:
        raise UsageError("account_unknown", account=account)
    return account_of(row)


def account_of(row: AccountRow) -> Account:
    """The account of a row."""
    return Account(
        row.account, row.name, row.role, row.area_code, row.department, row.language, row.large, row.active,
        row.temporary, row.version,
    )  # fmt: skip
