"""Where the audit log is kept: lines in the case database, keys and witnesses in the home.

`write` puts lines into the session of the decision that they tell, so that both are there or neither.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from features.errors import UsageError
from features.identity import secret_file
from features.settings import Home, ProjectHome
from features.staging import write_atomically
from serving.casework import audit
from serving.casework.actor import Actor
from serving.casework.audit import Head, Line, SignedDay, Verified
from serving.casework.database import Database
from serving.casework.tables import AuditHeadRow, AuditRow, SignedDayRow

WITNESS, DAYS = "audit-head.json", "audit-days"
SIGNING, CHAINING = "audit-signing.key", "audit-chain.key"


class Keeper:
    """The audit log of one project."""

    def __init__(self, home: Home, project: ProjectHome) -> None:
        self._keys, self._folder = home.keys, project.casework

    def __repr__(self) -> str:
        return "Keeper()"

    @cached_property
    def _chain(self) -> bytes:
        return _key(self._keys / CHAINING)

    @cached_property
    def _signing(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(_key(self._keys / SIGNING))

    @property
    def public(self) -> Ed25519PublicKey:
        """The key that anybody may check signed days with."""
        return self._signing.public_key()

    # --- writing ----------------------------------------------------------------------------------------------------

    def write(
        self, session: Session, at: datetime, by: Actor, entries: Sequence[tuple[str, str, Mapping[str, Any]]]
    ) -> Head:
        """Add lines of (kind, subject, detail) in this session's transaction; returns where the log then ends.

        The session is a writing one: nobody else is at the head.
        """
        row = session.get_one(AuditHeadRow, 1)
        head = Head(row.seq, row.digest)
        for kind, subject, detail in entries:
            line = Line(0, at, by.account, by.role, by.area, kind, subject, audit.canonical(detail), "")
            made = audit.follow(head, line, self._chain)
            session.add(AuditRow(**made.__dict__))
            head = Head(made.seq, made.digest)
        row.seq, row.digest = head.seq, head.digest
        return head

    def witness(self, head: Head) -> None:
        """Note outside the database how far the log has come; never goes back."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / WITNESS
        with (self._folder / f"{WITNESS}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.witnessed().seq >= head.seq:
                return
            staged = path.with_suffix(".new")
            staged.write_text(json.dumps({"seq": head.seq, "digest": head.digest}), encoding="ascii")
            staged.replace(path)

    def witnessed(self) -> Head:
        """The furthest head that was noted."""
        path = self._folder / WITNESS
        if not path.is_file():
            return Head()
        content = json.loads(path.read_text(encoding="ascii"))
        return Head(int(content["seq"]), str(content["digest"]))

    # --- days -------------------------------------------------------------------------------------------------------

    def sign_days(self, database: Database, until: date, zone: ZoneInfo) -> list[SignedDay]:
        """Sign every whole day before `until` that is not signed yet; days without lines are left out."""
        made: list[SignedDay] = []
        with database.writing() as session:
            rows = list(session.scalars(select(SignedDayRow).order_by(SignedDayRow.day)))
            before = _signed(rows[-1]) if rows else None
            for day, last in self._ends(session, before, until, zone):
                made.append(self._sign(session, day, last, before))
                before = made[-1]
        for one in made:
            self._keep(one)
        for row in rows:  # a crash between commit and file: written again from what is signed
            self._keep(_signed(row))
        return made

    def _ends(
        self, session: Session, before: SignedDay | None, until: date, zone: ZoneInfo
    ) -> Iterator[tuple[date, int]]:
        """Local days with the number of their last line."""
        seq = before.last if before else 0
        first = session.scalar(select(AuditRow.at).where(AuditRow.seq == seq + 1))
        while first is not None:
            day = first.astimezone(zone).date()
            if day >= until:
                return
            end = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone)
            # lines are in the order of writing; a clock that was set back must not leave a line unsigned
            later = session.scalar(select(func.min(AuditRow.seq)).where(AuditRow.seq > seq, AuditRow.at >= end))
            seq = (later - 1) if later else session.get_one(AuditHeadRow, 1).seq
            yield day, seq
            first = session.scalar(select(AuditRow.at).where(AuditRow.seq == seq + 1))

    def _sign(self, session: Session, day: date, last: int, before: SignedDay | None) -> SignedDay:
        digest = session.scalars(select(AuditRow.digest).where(AuditRow.seq == last)).one()
        follows = (before.last + 1, before.digest) if before else (1, audit.START)
        made = SignedDay(day, follows[0], last, digest, follows[1]).signed(self._signing)
        session.add(SignedDayRow(**made.__dict__))
        return made

    def _keep(self, day: SignedDay) -> None:
        path = self._folder / DAYS / f"{day.day}.json"
        if not path.is_file():
            plain = {**day.__dict__, "day": str(day.day)}
            write_atomically(path, (json.dumps(plain, indent=1) + "\n").encode())

    def _days_outside(self) -> list[SignedDay]:
        folder = self._folder / DAYS
        found = []
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
            content = json.loads(path.read_text(encoding="utf-8"))
            found.append(SignedDay(**{**content, "day": date.fromisoformat(content["day"])}))
        return found

    def signed_days(self, database: Database) -> list[dict[str, Any]]:
        """All signed days, for somebody who checks them elsewhere."""
        with database.reading() as session:
            rows = session.scalars(select(SignedDayRow).order_by(SignedDayRow.day))
            return [{**_signed(row).__dict__, "day": str(row.day)} for row in rows]

    # --- looking ----------------------------------------------------------------------------------------------------

    def verify(self, database: Database) -> Verified:
        """Hold the whole log against everything that vouches for it."""
        with database.reading() as session:
            rows = [_signed(row) for row in session.scalars(select(SignedDayRow).order_by(SignedDayRow.day))]
            head = session.get_one(AuditHeadRow, 1)
            found = audit.verify(
                lines(session), rows, key=self._chain, public=self.public, head=Head(head.seq, head.digest),
                witness=self.witnessed(),
            )  # fmt: skip
        inside = {day.day: day for day in rows}
        missing = tuple(audit.Fault(day.last, "day") for day in self._days_outside() if inside.get(day.day) != day)
        return Verified(found.lines, found.days, (*found.faults, *missing))


def lines(session: Session, first: datetime | None = None, last: datetime | None = None) -> Iterator[Line]:
    """Lines in order, some at a time; of a stretch of time where one is named."""
    query = select(AuditRow).order_by(AuditRow.seq).execution_options(yield_per=1000)
    if first is not None:
        query = query.where(AuditRow.at >= first)
    if last is not None:
        query = query.where(AuditRow.at < last)
    names = Line.__dataclass_fields__
    for row in session.scalars(query):
        yield Line(**{name: getattr(row, name) for name in names})


def _signed(row: SignedDayRow) -> SignedDay:
    return SignedDay(row.day, row.first, row.last, row.digest, row.previous, row.signature)


def _key(path: Path) -> bytes:
    """32 random bytes, made at first use, their owner's alone."""
    if not path.is_file():
        secret_file(path, secrets.token_hex(32) + os.linesep)
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError as error:
        raise UsageError("audit_key_wrong", file=path.name) from error
    if len(key) != 32:
        raise UsageError("audit_key_wrong", file=path.name)
    return key
