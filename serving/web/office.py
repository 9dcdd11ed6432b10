"""What pages have at hand: the desk, published weeks, sessions, and what runs and the store say of households."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from features.divisions import AreaTree
from features.project import Project
from features.settings import Home, ProjectHome, Settings
from serving.access.issuer import Issuer, issuer
from serving.anatomy import Anatomy, anatomy
from serving.api.surroundings import Surroundings
from serving.cards import Cards
from serving.casework.actor import Actor
from serving.casework.desk import Desk, open_desk
from serving.recorded import SourceRecord, recorded
from serving.web.accounts import Account, actor_of
from serving.web.sessions import Sessions
from serving.web.shelf import Shelf
from serving.weeks import Sources, Weeks, sources_of

Told = Callable[[str, str], Mapping[str, Any] | None]
Recorded = Callable[[str, str], Sequence[SourceRecord]]
TakeApart = Callable[[str, str], Anatomy | None]


def _nothing(_version: str, _household: str) -> None:
    """Where no model is at hand."""


@dataclass(frozen=True)
class Office:
    """One of each in a process.

    Attributes:
        told: a household in words as a run left it, by household and run; None where it cannot be told.
        recorded: what a feed says of a household, as known today, newest first; reads the store.
        take_apart: a household's score by a version with all its parts; None where they cannot be told.
    """

    desk: Desk
    weeks: Weeks
    settings: Settings
    told: Told
    recorded: Recorded
    take_apart: TakeApart = _nothing
    cards: Cards = field(init=False)
    sessions: Sessions = field(init=False)
    shelf: Shelf = field(init=False)
    issuer: Issuer | None = field(init=False)

    def __post_init__(self) -> None:
        made = Sessions(self.desk, self.settings.session_idle, self.settings.session_longest)
        object.__setattr__(self, "sessions", made)
        object.__setattr__(self, "shelf", Shelf(self.desk))
        task = self.project.task(self.settings.task or None)[0]
        object.__setattr__(self, "cards", Cards(self.project.name, task, self.settings))
        object.__setattr__(self, "issuer", issuer(self.settings))

    @property
    def project(self) -> Project:
        """The deployment."""
        return self.desk.project

    @property
    def home(self) -> ProjectHome:
        """The project's part of the home."""
        return Home(self.settings.home).project(self.project.name)

    @property
    def tree(self) -> AreaTree:
        """Areas."""
        return self.desk.tree

    def sources(self, day: date) -> Sources | None:
        """How the sources of a day's list stood; None where there is no list."""
        return sources_of(self.project, self.weeks.of_day(day))

    def actor(self, account: Account) -> Actor:
        """Who acts, with what the project says of how its area sees scores."""
        return self.desk.presented(actor_of(account))


def open_office(opened: Surroundings) -> Office:
    """The office of a service process."""
    from features.engines.duckdb import engine

    desk = open_desk(opened.project, opened.settings, serving=True)
    home = Home(opened.settings.home)
    reading = threading.Lock()  # each reading may use the engine's whole memory

    def told(household: str, run_id: str) -> Mapping[str, Any] | None:
        week = opened.weeks.of_run(run_id)
        return None if week is None else week.explained(household)

    def read(household: str, feed: str) -> Sequence[SourceRecord]:
        with reading, engine(opened.settings, home) as duck:
            return recorded(opened.project, opened.days.store, duck, desk.rules.day(desk.now()), household, feed)

    def take_apart(version: str, household: str) -> Anatomy | None:
        served, days = opened.current.now, opened.weeks.days()
        if served is None or served.version.number != version or not days:
            return None
        known = opened.days.load(days[-1], served)
        return None if known is None else anatomy(known, served.bundle, version, household, opened.project.currency)

    return Office(desk, opened.weeks, opened.settings, told, read, take_apart)
