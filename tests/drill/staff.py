"""Simulated staff at the pages: each looks at a household or the list, and does one thing to a case, time and again.

`python -m tests.drill.staff URL FOLDER PORT` serves the pages over a case database, as one process of several.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from serving.casework import actions as a
from serving.casework import cases
from serving.casework.database import Database
from serving.casework.tables import AccountRow
from serving.web.accounts import Account
from serving.web.application import web_application
from serving.web.office import Office
from serving.web.sessions import COOKIE, form_token
from tests.casework.desks import household
from tests.casework.made import TOWN, TOWN_AREA
from tests.web.offices import office_over
from tests.web.shown import rich

VERSION = re.compile(r'name="version" value="(\d+)"')


@dataclass
class Seen:
    """What staff met: times of requests, answers by status, and which change of which version was accepted."""

    ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    accepted: list[tuple[str, int]] = field(default_factory=list)
    conflicts: int = 0
    late_s: float = 0.0

    def p95(self) -> float:
        return sorted(self.ms)[int(0.95 * len(self.ms))]


def prepare(office: Office, staff: int, cases_: int) -> tuple[list[str], list[str]]:
    """Cases with a visitor, and a session for each of the staff; returns households and tokens."""
    rich(office.desk, cases_)
    ids = [household(number) for number in range(cases_)]
    with office.desk.database.reading() as session:
        found = {one: cases.open_case(session, one) for one in ids}
    for case in found.values():
        assert case is not None
        office.desk.act(a.Assign(by=TOWN, to=TOWN), case.case_id, case.version)
    tokens = []
    for number in range(staff):
        name = f"staff{number}"
        with office.desk.database.writing() as session:
            session.add(
                AccountRow(
                    account=name,
                    name=name,
                    role="town",
                    area_code=TOWN_AREA,
                    department="",
                    password="-",
                    language="",
                    large=False,
                    active=True,
                    temporary=False,
                    version=0,
                    created_at=office.desk.now(),
                    signed_in_at=None,
                )
            )
        tokens.append(office.sessions.open(Account(name, name, "town", TOWN_AREA, "", "", large=False, active=True)))
    return ids, tokens


async def work(addresses: list[str], ids: list[str], tokens: list[str], seconds: float, every: float) -> Seen:
    """Everybody at work for so long, one action in each `every` seconds."""
    seen, end = Seen(), time.monotonic() + seconds
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:
        people = [_person(client, addresses[at % len(addresses)], ids, token, at, end, every, seen)
                  for at, token in enumerate(tokens)]  # fmt: skip
        await asyncio.gather(*people)
    return seen


async def _person(
    client: httpx.AsyncClient,
    address: str,
    ids: list[str],
    token: str,
    number: int,
    end: float,
    every: float,
    seen: Seen,
) -> None:
    luck = random.Random(number)
    turn = time.monotonic() + luck.random() * every
    while turn < end:
        await asyncio.sleep(max(0.0, turn - time.monotonic()))
        seen.late_s = max(seen.late_s, time.monotonic() - turn)
        turn += every
        one = luck.choice(ids)
        place = f"/households/{one}"
        if luck.random() < 0.3:
            await _asked(client, "GET", f"{address}/weeks/current", token, seen)
        page = await _asked(client, "GET", address + place, token, seen)
        version = VERSION.search(page.text)
        if version is None:
            continue
        form = {
            "form_token": form_token(token),
            "version": version[1],
            "do": "draft",
            "method": "home",
            "note": f"{number} {turn:.3f}",
        }
        await asyncio.sleep(luck.random() * min(1.0, every / 2))  # somebody types, somebody else may be faster
        answer = await _asked(client, "POST", f"{address}{place}/classifications", token, seen, data=form)
        if answer.status_code == 303:
            seen.accepted.append((one, int(version[1])))
        seen.conflicts += answer.status_code == 409


async def _asked(
    client: httpx.AsyncClient, method: str, url: str, token: str, seen: Seen, **more: Any
) -> httpx.Response:
    begun = time.perf_counter()
    answer = await client.request(method, url, cookies=None, headers={"cookie": f"{COOKIE}={token}"}, **more)
    seen.ms.append(1000 * (time.perf_counter() - begun))
    seen.statuses[answer.status_code] += 1
    return answer


def holds(office: Office, ids: list[str], seen: Seen) -> None:
    """No error; every accepted change is there, and none was made over another that its maker had not seen."""
    assert set(seen.statuses) <= {200, 303, 409}, seen.statuses
    assert len(seen.accepted) == len(set(seen.accepted)), "two changes of the same version were both accepted"
    done = Counter(one for one, _ in seen.accepted)
    with office.desk.database.reading() as session:
        for one in ids:
            case = cases.open_case(session, one)
            assert case is not None
            assert case.version == 1 + done[one]
    assert office.desk.keeper.verify(office.desk.database).ok


def main(url: str, folder: str, port: int) -> None:
    office = office_over(Database(url, serving=True), Path(folder))
    quiet: dict[str, Any] = {"log_level": "error", "access_log": False, "lifespan": "off"}
    # as long as a browser holds one; a connection that is shut in the moment it is used again is no answer that was lost
    uvicorn.run(web_application(office), port=port, timeout_keep_alive=75, **quiet)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
