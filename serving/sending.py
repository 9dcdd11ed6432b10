"""The sender inside the service: notices newly published lists, writes their events down, and sends what is due."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from features.errors import ZhoujiError
from features.project import Project
from features.settings import ProjectHome, Settings
from serving import observing
from serving.casework.carrying import carry
from serving.casework.database import FILE
from serving.casework.desk import Desk, open_desk
from serving.outbox import Outbox, announce, receivers, send_due
from serving.weeks import Weeks

LOOK_SECONDS = 2.0
ANNOUNCED = "announced"


class Sender:
    """One thread in one worker: the lock's holder sends, the others wait for it to end."""

    def __init__(self, project: Project, settings: Settings, home: ProjectHome, weeks: Weeks) -> None:
        self._project, self._home, self._weeks = project, home, weeks
        self._settings = settings
        self._to = receivers(settings)
        self._desk: Desk | None = None
        self._stop = threading.Event()

    def start(self) -> None:
        """Send, where there are receivers."""
        if self._to:
            threading.Thread(target=self._go, name="events", daemon=True).start()

    def stop(self) -> None:
        """Send no more; what is left is sent by the next process."""
        self._stop.set()

    def _go(self) -> None:
        self._home.events.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._home.events / "LOCK").open("a") as lock:
            while not self._stop.wait(LOOK_SECONDS):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                try:
                    self.once()
                except Exception as error:  # noqa: BLE001 -- a sender that dies would keep alerts back for ever
                    observing.surprise(error)

    def once(self) -> tuple[int, int]:
        """Announce what was published and send what is due."""
        outbox = Outbox(self._home.events)
        mark = self._home.events / ANNOUNCED
        known = set(mark.read_text(encoding="ascii").split()) if mark.is_file() else set()
        newest = self._weeks.newest_first()[:1]
        for week in newest:
            if week.run.run_id not in known:
                announce(week.run, self._project.name, self._home, self._to)
                _append(mark, week.run.run_id)
        self._carry(outbox)
        sent = send_due(outbox, self._to)
        observing.EVENTS.set(outbox.waiting())
        return sent

    def _carry(self, outbox: Outbox) -> None:
        """Events of cases, where there is a case database: they were written with the decisions that they tell."""
        if not self._settings.database and not (self._home.casework / FILE).is_file():
            return
        try:
            if self._desk is None:
                self._desk = open_desk(self._project, self._settings)
            if self._desk.database.schema().ready:
                carry(self._desk, outbox, self._to)
        except ZhoujiError as error:  # what waits elsewhere is sent all the same
            observing.surprise(error)


def _append(mark: Path, run_id: str) -> None:
    with mark.open("a", encoding="ascii") as file:
        file.write(run_id + "\n")
        file.flush()
        os.fsync(file.fileno())
