"""Sessions: the browser holds 256 random bits, the database their hash; both an idle and an absolute end."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta

from sqlalchemy import delete, select

from serving.casework.desk import Desk
from serving.casework.tables import AccountRow, SessionRow
from serving.web.accounts import Account, account_of

COOKIE = "zhouji_session"
RENEWED_AFTER = timedelta(seconds=60)
"""A look renews a session at most so often: reading pages must not queue for the writer's place."""


class Sessions:
    """Who is signed in."""

    def __init__(self, desk: Desk, idle_minutes: int, longest_minutes: int) -> None:
        self._desk = desk
        self.idle, self.longest = timedelta(minutes=idle_minutes), timedelta(minutes=longest_minutes)

    def open(self, account: Account, before: str = "") -> str:
        """A new session; what the browser held before is worth nothing afterwards."""
        token, now = secrets.token_urlsafe(32), self._desk.now()
        with self._desk.database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.seen_at < now - self.idle))
            session.execute(delete(SessionRow).where(SessionRow.digest == digest(before)))
            session.add(SessionRow(digest=digest(token), account=account.account, opened_at=now, seen_at=now))
        return token

    def account(self, token: str) -> Account | None:
        """Whose session it is; None where it has ended."""
        if not token:
            return None
        now = self._desk.now()
        with self._desk.database.reading() as session:
            query = select(SessionRow, AccountRow).join(AccountRow, AccountRow.account == SessionRow.account)
            known = session.execute(query.where(SessionRow.digest == digest(token))).one_or_none()
        if known is None:
            return None
        row, found = known[0], account_of(known[1])
        if not found.active or now - row.seen_at > self.idle or now - row.opened_at > self.longest:
            return None
        if now - row.seen_at > RENEWED_AFTER:
            with self._desk.database.writing() as session:
                kept = session.get(SessionRow, digest(token))
                if kept is not None:
                    kept.seen_at = now
        return found

    def close(self, token: str) -> None:
        """End a session."""
        with self._desk.database.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.digest == digest(token)))


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def form_token(token: str) -> str:
    """What a form of this session carries; it says nothing of the token itself.

    >>> form_token("a") == form_token("a"), form_token("a") == form_token("b"), len(form_token("a"))
    (True, False, 43)
    """
    import base64

    made = hmac.new(token.encode(), b"form", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def same(given: str, wanted: str) -> bool:
    """Whether two tokens are the same, in the same time for all."""
    return bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())
