"""Bearer tokens: made once, shown once, kept as a hash; scoped to area, role and purposes; expiring and revocable.

A token is `zj_<id>_<secret>`. The secret has 256 random bits, so one SHA-256 of it is enough at rest. What is kept
lives in SQLite in the project's home; a service process remembers what it read and looks again whenever another
process has written, so that a revoked token stops working with the next request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from features.errors import UsageError, did_you_mean
from serving.access.roles import ROLES, SUPPORT, purposes_known

_FORM = re.compile(r"zj_([0-9a-f]{12})_([0-9A-Za-z_-]{43})")
_SPAN = re.compile(r"([1-9][0-9]{0,4})([dh])")
_COLUMNS = "token_id, digest, area, role, purposes, label, created_at, expires_at, revoked_at"
_TABLE = (
    "CREATE TABLE IF NOT EXISTS token (token_id TEXT PRIMARY KEY, digest TEXT NOT NULL, area TEXT NOT NULL, "
    "role TEXT NOT NULL, purposes TEXT NOT NULL, label TEXT NOT NULL, created_at TEXT NOT NULL, "
    "expires_at TEXT NOT NULL, revoked_at TEXT) WITHOUT ROWID"
)


@dataclass(frozen=True)
class Principal:
    """Who asks: an id for the log, an area, a role and the purposes that were granted."""

    subject: str
    area: str
    role: str
    purposes: tuple[str, ...]


@dataclass(frozen=True)
class Token:
    """A token as it is kept; its secret is not among it."""

    token_id: str
    digest: str
    area: str
    role: str
    purposes: tuple[str, ...]
    label: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it is neither expired nor revoked."""
        return self.revoked_at is None and now < self.expires_at

    def plain(self) -> dict[str, object]:
        """For JSON, without the hash."""
        return {
            "token_id": self.token_id, "area": self.area, "role": self.role, "purposes": list(self.purposes),
            "label": self.label, "created_at": _text(self.created_at), "expires_at": _text(self.expires_at),
            "revoked_at": _text(self.revoked_at) if self.revoked_at else None,
        }  # fmt: skip


class Tokens:
    """The tokens of one project."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / "tokens.sqlite"
        self._path.touch(mode=0o600)
        with self._open() as database:
            database.execute(_TABLE)
        self._lock = threading.Lock()
        self._watching = sqlite3.connect(self._path, timeout=30, check_same_thread=False)
        self._seen = -1
        self._known: dict[str, Token] = {}

    def __repr__(self) -> str:
        return "Tokens()"

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=30)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            with database:
                yield database

    def create(
        self, area: str, role: str, purposes: Sequence[str], expires: str = "90d", label: str = ""
    ) -> tuple[str, Token]:
        """A new token and its secret text, which is never shown again.

        Raises:
            UsageError: there is no such role or purpose, or the expiry cannot be read.
        """
        now = datetime.now(UTC)
        token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        token = Token(
            token_id, _digest(secret), area, _known_role(role), _known_purposes(purposes), label, now,
            expiry(expires, now),
        )  # fmt: skip
        values = (token_id, token.digest, area, role, ",".join(token.purposes), label, _text(now))
        with self._open() as database:
            database.execute(
                f"INSERT INTO token ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                (*values, _text(token.expires_at)),
            )
        return f"zj_{token_id}_{secret}", token

    def all(self) -> list[Token]:
        """All tokens, newest first."""
        with self._open() as database:
            rows = database.execute(f"SELECT {_COLUMNS} FROM token ORDER BY created_at DESC, token_id").fetchall()
        return [_token(row) for row in rows]

    def revoke(self, token_id: str) -> Token:
        """Make a token useless from now on; doing it twice changes nothing.

        Raises:
            UsageError: there is no such token.
        """
        with self._open() as database:
            database.execute(
                "UPDATE token SET revoked_at = ? WHERE token_id = ? AND revoked_at IS NULL",
                (_text(datetime.now(UTC)), token_id),
            )
            row = database.execute(f"SELECT {_COLUMNS} FROM token WHERE token_id = ?", (token_id,)).fetchone()
        if row is None:
            raise UsageError("token_unknown", token=token_id)
        return _token(row)

    def principal(self, text: str) -> Principal | None:
        """Who a token speaks for; None where it is unknown, altered, expired or revoked."""
        form = _FORM.fullmatch(text)
        if form is None:
            return None
        token = self._remembered().get(form[1])
        if token is None or not hmac.compare_digest(token.digest, _digest(form[2])):
            return None
        if not token.holds(datetime.now(UTC)):
            return None
        return Principal(token.token_id, token.area, token.role, token.purposes)

    def _remembered(self) -> dict[str, Token]:
        with self._lock:
            seen = self._watching.execute("PRAGMA data_version").fetchone()[0]
            if seen != self._seen:
                rows = self._watching.execute(f"SELECT {_COLUMNS} FROM token").fetchall()
                self._known = {row[0]: _token(row) for row in rows}
                self._seen = seen
            return self._known


def expiry(text: str, now: datetime) -> datetime:
    """When a token expires: so many days or hours from now, or at the end of a day.

    >>> expiry("12h", datetime(2026, 1, 1, tzinfo=UTC)).isoformat()
    '2026-01-01T12:00:00+00:00'
    """
    span = _SPAN.fullmatch(text)
    if span is not None:
        amount = int(span[1])
        return now + (timedelta(days=amount) if span[2] == "d" else timedelta(hours=amount))
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise UsageError("expiry_unknown", value=text) from error
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


def _known_role(role: str) -> str:
    if role not in ROLES:
        near = did_you_mean(role, list(ROLES))
        raise UsageError("role_unknown", role=role, known=near or ", ".join(ROLES))
    return role


def _known_purposes(purposes: Sequence[str]) -> tuple[str, ...]:
    if not purposes or any(purpose not in SUPPORT for purpose in purposes):
        raise UsageError("purpose_unknown", known=purposes_known())
    return tuple(dict.fromkeys(purposes))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _token(row: Sequence[str]) -> Token:
    token_id, digest, area, role, purposes, label, created, expires, revoked = row
    return Token(
        token_id, digest, area, role, tuple(purposes.split(",")), label, datetime.fromisoformat(created),
        datetime.fromisoformat(expires), datetime.fromisoformat(revoked) if revoked else None,
    )  # fmt: skip
