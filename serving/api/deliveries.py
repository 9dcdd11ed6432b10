"""Deliveries over HTTP: the same door as files, the same validation, quarantine and receipts.

A delivery bears an idempotency key. What was answered is kept under it, so that a repeated request gets the same
receipt and nothing is taken in twice; and where a process was killed between the store's commit and the answer, the
store itself knows the content and its receipt is answered.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from features.errors import NothingToDo
from features.feeds.profiles import Feed
from features.feeds.validation import rules
from features.ingestion import ingest, open_quarantine
from features.project import Project
from features.resending import private_folder, sent_as_text
from features.settings import Home, Settings
from features.store import Receipt, Store
from models.processes import is_gone, process_mark
from serving import schemas as s
from serving.api.asked import Asked, refuse_area
from serving.api.problems import Place, refuse
from serving.api.surroundings import Surroundings
from serving.api.telling import origin

MOST_REJECTED = 100
_one = anyio.CapacityLimiter(1)
"""The store has one writer; further deliveries of this worker wait their turn outside the event loop."""
_TABLE = (
    "CREATE TABLE IF NOT EXISTS delivery (subject TEXT, key TEXT, content TEXT NOT NULL, process TEXT NOT NULL, "
    "answer TEXT, PRIMARY KEY (subject, key)) WITHOUT ROWID"
)


async def deliver(asked: Asked, opened: Surroundings, request: s.DeliveryRequest) -> s.DeliveryAnswer:
    """Take records in as one delivery."""
    if not opened.reach.contains(asked.principal.area, request.area):
        raise refuse_area()
    feed = opened.project.feeds.get(request.feed)
    if feed is None:
        raise refuse(404, "feed_unknown_here", known=", ".join(opened.project.feeds))
    columns = set(columns_of(opened.project, request.feed))
    for at, record in enumerate(request.records):
        if not record or record.keys() - columns:
            count = len(record.keys() - columns)
            refusal = refuse(422, "records_unknown_columns", row=at, count=count, known=", ".join(sorted(columns)))
            refusal.places = [Place(at=f"records.{at}", rule="columns")]
            raise refusal
    _refuse_other_areas(opened, request, feed)
    asked.rows = len(request.records)
    return await anyio.to_thread.run_sync(_deliver, asked, opened, request, limiter=_one)


def _refuse_other_areas(opened: Surroundings, request: s.DeliveryRequest, feed: Feed) -> None:
    """A record that names an area outside the declared one; codes that nobody knows are left to the door's rules."""
    named = {rule.columns["area_code"] for rule in feed.profile.records if "area_code" in rule.columns}
    for at, record in enumerate(request.records):
        for column in sorted(named & record.keys()):
            code = (record[column] or "").strip()
            if opened.reach.knows(code) and not opened.reach.contains(request.area, code):
                refusal = refuse_area()
                refusal.places = [Place(at=f"records.{at}", rule="area")]
                raise refusal


def _deliver(asked: Asked, opened: Surroundings, request: s.DeliveryRequest) -> s.DeliveryAnswer:
    content = hashlib.sha256(asked.body).hexdigest()
    ledger = Ledger(opened.home.access)
    kept = ledger.claim(asked.principal.subject, asked.key, content)
    if kept is not None:
        asked.headers["idempotent-replayed"] = "true"
        return s.DeliveryAnswer(**{**json.loads(kept), "replayed": True})
    try:
        receipt = take_in(request.feed, request.records, opened.project, opened.settings)
        answer = _answer(opened, request, receipt)
    except BaseException:
        ledger.release(asked.principal.subject, asked.key)
        raise
    ledger.keep(asked.principal.subject, asked.key, answer.model_dump_json())
    return answer


