"""Who works in the story: a login for each role, visitors and departments of counties, and what is at hand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from features.strict import Words
from serving.casework import lists, staffing
from serving.casework.actor import Actor
from serving.casework.desk import Desk
from serving.web import accounts

DESK = "medical_security"
"""Whose inbox the department's login opens, where no other has something in it."""
CAPACITY = 12
NAMES = {
    "village": "林小梅", "village2": "黄志强", "village3": "陈玉兰", "town": "谢文斌", "county": "周敏",
    "county2": "梁建华", "supervisor": "何督导", "department": "部门专员", "analyst": "分析员", "auditor": "审计员",
    "admin": "管理员",
}  # fmt: skip
_AT_HAND: tuple[tuple[lists.Kind, str, str, tuple[str, ...], int | None], ...] = (
    ("fund", "镇街临时救助备用金", "the towns' fund for temporary assistance", ("N01", "N02"), 40),
    ("charity", "慈善会大病关怀金", "the charity's fund for grave illness", ("N04", "N05"), 12),
    ("social_worker", "双百工程社工上门服务", "social workers who visit at home", ("N04", "N11", "N12", "N18"), None),
    ("volunteer", "邻里互助送餐队", "neighbours who bring meals", ("N11", "N13", "N18"), 25),
    ("service", "公共就业服务进社区", "employment service in the community", ("N09",), None),
    ("wish", "助学微心愿：书桌一张", "a desk for a pupil", ("N06",), 1),
)


@dataclass(frozen=True)
class Login:
    """An account to try, with its password."""

    account: str
    name: str
    role: str
    area: str
    password: str
    department: str = ""


def password_of(seed: int, account: str) -> str:
    """A password to try things with: whoever knows the seed knows it.

    >>> password_of(7, "county") == password_of(7, "county") != password_of(8, "county")
    True
    """
    return f"try-{hashlib.sha256(f'demo|{seed}|{account}'.encode()).hexdigest()[:10]}"


def visitors(county: str, *, known: bool) -> tuple[Actor, ...]:
    """Who visits in a county; in the story's own county they have logins."""
    names = ("village", "village2", "village3") if known else (f"v1.{county}", f"v2.{county}")
    return tuple(Actor(account=name, role="village", area=county) for name in names)


def office(county: str, *, known: bool) -> Actor:
    """The county's office."""
    return Actor(account="county" if known else f"c1.{county}", role="county", area=county)


def department(name: str, county: str) -> Actor:
    """A department's desk in a county."""
    account = f"{name}.{county}".replace("_", "-")
    return Actor(account=account, role="department", area=county, department=name)


def supervisor(desk: Desk) -> Actor:
    """Who looks over everything."""
    return Actor(account="supervisor", role="supervisor", area=top(desk))


def top(desk: Desk) -> str:
    """The whole."""
    return next(code for code, area in desk.tree.areas.items() if area.parent is None)


def set_up(desk: Desk, own: str, counties: tuple[str, ...], first: date, last: date) -> None:
    """Enter who visits and how much, who is away, and what services and resources there are.

    Args:
        desk: of the project.
        own: the county with logins.
        counties: all of the pilot.
        first: when the story begins.
        last: day of its newest list; somebody is away then.
    """
    for county in counties:
        by = office(county, known=county == own)
        for place, worker in enumerate(visitors(county, known=county == own)):
            away = (last - timedelta(days=3), last + timedelta(days=25)) if place == 2 else None
            staffing.put_worker(desk, by, worker, CAPACITY, away=away)
    known = set(desk.rules.routing.needs)
    for kind, zh, en, needs, remaining in _AT_HAND:
        fits = tuple(need for need in needs if need in known)
        lists.add(desk, office(own, known=True), kind, Words(zh=zh, en=en), fits, remaining=remaining, valid_from=first)


def logins(desk: Desk, own: str, town: str, inbox: str, seed: int) -> tuple[Login, ...]:
    """One login for each role and some colleagues, made where they are not there yet."""
    there = {one.account for one in accounts.accounts(desk)}
    made = []
    for account, role, area in _roles(desk, own, town):
        mine = inbox if role == "department" else ""
        name = f"{desk.rules.routing.departments[mine].zh}专员" if mine else NAMES[account]
        login = Login(account, name, role, area, password_of(seed, account), mine)
        if account not in there:
            accounts.create(
                desk, account, name=login.name, role=role, area=area, department=login.department,
                password=login.password,
            )  # fmt: skip
        made.append(login)
    return tuple(made)


def _roles(desk: Desk, own: str, town: str) -> Iterator[tuple[str, str, str]]:
    yield from (("village", "village", own), ("village2", "village", own), ("village3", "village", own))
    yield from (("town", "town", town), ("county", "county", own), ("county2", "county", own))
    yield "department", "department", own
    yield from ((role, role, top(desk)) for role in ("supervisor", "analyst", "auditor", "admin"))
