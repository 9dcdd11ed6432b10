"""Two deliveries that touch everything ingestion writes, and all that must be the same after a kill."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from features.identity import open_vault
from features.ingestion import open_quarantine
from features.settings import Home, Settings
from features.store import Store
from tests.departments import deliver, tiny_project

PSEUDONYM_KEY = "ab" * 32
WARMTH = "import features.ingestion, features.feeds.validation, pandera.pandas, pandas, pyarrow.parquet, ibis\n"


def command(folder: Path) -> str:
    """Deliver a register and, later, a newer one: two tables, a rejected row each, identities, one household gone."""
    tiny_project(folder)
    first = [
        {
            "household": f"h{n}",
            "area": "ns"[n % 2],
            "since": "2020-01-01",
            "category": ("", "dibao", "wrong")[n % 3],
            "name": f"N{n}",
            "phone": "1",
        }
        for n in range(8)
    ]
    second = [{**row, "name": row["name"] + "x"} for row in first[:-1]]
    second[1]["since"] = "2020-01-02"
    deliver(folder / "first.csv", first)
    deliver(folder / "second.csv", second)
    return f"""
from datetime import date
from pathlib import Path
from features.errors import NothingToDo
from features.ingestion import ingest
from features.project import load_project
from features.settings import Settings
folder = Path({str(folder)!r})
project = load_project(folder / "project.yaml")
settings = Settings(home=Path(HOME), threads=1, pseudonym_key={PSEUDONYM_KEY!r})
for name, day in (("first", date(2020, 2, 1)), ("second", date(2020, 3, 1))):
    try:
        ingest(folder / f"{{name}}.csv", project, settings, feed="register", received_on=day)
    except NothingToDo:
        pass
"""


class Judge:
    """What must be the same, and what must hold, in the homes of a project."""

    def __init__(self, folder: Path):
        self.project = tiny_project(folder)

    def settings(self, home):
        return Settings(home=home, threads=1, pseudonym_key=PSEUDONYM_KEY)

    def fingerprint(self, home: Path):
        settings, place = self.settings(home), Home(home).project("tiny")
        store = {
            path.relative_to(place.store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(place.store.rglob("*"))
            if path.is_file()
        }
        quarantine = open_quarantine(self.project, settings)
        rejected = [(e.delivery_id, e.line, e.column, e.rule, dict(e.original)) for e in quarantine.entries()]
        about = {
            path.parent.name: json.loads(path.read_text()) for path in sorted(place.quarantine.rglob("about.json"))
        }
        vault = open_vault(self.project, settings)
        with vault._open() as database:
            known = [who for (who,) in database.execute("SELECT pseudonym FROM identity ORDER BY 1").fetchall()]
        assert leftovers(home) == []
        assert rejected
        assert known
        return store, rejected, about, {who: vault.reveal(who) for who in known}

    def after_kill(self, home: Path):
        """A reader sees whole deliveries or none, also before anything is repaired."""
        if home.is_dir():
            store = Store(Home(home), self.project)
            assert store.damaged() == []
            assert [receipt.delivery for receipt in store.deliveries()] in ([], [1], [1, 2])


def leftovers(home: Path) -> list[str]:
    """Half-written things, spill, and empty folders of files that were moved or removed."""
    names = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.name.startswith(".")]
    spill = [path.name for path in (home / "tmp").iterdir()] if (home / "tmp").is_dir() else []
    return names + spill
