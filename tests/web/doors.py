"""The table of who comes through which door of the pages, and an office with something in every area.

A door is a method and a pattern. Beside the roles stands what its address names: nothing, or something that lies in an
area and is answered only where that area is the actor's or inside it. What cannot be seen is answered the same way as
what does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from fastapi.routing import APIRoute

from serving.access.roles import ROLES
from serving.casework import actions as a
from serving.casework import cases, requests, staffing
from serving.casework.actor import Actor
from serving.casework.alerts import open_week
from serving.casework.tables import ResourceRow
from serving.web import accounts
from serving.web.office import Office
from tests.casework.desks import OTHER_TOWN, OTHER_VILLAGE, household
from tests.casework.made import COUNTY, TOWN_AREA, VILLAGE_AREA, form
from tests.web.offices import PASSWORD, Browser, signed_in
from tests.web.shown import Rich

EVERYBODY = frozenset(ROLES)
RELATIONS = ("own", "sibling", "parent", "child")
ACTOR_AREA = {"own": VILLAGE_AREA, "sibling": VILLAGE_AREA, "parent": VILLAGE_AREA, "child": TOWN_AREA}
WANTED_AREA = {"own": VILLAGE_AREA, "sibling": OTHER_VILLAGE, "parent": TOWN_AREA, "child": VILLAGE_AREA}
INSIDE = frozenset({"own", "child"})
"""Relations in which what is asked about lies in the actor's area."""
SEEING = frozenset({"village", "town", "county", "supervisor"})


@dataclass(frozen=True)
class Door:
    """Who comes through.

    Attributes:
        roles: none at all: it stands open to whoever is not signed in.
        names: what the address names: household, referral, area, account, worker, resource, or nothing that
            lies in an area.
        hidden: status for what lies elsewhere, and for what does not exist.
        unseen: roles that are let in, and see nothing of what is named here.
        missing: status where the address names something of one's own that is not there.
    """

    roles: frozenset[str] = EVERYBODY
    names: str = ""
    hidden: int = 403
    unseen: frozenset[str] = field(default_factory=frozenset)
    missing: int = 0


def roles(*names: str) -> frozenset[str]:
    return frozenset(names)


