"""An office over a small desk, accounts of each role, and a browser that keeps cookies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from features.settings import Home, Settings
from serving.casework.database import Database
from serving.web import accounts
from serving.web.application import web_application
from serving.web.office import Office
from serving.weeks import Weeks
from tests.casework.desks import Clock, make_desk
from tests.casework.made import COUNTY_AREA, PROVINCE, TOWN_AREA, VILLAGE_AREA
from tests.web.shown import explained

PASSWORD = "correct horse 9"
PEOPLE = {
    "v1": ("village", VILLAGE_AREA, ""), "t1": ("town", TOWN_AREA, ""), "c1": ("county", COUNTY_AREA, ""),
    "s1": ("supervisor", PROVINCE, ""), "d1": ("department", COUNTY_AREA, "medical_security"),
    "u1": ("auditor", PROVINCE, ""), "x1": ("admin", PROVINCE, ""), "a1": ("analyst", PROVINCE, ""),
}  # fmt: skip
NAMES = {
    "v1": "林小梅",
    "t1": "谢文斌",
    "c1": "周敏",
    "s1": "何督导",
    "d1": "医保专员",
    "u1": "审计员",
    "x1": "管理员",
    "a1": "分析员",
}
TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


def office_over(database: Database, folder: Path, clock: Clock | None = None) -> Office:
    """An office without accounts."""
    desk = make_desk(database, folder, clock)
    settings = Settings(home=folder / "home", contact="12345")
    weeks = Weeks(Home(settings.home).project(desk.project.name), desk.project.task()[0])
    return Office(desk, weeks, settings, explained, lambda household, feed: [])


def make_office(database: Database, folder: Path, clock: Clock | None = None) -> Office:
    office = office_over(database, folder, clock)
    desk = office.desk
    for account, (role, area, department) in PEOPLE.items():
        accounts.create(
            desk, account, name=NAMES[account], role=role, area=area, department=department, password=PASSWORD
        )
    return office


@dataclass
class Browser:
    """Somebody at the pages."""

    client: TestClient

    def get(self, path: str, **options: Any) -> Any:
        return self.client.get(path, follow_redirects=False, **options)

    def post(self, path: str, page: str = "/help", **fields: Any) -> Any:
        """A form as the page that carries it sends it."""
        found = TOKEN.search(self.client.get(page).text)
        data = {"form_token": found[1] if found else "", **fields}
        return self.client.post(path, data=data, follow_redirects=False)


def browser(office: Office) -> Browser:
    return Browser(TestClient(web_application(office), base_url="http://testserver", raise_server_exceptions=False))


def signed_in(office: Office, account: str) -> Browser:
    made = browser(office)
    answer = made.post("/login", "/login", account=account, password=PASSWORD)
    assert answer.status_code == 303, answer.text
    return made
