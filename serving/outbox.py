"""Events on their way to other platforms: CloudEvents, signed, delivered at least once, retried with backoff.

An event is written down before anything is sent, under an id that is a function of what happened, so that whoever
writes it again after a crash writes the same one. It stays until every receiver has taken it; a crash between a
receiver's answer and our note sends it once more, and the receiver recognises the id. The signature follows the
Standard Webhooks form: HMAC-SHA256 over id, moment and body.

Events say that something is there to be looked at, and where: a household's pseudonym, area, week and link. They carry
no level, number, reason or name; who may see those asks the service. Rows drawn at random look like every other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sqlite3
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.errors import UsageError
from features.settings import ProjectHome, Settings
from serving.runs import RunFolder

ALERT = "org.zhouji.alert.listed.v1"
FIRST_SECONDS, LONGEST_SECONDS = 5.0, 3600.0
TIMEOUT_SECONDS = 10.0
_TABLES = (
    (
        "CREATE TABLE IF NOT EXISTS event (id TEXT PRIMARY KEY, area TEXT NOT NULL, body TEXT NOT NULL, "
        "made REAL NOT NULL) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE IF NOT EXISTS sending (event TEXT, receiver TEXT, tries INTEGER NOT NULL DEFAULT 0, "
        "due REAL NOT NULL, done REAL, PRIMARY KEY (event, receiver)) WITHOUT ROWID"
    ),
)


class Receiver(BaseModel):
    """A platform that wants to know: where, with which secret, and of which areas."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$")
    url: str = Field(pattern=r"^https?://")
    secret: str = Field(min_length=32)
    areas: list[str] = Field(default_factory=list, description="codes that an area's own begins with; all without one")

    def wants(self, area: str) -> bool:
        """Whether it is told of this area."""
        return not self.areas or any(area.startswith(wanted) for wanted in self.areas)


@dataclass(frozen=True)
class Waiting:
    """An event that a receiver has not taken yet."""

    event: str
    receiver: str
    body: str
    tries: int


def receivers(settings: Settings) -> list[Receiver]:
    """The receivers that the settings name.

    Raises:
        UsageError: the file cannot be read as receivers.
    """
    if settings.webhooks is None:
        return []
    try:
        content = tomllib.loads(settings.webhooks.read_text(encoding="utf-8"))
        return [Receiver.model_validate(entry) for entry in content.get("receiver", [])]
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise UsageError("webhooks_unreadable", file=settings.webhooks.name) from error


class Outbox:
    """The events of one project."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / "events.sqlite"
        self._path.touch(mode=0o600)
        with self._open() as database:
            for table in _TABLES:
                database.execute(table)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=30)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            with database:
                yield database

    def put(self, events: Sequence[tuple[str, str, str]], to: Sequence[Receiver]) -> int:
        """Write events of (id, area, body) down for their receivers; one that is there already changes nothing."""
        now, new = time.time(), 0
        with self._open() as database:
            for identifier, area, body in events:
                known = database.execute(
                    "INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?)", (identifier, area, body, now)
                )
                new += known.rowcount
                database.executemany(
                    "INSERT OR IGNORE INTO sending (event, receiver, due) VALUES (?, ?, ?)",
                    [(identifier, one.name, now) for one in to if one.wants(area)],
                )
        return new

    def due(self, now: float, most: int = 100) -> list[Waiting]:
        """Events whose moment has come, the oldest first."""
        with self._open() as database:
            rows = database.execute(
                "SELECT s.event, s.receiver, e.body, s.tries FROM sending s JOIN event e ON e.id = s.event "
                "WHERE s.done IS NULL AND s.due <= ? ORDER BY e.made, s.event LIMIT ?",
                (now, most),
            ).fetchall()
        return [Waiting(*row) for row in rows]

    def taken(self, one: Waiting) -> None:
        """The receiver has it."""
        with self._open() as database:
            database.execute(
                "UPDATE sending SET done = ?, tries = tries + 1 WHERE event = ? AND receiver = ?",
                (time.time(), one.event, one.receiver),
            )

    def later(self, one: Waiting) -> None:
        """The receiver did not take it; it is tried again after twice the time, an hour at most."""
        wait = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0**one.tries)
        with self._open() as database:
            database.execute(
                "UPDATE sending SET due = ?, tries = tries + 1 WHERE event = ? AND receiver = ?",
                (time.time() + wait, one.event, one.receiver),
            )

    def waiting(self) -> int:
        """Events that some receiver has not taken."""
        with self._open() as database:
            return int(database.execute("SELECT count(*) FROM sending WHERE done IS NULL").fetchone()[0])


def announce(run: RunFolder, project: str, home: ProjectHome, to: Sequence[Receiver]) -> int:
    """Write down that a list was published: one event for each household that is new on it or has risen."""
    rows = [row for row in run.households() if row["change"] in ("new", "up")]
    events = [alert(project, run, str(row["household_id"]), str(row["area_code"])) for row in rows]
    return Outbox(home.events).put(events, to)


def alert(project: str, run: RunFolder, household: str, area: str) -> tuple[str, str, str]:
    """The event of one household on one list: id, area, body."""
    identifier = hashlib.sha256(f"{ALERT}|{project}|{run.run_id}|{household}".encode()).hexdigest()[:32]
    moment = datetime(run.as_of.year, run.as_of.month, run.as_of.day, tzinfo=UTC)
    body = {
        "specversion": "1.0",
        "id": identifier,
        "type": ALERT,
        "source": f"/zhouji/{project}",
        "subject": household,
        "time": moment.isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "household_id": household,
            "area_code": area,
            "run_id": run.run_id,
            "data_day": str(run.as_of),
            "link": f"/api/v1/households/{household}",
            "note": {"zh": "这是提醒，不是认定。", "en": "A reminder, not a determination."},
        },
    }
    return identifier, area, json.dumps(body, ensure_ascii=False, sort_keys=True)


def signature(secret: str, identifier: str, moment: int, body: str) -> str:
    """What a receiver compares: `v1,` and the base64 of HMAC-SHA256 over id, moment and body.

    >>> signature("s" * 32, "id", 1, "{}")[:3]
    'v1,'
    """
    signed = hmac.digest(secret.encode(), f"{identifier}.{moment}.{body}".encode(), "sha256")
    return f"v1,{base64.b64encode(signed).decode()}"


def send_due(
    outbox: Outbox, to: Sequence[Receiver], post: Callable[..., httpx.Response] | None = None
) -> tuple[int, int]:
    """Send everything whose moment has come; returns how many were taken and how many were not."""
    known = {one.name: one for one in to}
    taken = missed = 0
    with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
        for one in outbox.due(time.time()):
            receiver = known.get(one.receiver)
            if receiver is not None and _accepted(post or client.post, receiver, one):
                outbox.taken(one)
                taken += 1
            else:
                outbox.later(one)
                missed += 1
    return taken, missed


def _accepted(post: Callable[..., httpx.Response], receiver: Receiver, one: Waiting) -> bool:
    moment = int(time.time())
    headers = {
        "content-type": "application/cloudevents+json; charset=utf-8",
        "webhook-id": one.event,
        "webhook-timestamp": str(moment),
        "webhook-signature": signature(receiver.secret, one.event, moment, one.body),
    }
    try:
        return post(receiver.url, content=one.body.encode(), headers=headers).is_success
    except httpx.HTTPError:
        return False