OPEN: frozenset[str] = frozenset()
CASE = Door(SEEING | {"department"}, "household")
STEP = Door(SEEING, "household")
VISITING = Door(roles("village", "town", "county"), "household")
OFFICES = roles("town", "county")
ADMIN = Door(roles("admin"))
ACCOUNT = Door(roles("admin"), "account", 404)
REVEAL = Door(roles("village", "town", "county"), "household", 403, roles("village", "county"))
DOORS: dict[tuple[str, str], Door] = {
    ("GET", "/"): Door(),
    ("GET", "/login"): Door(OPEN),
    ("POST", "/login"): Door(OPEN),
    ("POST", "/logout"): Door(),
    ("GET", "/password"): Door(),
    ("POST", "/password"): Door(),
    ("POST", "/preferences"): Door(),
    ("GET", "/auth/oidc/login"): Door(OPEN),
    ("GET", "/auth/oidc/callback"): Door(OPEN),
    ("GET", "/static/{name}"): Door(OPEN),
    ("GET", "/help"): Door(OPEN),
    ("GET", "/help/how-scores-work"): Door(),
    ("GET", "/weeks"): Door(roles("town", "county", "supervisor")),
    ("GET", "/weeks/{week}"): Door(roles("town", "county", "supervisor")),
    ("POST", "/weeks/{week}/assign"): Door(roles("town", "county")),
    ("POST", "/sheets"): Door(roles("town", "county")),
    ("GET", "/weeks/{week}/list.xlsx"): Door(OFFICES, missing=404),
    ("GET", "/weeks/{week}/import"): Door(OFFICES, missing=404),
    ("POST", "/weeks/{week}/import"): Door(OFFICES, missing=404),
    ("GET", "/weeks/{week}/import/{key}"): Door(OFFICES, missing=404),
    ("POST", "/weeks/{week}/import/{key}"): Door(OFFICES, missing=404),
    ("GET", "/weeks/{week}/import/{key}/errors.xlsx"): Door(OFFICES, missing=404),
    ("GET", "/exports"): Door(roles("county", "supervisor")),
    ("POST", "/exports"): Door(roles("county", "supervisor"), missing=404),
    ("GET", "/exports/{key}/file"): Door(roles("county", "supervisor"), missing=404),
    ("GET", "/feedback"): Door(roles("county", "supervisor")),
    ("GET", "/quality"): Door(roles("county", "supervisor", "analyst")),
    ("GET", "/models"): Door(roles("analyst", "supervisor", "admin")),
    ("GET", "/models/{version}"): Door(roles("analyst", "supervisor", "admin"), missing=404),
    ("GET", "/models/{version}/cases/{household_id}"): Door(roles("analyst"), "household", 403, roles("analyst")),
    ("GET", "/about"): Door(OPEN),
    ("GET", "/households/{household_id}/records"): VISITING,
    ("GET", "/households/{household_id}/records/{feed}"): VISITING,
    ("GET", "/households/{household_id}/sheet"): VISITING,
    ("GET", "/households/{household_id}/sheet.pdf"): VISITING,
    ("GET", "/tasks"): Door(roles("village", "town", "county")),
    ("GET", "/escalated"): Door(roles("county", "supervisor")),
    ("GET", "/households/{household_id}"): CASE,
    ("POST", "/households/{household_id}/classifications"): STEP,
    ("POST", "/households/{household_id}/actions"): STEP,
    ("POST", "/households/{household_id}/matches"): VISITING,
    ("GET", "/households/{household_id}/reveal"): REVEAL,
    ("POST", "/households/{household_id}/reveal"): REVEAL,
    ("GET", "/households/{household_id}/requests"): VISITING,
    ("POST", "/households/{household_id}/requests"): VISITING,
    ("GET", "/requests"): Door(OFFICES),
    ("GET", "/requests/{request_id}"): Door(OFFICES, "request"),
    ("POST", "/requests/{request_id}"): Door(OFFICES, "request"),
    ("GET", "/referrals"): Door(roles("department", "county")),
    ("GET", "/referrals/{referral_id}"): Door(roles("department", "county"), "referral"),
    ("POST", "/referrals/{referral_id}/answers"): Door(roles("department", "county"), "referral"),
    ("GET", "/overview"): Door(roles("county", "supervisor")),
    ("GET", "/overview/{area}"): Door(roles("county", "supervisor"), "area"),
    ("GET", "/overview/{area}/bulletin.pdf"): Door(roles("county", "supervisor"), "area"),
    ("GET", "/overview/{area}/bulletin.docx"): Door(roles("county", "supervisor"), "area"),
    ("GET", "/audit"): Door(roles("auditor", "supervisor")),
    ("GET", "/admin"): ADMIN,
    ("GET", "/admin/accounts"): ADMIN,
    ("GET", "/admin/accounts/new"): ADMIN,
    ("POST", "/admin/accounts/new"): ADMIN,
    ("GET", "/admin/accounts/{account}"): ACCOUNT,
    ("POST", "/admin/accounts/{account}"): ACCOUNT,
    ("POST", "/admin/accounts/{account}/password"): ACCOUNT,
    ("POST", "/admin/accounts/{account}/active"): ACCOUNT,
    ("GET", "/admin/areas"): ADMIN,
    ("GET", "/admin/areas/{area}"): Door(roles("admin"), "area"),
    ("GET", "/admin/routing"): ADMIN,
    ("GET", "/admin/calendar"): ADMIN,
    ("GET", "/admin/texts"): ADMIN,
    ("GET", "/admin/rules/{kind}/{key}"): ADMIN,
    ("POST", "/admin/rules/{kind}/{key}"): Door(roles("admin"), "whole", 403, roles("admin")),
    ("GET", "/workers"): Door(roles("town", "county", "admin")),
    ("GET", "/workers/{account}"): Door(roles("town", "county", "admin"), "worker"),
    ("POST", "/workers/{account}"): Door(roles("town", "county", "admin"), "worker"),
    ("POST", "/workers/{account}/hand-over"): Door(roles("town", "county"), "worker"),
    ("GET", "/resources"): Door(SEEING),
    ("GET", "/resources/new"): Door(OFFICES),
    ("POST", "/resources/new"): Door(OFFICES),
    ("GET", "/resources/{resource_id}"): Door(OFFICES, "resource"),
    ("POST", "/resources/{resource_id}"): Door(OFFICES, "resource"),
    ("POST", "/resources/{resource_id}/withdraw"): Door(OFFICES, "resource"),
}
"""Every door of the pages; a door that is not here fails a test."""
PLAIN = {"week": "2026-03-01", "kind": "text", "key": "contact", "name": "style.css", "feed": "visits", "version": "1"}
UNKNOWN = {
    "household": household(77), "referral": "r-none", "request": "q-none", "area": "999999", "account": "nobody",
    "worker": "nobody", "resource": "s-none",
}  # fmt: skip
PARAMETER = {
    "household": "household_id", "referral": "referral_id", "request": "request_id", "area": "area",
    "account": "account", "worker": "account", "resource": "resource_id",
}  # fmt: skip


