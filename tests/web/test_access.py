"""Every door of the pages × role × area: what the table says happens, and what is not yours looks like what is not.

The API's doors are held against their own table in tests/service/test_access.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from serving.access.roles import ROLES
from serving.casework.database import Database
from serving.web.application import web_application
from serving.web.office import Office
from serving.web.sessions import COOKIE, form_token
from tests.web.doors import DOORS, INSIDE, RELATIONS, UNKNOWN, Door, address, browsers, furnish, live, named
from tests.web.offices import Browser, browser, make_office

REACHED = {200, 303, 409, 422}
"""Let in; what was sent may still be wrong."""


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    database = Database(f"sqlite:///{folder}/cases.sqlite")
    database.migrate()
    office = make_office(database, folder)
    furnish(office)
    yield office
    database.engine.dispose()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def people(furnished: Office) -> dict[tuple[str, str], Browser]:
    return browsers(furnished)


def ask(made: Browser, method: str, path: str) -> tuple[int, str]:
    """A request as a page of ours would send it, with nothing useful in its form."""
    if method == "GET":
        answer = made.get(path)
    else:
        token = made.client.cookies.get(COOKIE, domain="testserver.local", path="/") or ""
        data = {"form_token": form_token(token), "version": "0", "do": "close"}
        answer = made.client.post(path, data=data, follow_redirects=False)
    return answer.status_code, answer.text


def test_every_door_is_in_the_table(office: Office) -> None:
    found = {(method, one.path) for one in live(web_application(office).routes) for method in one.methods - {"HEAD"}}
    assert found == set(DOORS)


def test_whoever_is_not_signed_in_gets_to_the_door_and_no_further(furnished: Office) -> None:
    for (method, path), door in DOORS.items():
        if door.roles:
            place = address(path, door.names, named("own").get(door.names, ""))
            made = browser(furnished)
            answer = made.get(place) if method == "GET" else made.client.post(place, follow_redirects=False)
            assert answer.status_code == 303, (method, path)
            assert answer.headers["location"].startswith("/login"), (method, path)


def expected(door: Door, role: str, relation: str) -> str:
    if role not in door.roles:
        return "refused"
    if door.names and (relation not in INSIDE or role in door.unseen):
        return "hidden"
    return "reached"


@pytest.mark.parametrize("role", ROLES)
def test_the_matrix(people: dict[tuple[str, str], Browser], role: str) -> None:
    wrong = []
    for (method, path), door in DOORS.items():
        if not door.roles or path == "/logout":
            continue
        for relation in RELATIONS if door.names and role in door.roles else ("own",):
            value = named(relation).get(door.names, "")
            status, _ = ask(people[role, relation], method, address(path, door.names, value))
            wanted = expected(door, role, relation)
            right = {"refused": {403}, "hidden": {door.hidden}, "reached": {door.missing} if door.missing else REACHED}[
                wanted
            ]
            if status not in right:
                wrong.append((method, path, relation, wanted, status))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("role", ROLES)
def test_what_is_not_yours_looks_like_what_is_not(people: dict[tuple[str, str], Browser], role: str) -> None:
    for (method, path), door in DOORS.items():
        if role not in door.roles or door.names not in UNKNOWN:
            continue
        for relation in ("sibling", "parent"):
            value, unknown = named(relation)[door.names], UNKNOWN[door.names]
            made = people[role, relation]
            foreign = ask(made, method, address(path, door.names, value))
            none = ask(made, method, address(path, door.names, unknown))
            # the account's own name may hold an area's code as well
            seen = [(status, text.replace(value, unknown)) for status, text in (foreign, none)]
            assert seen[0] == seen[1], (method, path, relation)
