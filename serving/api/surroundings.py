"""What every request can reach: project, model, days, weeks, tokens, limits. One of each in a process."""

from __future__ import annotations

import os
from pathlib import Path

from features.divisions import area_tree
from features.errors import UsageError
from features.project import Project, load_project
from features.settings import Home, ProjectHome, Settings, read_settings
from serving import observing
from serving.access.areas import Reach
from serving.access.oidc import oidc
from serving.access.tokens import Principal, Tokens
from serving.api.limits import InFlight, Rate
from serving.api.problems import refuse
from serving.current import PACKED, Current, Served
from serving.days import Days
from serving.sending import Sender
from serving.weeks import Weeks


class Surroundings:
    """Everything that a service process has open."""

    def __init__(self, settings: Settings, project: Project) -> None:
        self.settings, self.project = settings, project
        self.task, _ = project.task(settings.task or None)
        self.tree = area_tree(project)
        self.reach = Reach(self.tree)
        self.days = Days(project, self.task, settings, self.tree)
        self.weeks = Weeks(self.home, self.task)
        self.tokens = Tokens(self.home.access)
        self.current = Current(project, self.task, settings, self._taking)
        self.rate, self.in_flight = Rate(settings.rate), InFlight(settings.in_flight)
        self.traces = observing.Traces(settings)
        self.sender = Sender(project, settings, self.home, self.weeks)
        self.draining = False
        self._oidc = oidc(settings)

    @property
    def home(self) -> ProjectHome:
        """The project's part of the home."""
        return Home(self.settings.home).project(self.project.name)

    def _taking(self, served: Served) -> None:
        """A version is about to serve: score the days at hand by it, and count it."""
        self.days.prepare(served)
        observing.SWAPS.inc()

    def served(self) -> Served:
        """The version that answers this request, to its end.

        Raises:
            Refusal: there is none yet.
        """
        now = self.current.now
        if now is None:
            refusal = refuse(503, "no_model")
            refusal.retry_after = 5
            raise refusal
        return now

    def principal(self, authorization: str) -> Principal:
        """Who asks.

        Raises:
            Refusal: no valid token was shown.
        """
        scheme, _, text = authorization.partition(" ")
        found = None
        if scheme.lower() == "bearer":
            text = text.strip()
            if text.startswith("zj_") or self._oidc is None:
                found = self.tokens.principal(text)
            else:
                found = self._oidc.principal(text)
        if found is None:
            refusal = refuse(401, "token_missing")
            refusal.headers = {"www-authenticate": 'Bearer realm="zhouji"'}
            raise refusal
        return found

    def close(self) -> None:
        """Follow the alias no longer, and send what is left."""
        self.current.stop()
        self.sender.stop()
        self.traces.close()


_open: list[Surroundings] = []


def project_file() -> Path:
    """The project file: the one that came with the program, else the one that the environment names."""
    packed = PACKED / "project" / "project.yaml"
    if packed.is_file():
        return packed
    if not os.environ.get("ZHOUJI_PROJECT"):
        raise UsageError("project_not_named")
    return Path(os.environ["ZHOUJI_PROJECT"])


def open_surroundings() -> Surroundings:
    """Open this process's surroundings from its environment and start serving a model."""
    made = Surroundings(read_settings(), load_project(project_file()))
    _open[:] = [made]
    made.current.start()
    made.sender.start()
    return made


def surroundings() -> Surroundings:
    """This process's surroundings, once they are open."""
    return _open[0]
