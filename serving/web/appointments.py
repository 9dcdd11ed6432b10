"""What administrators do with accounts: appoint, change, disable, hand over a password; each in the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from features.errors import UsageError
from serving.access.roles import ROLES
from serving.casework.actions import WHO
from serving.casework.actor import Actor
from serving.casework.amending import mistake
from serving.casework.classification import Mistake
from serving.casework.desk import Desk
from serving.casework.refusals import ConflictError, FormError
from serving.casework.tables import AccountRow, CaseRow, SessionRow, WorkerRow
from serving.web import accounts
from serving.web.accounts import Account, account_of

LONGEST_NAME = 40
MOST_CAPACITY = 999


@dataclass(frozen=True)
class Post:
    """What an account stands for; a capacity says how many open visits it can be given, None that it visits nobody."""

    name: str
    role: str
    area: str
    department: str = ""
    capacity: int | None = None

    def plain(self) -> dict[str, Any]:
        """For the log and for comparison."""
        return dict(self.__dict__)


@dataclass(frozen=True)
class Place:
    """An area with what is in it: accounts, people who visit and what they can carry, and open cases."""

    code: str
    accounts: int
    visiting: int
    capacity: int
    cases: int


def check_post(desk: Desk, by: Actor, post: Post) -> tuple[Mistake, ...]:
    """All that is wrong with a post, by field."""
    return tuple(_wrong(desk, by, post))


def _wrong(desk: Desk, by: Actor, post: Post) -> Iterator[Mistake]:
    if not post.name.strip():
        yield mistake("name", "missing")
    elif len(post.name) > LONGEST_NAME:
        yield mistake("name", "note_long", most=LONGEST_NAME)
    if post.role not in ROLES:
        yield mistake("role", "unknown_code")
    if post.area not in desk.tree:
        yield mistake("area", "area_unknown")
    elif not desk.reaches(by, post.area):
        yield mistake("area", "area_outside")
    if post.role == "department" and post.department not in desk.rules.routing.departments:
        yield mistake("department", "missing" if not post.department else "unknown_code")
    if post.role != "department" and post.department:
        yield mistake("department", "department_needless")
    if post.capacity is not None and post.role not in WHO["visit"]:
        yield mistake("capacity", "capacity_needless")
    elif post.capacity is not None and not 0 <= post.capacity <= MOST_CAPACITY:
        yield mistake("capacity", "amount_range", most=MOST_CAPACITY)


def found(desk: Desk, by: Actor, account: str) -> tuple[Account, Post]:
    """An account of the administrator's area, and its post.

    Raises:
        UsageError: there is none in it: one elsewhere is as good as none.
    """
    with desk.database.reading() as session:
        row = session.get(AccountRow, account)
        if row is None or by.role != "admin" or not desk.reaches(by, row.area_code):
            raise UsageError("account_unknown", account=account[:40])
        return account_of(row), _post(session, row)


def _post(session: Session, row: AccountRow) -> Post:
    worker = session.get(WorkerRow, row.account)
    capacity = worker.capacity if worker is not None and worker.active else None
    return Post(row.name, row.role, row.area_code, row.department, capacity)


def appoint(desk: Desk, by: Actor, account: str, post: Post) -> tuple[Account, str]:
    """A new account with a password that is told once.

    Raises:
        FormError: something of the post cannot be.
        UsageError: the name cannot be, or is taken.
    """
    if wrong := check_post(desk, by, post):
        raise FormError(wrong)
    return accounts.create(
        desk, account, name=post.name, role=post.role, area=post.area, department=post.department,
        capacity=post.capacity, by=by, temporary=True,
    )  # fmt: skip


def change(desk: Desk, by: Actor, account: str, post: Post, seen: int) -> Account:
    """Another name, role, area, department or capacity; with another role or area whoever is signed in is out.

    Raises:
        FormError: something of the post cannot be.
        UsageError: there is no such account, or it is one's own and the change would take the role away.
        ConflictError: somebody else changed it in between.
    """
    _, before = found(desk, by, account)
    if wrong := check_post(desk, by, post):
        raise FormError(wrong)
    moved = (before.role, before.area, before.department) != (post.role, post.area, post.department)
    if account == by.account and moved:
        raise UsageError("account_own")
    with desk.writing(by) as (session, told):
        row = _current(session, account, seen)
        row.name, row.role, row.area_code, row.department = post.name.strip(), post.role, post.area, post.department
        row.version += 1
        _put_worker(session, account, post)
        if moved:
            session.execute(delete(SessionRow).where(SessionRow.account == account))
        told.append(("account", account, {"changed": True, "before": before.plain(), "after": post.plain()}))
        return account_of(row)


def _put_worker(session: Session, account: str, post: Post) -> None:
    worker = session.get(WorkerRow, account)
    if worker is None and post.capacity is None:
        return
    worker = worker or WorkerRow(account=account, version=0, capacity=0)
    worker.role, worker.area_code, worker.active = post.role, post.area, post.capacity is not None
    worker.capacity = post.capacity if post.capacity is not None else worker.capacity
    worker.version += 1
    session.add(worker)


def set_active(desk: Desk, by: Actor, account: str, *, active: bool, seen: int) -> Account:
    """Disable an account, or let it in again; what it carried stays with it until the office gives it to others.

    Raises:
        UsageError: there is no such account, or it is one's own.
        ConflictError: somebody else changed it in between.
    """
    found(desk, by, account)
    if account == by.account:
        raise UsageError("account_own")
    if not active:
        with desk.database.reading() as session:
            _current(session, account, seen)
        return accounts.disable(desk, account, by)
    with desk.writing(by) as (session, told):
        row = _current(session, account, seen)
        row.active, row.version = True, row.version + 1
        told.append(("account", account, {"disabled": False}))
        return account_of(row)


def new_password(desk: Desk, by: Actor, account: str, seen: int) -> str:
    """A password that is told once; whoever is signed in by the account is out.

    Raises:
        UsageError: there is no such account.
        ConflictError: somebody else changed it in between.
    """
    found(desk, by, account)
    with desk.writing(by) as (session, told):
        password = accounts.hand_over(session, _current(session, account, seen))
        told.append(("account", account, {"password": "handed over"}))
    return password


def _current(session: Session, account: str, seen: int) -> AccountRow:
    row = session.get_one(AccountRow, account)
    if row.version != seen:
        raise ConflictError(account_of(row), seen, row.version)
    return row


def page(
    desk: Desk, by: Actor, *, search: str = "", role: str = "", area: str = "", after: str = "", limit: int = 50
) -> tuple[tuple[Account, ...], str]:
    """Accounts of the administrator's area by name of account, and where to go on; empty at the end."""
    shown: list[Any] = [AccountRow.account > after]
    inside = area if area in desk.tree and desk.reaches(by, area) else by.area
    if len(desk.tree.chain(inside)) > 1:
        shown.append(AccountRow.area_code.in_([code for code in desk.tree.areas if _holds(desk, inside, code)]))
    if search:
        like = AccountRow.account.startswith(search.lower(), autoescape=True)
        shown.append(or_(like, AccountRow.name.contains(search, autoescape=True)))
    if role:
        shown.append(AccountRow.role == role)
    query = select(AccountRow).where(*shown).order_by(AccountRow.account).limit(limit + 1)
    with desk.database.reading() as session:
        rows = [account_of(row) for row in session.scalars(query)]
    return tuple(rows[:limit]), rows[limit - 1].account if len(rows) > limit else ""


