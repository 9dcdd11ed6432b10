"""Large files made in the background: asked for on a page, written by a thread, fetched while they last.

Everything about a job stands in its own small file, so that any process of the server can tell of it. Whoever writes a
job holds its lock; a job that says that it is being written while nobody holds the lock was interrupted.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from features.errors import UsageError
from features.settings import Home
from features.staging import write_atomically
from models.bundle import canonical
from serving import observing
from serving.casework.actor import Actor
from serving.runs import LISTS, RunFolder
from serving.web import exporting
from serving.web.office import Office

State = Literal["waiting", "running", "done", "failed", "interrupted", "expired"]
FORMATS = ("xlsx", "csv")
KEPT = timedelta(hours=24)
TOLD = timedelta(days=7)
"""How long a job without its file is still told of."""
LONG_BYTES = 10_000_000
"""A list whose file is larger is written in a process of its own."""
_KEY = re.compile(r"[0-9a-f]{32}")
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Job:
    """A file that was asked for.

    Attributes:
        written: rows so far.
        until: when the file goes.
    """

    key: str
    account: str
    area: str
    week: date
    format: str
    language: str
    asked_at: datetime
    until: datetime
    state: State = "waiting"
    rows: int = 0
    written: int = 0
    size: int = 0
    sha256: str = ""

    @property
    def name(self) -> str:
        """What the file is called."""
        return f"list-{self.week}-{self.area}.{self.format}"

    @property
    def open(self) -> bool:
        """Whether it is still to come."""
        return self.state in ("waiting", "running")


class Exports:
    """The jobs of a project's home."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._folder = Home(office.settings.home).project(office.project.name).path / "exports"

    # --- looking ------------------------------------------------------------------------------------------------------

    def of(self, account: str) -> list[Job]:
        """An account's jobs, newest first; files that have expired go."""
        self.sweep()
        return sorted(
            (job for job in self._all() if job.account == account), key=lambda job: job.asked_at, reverse=True
        )

    def get(self, key: str, account: str) -> Job:
        """A job of this account.

        Raises:
            UsageError: there is none, or it is another's; nobody learns which.
        """
        job = self._read(key)
        if job is None or job.account != account:
            raise UsageError("export_gone")
        return job

    def content(self, job: Job) -> bytes:
        """The file.

        Raises:
            UsageError: it is not there (any more).
        """
        if job.state != "done" or not self._file(job).is_file():
            raise UsageError("export_gone")
        return self._file(job).read_bytes()

    def sweep(self) -> None:
        """Remove files that have expired, and jobs that nobody needs to be told of."""
        now = self._office.desk.now()
        for job in self._all():
            if not job.open and job.until < now:
                self._file(job).unlink(missing_ok=True)
            if not job.open and job.until + TOLD < now:
                for path in self._folder.glob(f"{job.key}.*"):
                    path.unlink(missing_ok=True)

    def _all(self) -> Iterator[Job]:
        for path in self._folder.glob("*.json") if self._folder.is_dir() else ():
            job = self._read(path.stem)
            if job is not None:
                yield job

    def _read(self, key: str) -> Job | None:
        path = self._folder / f"{key}.json"
        if not _KEY.fullmatch(key) or not path.is_file():
            return None
        job = _job(path.read_bytes())
        if job.open and not self._held(key):
            job = _job(path.read_bytes())  # it may have ended between the two looks
            return replace(job, state="interrupted") if job.open else job
        if job.state == "done" and job.until < self._office.desk.now():
            return replace(job, state="expired")
        return job

    def _file(self, job: Job) -> Path:
        return self._folder / f"{job.key}.{job.format}"

    # --- making -------------------------------------------------------------------------------------------------------

    def ask(self, by: Actor, run: RunFolder, format_: str, language: str) -> Job:
        """Begin a job.

        Raises:
            UsageError: there is no such format, or another of this account's is still to come.
        """
        if format_ not in FORMATS:
            raise UsageError("format_unknown", value=format_[:20], known=", ".join(FORMATS))
        if any(job.open for job in self.of(by.account)):
            raise UsageError("export_running")
        now = self._office.desk.now()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        job = Job(secrets.token_hex(16), by.account, by.area, run.as_of, format_, language, now, now + KEPT)
        begun = threading.Event()
        thread = threading.Thread(target=self._work, args=(job, by, run, begun), name="export", daemon=True)
        thread.start()
        begun.wait()
        return job

    def _work(self, job: Job, by: Actor, run: RunFolder, begun: threading.Event) -> None:
        with self._holding(job.key):
            self._tell(job)
            begun.set()
            with _one_at_a_time:
                try:
                    self._make(job, by, run)
                except Exception as error:  # noqa: BLE001 -- a thread has nobody above it
                    observing.surprise(error)
                    self._tell(replace(job, state="failed"))

    def _make(self, job: Job, by: Actor, run: RunFolder) -> None:
        office, path = self._office, self._file(job)
        staged = path.with_suffix(".part")
        staged.touch(mode=0o600)
        wanted = exporting.Wanted(
            run.path, office.project, office.tree, by.area, job.format, job.language, by.blind, staged
        )

        def told(rows: int, written: int) -> None:
            self._tell(replace(job, state="running", rows=rows, written=written))

        long = (run.path / LISTS[0]).stat().st_size > LONG_BYTES
        rows = (exporting.apart if long else exporting.write)(wanted, told)
        job = replace(job, state="running", rows=rows)
        with staged.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        staged.replace(path)
        office.desk.exported(by, f"{run.run_id} {job.format}", job.rows, digest)
        until = office.desk.now() + KEPT
        size = path.stat().st_size
        self._tell(replace(job, state="done", written=job.rows, size=size, sha256=digest, until=until))

    def _tell(self, job: Job) -> None:
        write_atomically(self._folder / f"{job.key}.json", canonical(_plain(job)))

    @contextmanager
    def _holding(self, key: str) -> Iterator[None]:
        with (self._folder / f"{key}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _held(self, key: str) -> bool:
        """Whether somebody is at it."""
        path = self._folder / f"{key}.lock"
        if not path.is_file():
            return False
        with path.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


def _plain(job: Job) -> dict[str, Any]:
    return {
        key: value.isoformat() if isinstance(value, date) else value for key, value in asdict(job).items()
    }  # a moment is a date as well


def _job(content: bytes) -> Job:
    plain = json.loads(content)
    moments = {key: datetime.fromisoformat(plain[key]) for key in ("asked_at", "until")}
    return Job(**{**plain, **moments, "week": date.fromisoformat(plain["week"])})
