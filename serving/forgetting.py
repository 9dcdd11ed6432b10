"""Forgetting who a household is: what the vault knows of it, and of its members who live nowhere else.

Records stay in the store under pseudonyms that nobody can resolve any more. Who has moved to another household since
belongs there: what is known of such a person goes when that household's time has come.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from features.cells import History, delivers
from features.engines.duckdb import Engine, engine
from features.identity import open_vault
from features.project import Project
from features.settings import Home, Settings
from features.store import Store


def forgetting(project: Project, settings: Settings, today: date) -> Callable[[str], bool]:
    """The vault's way to forget a household with its members; it says whether anything was there."""
    vault = open_vault(project, settings)

    def forget(household: str) -> bool:
        with engine(settings) as opened:
            members = members_of(project, Store(Home(settings.home), project), household, today, opened)
        return sum(vault.erase(pseudonym) for pseudonym in (household, *members)) > 0

    return forget


def members_of(project: Project, store: History, household: str, today: date, engine: Engine) -> list[str]:
    """Persons who ever were members of a household and are of no other one today, in order."""
    if not delivers(project, "member"):
        return []
    known = store.as_known_on(today, "member", engine)
    own = known.filter(known.household_id == household).select("person_id").distinct()
    here = (known.valid_from <= today) & (known.valid_to.isnull() | (known.valid_to > today))
    elsewhere = known.filter((known.household_id != household) & here).select("person_id")
    found = engine.frame(own.anti_join(elsewhere, "person_id"))
    return sorted(found["person_id"].dropna())