def take_in(feed: str, records: Sequence[dict[str, str | None]], project: Project, settings: Settings) -> Receipt:
    """Records as a file of the feed through the door; content that is known already gives its receipt again."""
    plain = sent_as_text(project, feed)
    today = date.today()  # noqa: DTZ011 -- the administration's own day
    with private_folder(settings) as folder:
        path = folder / f"{feed}-{hashlib.sha256(repr(records).encode()).hexdigest()[:8]}.csv"
        path.write_text(_csv(records, columns_of(project, feed)), encoding="utf-8", newline="")
        path.chmod(0o600)
        try:
            return ingest(path, plain, settings, feed=feed, received_on=today)
        except NothingToDo:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            known = Store(Home(settings.home), project).knows(f"{feed}:{digest}")
            if known is None:
                raise
            return known


def columns_of(project: Project, feed: str) -> list[str]:
    """A feed's own columns, with those of its identifiers; what a record does not name is empty."""
    profile = project.feeds[feed].profile
    identifiers = [column for one in profile.identifiers.values() for column in one.columns]
    return list(dict.fromkeys([*profile.columns, *identifiers]))


def _csv(records: Sequence[dict[str, str | None]], headings: Sequence[str]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, headings, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in record.items()} for record in records)
    return out.getvalue()


def _answer(opened: Surroundings, request: s.DeliveryRequest, receipt: Receipt) -> s.DeliveryAnswer:
    counts = {name: getattr(receipt, name) for name in ("delivered", "accepted", "already_known", "quarantined")}
    return s.DeliveryAnswer(
        **origin(opened.served(), date.fromisoformat(receipt.received_on)),
        delivery_id=receipt.delivery_id,
        feed=receipt.feed,
        area=request.area,
        **counts,
        rejected=_rejected(opened, receipt),
        replayed=False,
    )


def _rejected(opened: Surroundings, receipt: Receipt) -> list[s.Rejected]:
    """Which rows went to quarantine, by which rule, and how to repair them; without their content."""
    if not receipt.quarantined:
        return []
    words = rules()
    found: list[s.Rejected] = []
    for entry in open_quarantine(opened.project, opened.settings).entries(feed=receipt.feed):
        if entry.delivery_id != receipt.delivery_id or len(found) >= MOST_REJECTED:
            continue
        known = words.get(entry.rule, {})
        sentence, repair = known.get("says"), known.get("repair")
        found.append(
            s.Rejected(
                line=entry.line, column=entry.column, rule=entry.rule,
                sentence=s.Text(zh=sentence.zh, en=sentence.en) if sentence else s.Text(zh=entry.rule, en=entry.rule),
                repair=s.Text(zh=repair.zh, en=repair.en) if repair else s.Text(zh="", en=""),
            )
        )  # fmt: skip
    return found


class Ledger:
    """Answers by sender and idempotency key."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "deliveries.sqlite"
        self._path.touch(mode=0o600)
        with self._open() as database:
            database.execute(_TABLE)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            yield database

    def claim(self, subject: str, key: str, content: str) -> str | None:
        """Take the key for this content; returns the answer that was given before, or None where work begins.

        Raises:
            Refusal: the key was used for other content, or the same delivery is being taken in.
        """
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                row: Any = database.execute(
                    "SELECT content, process, answer FROM delivery WHERE subject = ? AND key = ?", (subject, key)
                ).fetchone()
                if row is not None and row[0] != content:
                    raise refuse(409, "key_used")
                if row is not None and row[2] is not None:
                    return str(row[2])
                if row is not None and not is_gone(row[1]):
                    raise refuse(409, "key_at_work", seconds=2)
                database.execute(
                    "REPLACE INTO delivery VALUES (?, ?, ?, ?, NULL)",
                    (subject, key, content, process_mark(os.getpid())),
                )
            finally:
                database.execute("COMMIT")
        return None

    def keep(self, subject: str, key: str, answer: str) -> None:
        """Remember what was answered."""
        with self._open() as database:
            database.execute("UPDATE delivery SET answer = ? WHERE subject = ? AND key = ?", (answer, subject, key))

    def release(self, subject: str, key: str) -> None:
        """Let a refused delivery be sent again under its key."""
        with self._open() as database:
            database.execute("DELETE FROM delivery WHERE subject = ? AND key = ? AND answer IS NULL", (subject, key))