def _holds(desk: Desk, area: str, code: str) -> bool:
    return any(one.code == area for one in desk.tree.chain(code))


def places(desk: Desk, by: Actor, area: str) -> tuple[Place, ...]:
    """The area itself and the areas right below it, each with what is in it.

    Raises:
        AccessError: the area is not the administrator's.
    """
    if by.role != "admin" or not desk.reaches(by, area):
        raise desk.refuse(by, "account_outside", area[:40])
    below = sorted(code for code, one in desk.tree.areas.items() if one.parent == area)
    shown = {code: [0, 0, 0, 0] for code in (area, *below)}

    def add(code: str, column: int, count: int) -> None:
        for one in desk.tree.chain(code):
            if one.code in shown:
                shown[one.code][column] += count

    with desk.database.reading() as session:
        for code, count in _counted(session, AccountRow.area_code, AccountRow.active):
            add(code, 0, count)
        workers = select(WorkerRow.area_code, func.count(), func.sum(WorkerRow.capacity)).where(WorkerRow.active)
        for code, count, capacity in session.execute(workers.group_by(WorkerRow.area_code)):
            add(code, 1, count)
            add(code, 2, int(capacity or 0))
        for code, count in _counted(session, CaseRow.area_code, CaseRow.state != "closed"):
            add(code, 3, count)
    return tuple(Place(code, *counts) for code, counts in shown.items())


def _counted(session: Session, column: Any, chosen: Any) -> Sequence[tuple[str, int]]:
    query = select(column, func.count()).where(chosen).group_by(column)
    return [(str(code), int(count)) for code, count in session.execute(query)]


def covering(desk: Desk, area: str) -> tuple[WorkerRow, ...]:
    """Who may be given visits in an area: those whose own area is it, or holds it."""
    codes = [one.code for one in desk.tree.chain(area)]
    query = select(WorkerRow).where(WorkerRow.active, WorkerRow.area_code.in_(codes)).order_by(WorkerRow.account)
    with desk.database.reading() as session:
        found = tuple(session.scalars(query))
        session.expunge_all()
    return tuple(sorted(found, key=lambda row: codes.index(row.area_code)))