def live(routes: Iterable[object]) -> Iterator[APIRoute]:
    """Every route of an application, those of included routers as well; an unknown kind is an error."""
    for one in routes:
        if isinstance(one, APIRoute):
            yield one
        else:
            yield from live(one.original_router.routes)  # type: ignore[attr-defined]


def address(path: str, names: str, value: str) -> str:
    """A door's address with something in it."""
    return path.format(**{**PLAIN, **({PARAMETER[names]: value} if names in PARAMETER else {})})


def named(relation: str) -> dict[str, str]:
    """What there is in the area of a relation."""
    area, at = WANTED_AREA[relation], ("own", "sibling", "parent").index("own" if relation == "child" else relation)
    return {
        "household": household(at), "referral": f"r{at}", "request": f"q{at}", "area": area,
        "account": f"account-{area}", "worker": f"worker-{area}", "whole": "", "resource": f"s{at}",
    }  # fmt: skip


def line(resource_id: str, area: str) -> ResourceRow:
    """A resource of an area, under an id that a test can name."""
    return ResourceRow(
        resource_id=resource_id, kind="charity", area_code=area, needs="|N04|", remaining=3, version=0,
        valid_from=date(2026, 3, 1), body={"title": {"zh": "大病慈善金", "en": "fund for serious illness"}},
    )  # fmt: skip


def furnish(office: Office) -> None:
    """A household with a referral, an account, a worker and a resource in each area; each role's account in two areas."""
    desk = office.desk
    for at, area in enumerate((VILLAGE_AREA, OTHER_VILLAGE, TOWN_AREA)):
        rows = {household(at): (area, "risk", "red")}
        open_week(desk, Rich(run_id=f"run{at}", rows=rows))  # type: ignore[arg-type]
        visitor = Actor(account="t9", role="town", area=OTHER_TOWN if area == OTHER_VILLAGE else TOWN_AREA)
        with desk.database.reading() as session:
            case = cases.newest_case(session, household(at))
        assert case is not None
        desk.act(a.Assign(by=COUNTY, to=visitor), case.case_id, 0)
        desk.act(
            a.Classify(by=visitor, form=form("V1", reasons={"expense": "true", "income": "true"})), case.case_id, 1
        )
        desk.act(a.Refer(by=COUNTY, referral_id=f"r{at}", need="N04"), case.case_id, 2)
        with desk.database.writing() as session:
            body = {"request_id": f"q{at}", "kind": "correction", "household_id": household(at), "area_code": area,
                    "state": "open", "opened_at": desk.now(), "due_at": desk.now(), "by": COUNTY}  # fmt: skip
            requests.put(session, requests.Request.model_validate(body))
        accounts.create(desk, f"account-{area}", name="某人", role="analyst", area=area, password=PASSWORD)
        staffing.put_worker(desk, COUNTY, Actor(account=f"worker-{area}", role="town", area=area), 3)
        with desk.database.writing() as session:
            session.add(line(f"s{at}", area))
    for role in ROLES:
        department = "medical_security" if role == "department" else ""
        for area in (VILLAGE_AREA, TOWN_AREA):
            accounts.create(
                desk, f"{role}-{area}", name="某人", role=role, area=area, department=department, password=PASSWORD
            )


def browsers(office: Office) -> dict[tuple[str, str], Browser]:
    """Everybody signed in, by role and relation."""
    found = {(role, area): signed_in(office, f"{role}-{area}") for role in ROLES for area in (VILLAGE_AREA, TOWN_AREA)}
    return {(role, relation): found[role, ACTOR_AREA[relation]] for role in ROLES for relation in RELATIONS}
