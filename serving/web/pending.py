"""Files that were sent and wait for a confirmation: on the server, for one account, and not for long."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from features.errors import UsageError
from features.staging import write_atomically

KEPT = timedelta(hours=2)
_KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Waiting:
    """A file that waits.

    Attributes:
        called: its name for people.
        told: what is kept with it: versions that were shown, later what became of it.
    """

    key: str
    path: Path
    called: str
    told: Mapping[str, Any]


class Pending:
    """The folder of waiting files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, account: str, week: str, called: str, content: bytes, now: datetime) -> Waiting:
        """Keep a file; what has expired goes."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.sweep(now)
        key = secrets.token_hex(16)
        path = self._folder / f"{key}.xlsx"
        path.touch(mode=0o600)
        path.write_bytes(content)
        kept = {"account": account, "week": week, "called": called, "until": (now + KEPT).isoformat(), "told": {}}
        self._write(key, kept)
        return Waiting(key, path, called, {})

    def get(self, key: str, account: str, week: str, now: datetime) -> Waiting:
        """A file of this account.

        Raises:
            UsageError: there is none, it is another's, or it has expired; nobody learns which.
        """
        kept = self._read(key)
        fits = kept is not None and (kept["account"], kept["week"]) == (account, week)
        if kept is None or not fits or datetime.fromisoformat(kept["until"]) < now:
            raise UsageError("list_import_gone")
        return Waiting(key, self._folder / f"{key}.xlsx", kept["called"], kept["told"])

    def tell(self, waiting: Waiting, **told: Any) -> None:
        """Keep something with a file."""
        kept = self._read(waiting.key)
        if kept is not None:
            self._write(waiting.key, {**kept, "told": {**kept["told"], **told}})

    def done(self, waiting: Waiting, **told: Any) -> None:
        """The file is no longer needed; what became of it stays until it expires."""
        self.tell(waiting, **told)
        waiting.path.unlink(missing_ok=True)

    def sweep(self, now: datetime) -> None:
        """Remove what has expired."""
        for path in self._folder.glob("*.json"):
            kept = self._read(path.stem)
            if kept is None or datetime.fromisoformat(kept["until"]) < now:
                path.with_suffix(".xlsx").unlink(missing_ok=True)
                path.unlink(missing_ok=True)

    def _read(self, key: str) -> dict[str, Any] | None:
        path = self._folder / f"{key}.json"
        if not _KEY.fullmatch(key) or not path.is_file():
            return None
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content

    def _write(self, key: str, kept: Mapping[str, Any]) -> None:
        write_atomically(self._folder / f"{key}.json", json.dumps(kept, ensure_ascii=False).encode())
