"""What pages have at hand: the desk, published weeks, who is signed in, and explanations where they can be made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from features.divisions import AreaTree
from features.project import Project
from features.settings import Settings
from reports.documents import Explanation
from serving.access.issuer import Issuer, issuer
from serving.api.surroundings import Surroundings
from serving.casework.actor import Actor
from serving.casework.chain import Link, chain
from serving.casework.desk import Desk, open_desk
from serving.web.accounts import Account, actor_of
from serving.web.sessions import Sessions
from serving.weeks import Weeks

Explain = Callable[[str, date], Explanation | None]
Chained = Callable[[Actor, str], tuple[Link, ...]]


@dataclass(frozen=True)
class Office:
    """One of each in a process.

    Attributes:
        explain: a household as known on a list's day, in words; None where it cannot be told now.
        chained: a household's chain, with departments' records where there is a store.
    """

    desk: Desk
    weeks: Weeks
    settings: Settings
    explain: Explain
    chained: Chained
    sessions: Sessions = field(init=False)
    issuer: Issuer | None = field(init=False)

    def __post_init__(self) -> None:
        made = Sessions(self.desk, self.settings.session_idle, self.settings.session_longest)
        object.__setattr__(self, "sessions", made)
        object.__setattr__(self, "issuer", issuer(self.settings))

    @property
    def project(self) -> Project:
        """The deployment."""
        return self.desk.project

    @property
    def tree(self) -> AreaTree:
        """Areas."""
        return self.desk.tree

    def actor(self, account: Account) -> Actor:
        """Who acts, with what the project says of how its area sees scores."""
        chosen = self.project.listing.presentation
        mode = next((chosen[area.code] for area in self.tree.chain(account.area) if area.code in chosen), "")
        return actor_of(account).model_copy(update={"presentation": mode})


def open_office(opened: Surroundings) -> Office:
    """The office of a service process."""
    from features.engines.duckdb import engine
    from features.settings import Home
    from serving.explaining import explanations

    desk = open_desk(opened.project, opened.settings)
    home = Home(opened.settings.home)
    reading = threading.Lock()  # each reading may use the engine's whole memory

    def told(household: str, day: date) -> Explanation | None:
        served = opened.current.now
        if served is None:
            return None
        known = opened.days.load(day, served)
        if known is None or household not in known.places or known.cohort[known.places[household]] < 0:
            return None
        with reading, engine(opened.settings, home) as duck:
            made = explanations(known.scored, [household], opened.days.store, duck, peers=known.peers)
        return made.get(household)

    def chained(by: Actor, household: str) -> tuple[Link, ...]:
        with reading, engine(opened.settings, home) as duck:
            return chain(desk, by, household, store=opened.days.store, engine=duck)

    return Office(desk, opened.weeks, opened.settings, told, chained)
