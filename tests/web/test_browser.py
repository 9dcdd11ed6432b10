"""In Chromium: axe over the route table, on a desk and on a phone; keyboard only; no script; nothing against the policy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from serving.casework import actions as a
from serving.casework import cases, requests, staffing
from serving.web import accounts
from serving.web.application import web_application
from serving.web.office import Office
from tests.casework.desks import household
from tests.casework.made import COUNTY, COUNTY_AREA, TOWN, TOWN_AREA, VILLAGE, form
from tests.web.carded import known
from tests.web.doors import line, live
from tests.web.offices import PASSWORD, TOKEN, signed_in
from tests.web.published import VISIT, answered, publish
from tests.web.shots import CHROMIUM, running

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
WHO = {
    "/": "c1", "/login": "", "/weeks": "c1", "/weeks/{week}": "c1", "/tasks": "v1", "/referrals": "d1",
    "/referrals/{referral_id}": "d1", "/overview": "c1", "/overview/{area}": "s1", "/audit": "u1", "/help": "",
    "/help/how-scores-work": "c1", "/households/{household_id}": "v1",
    "/households/{household_id}/records": "v1", "/households/{household_id}/records/{feed}": "c1",
    "/households/{household_id}/sheet": "v1", "/weeks/{week}/import": "c1", "/weeks/{week}/import/{key}": "c1",
    "/exports": "c1", "/feedback": "s1", "/quality": "s1", "/about": "", "/models": "a1", "/models/{version}": "a1",
    "/models/{version}/cases/{household_id}": "a1", "/households/{household_id}/reveal": "v1", "/escalated": "c1",
    "/requests": "c1", "/requests/{request_id}": "c1", "/households/{household_id}/requests": "t1", "/password": "c1", "/workers": "t1", "/workers/{account}": "t1", "/admin": "x1", "/admin/accounts": "x1",
    "/admin/accounts/new": "x1", "/admin/accounts/{account}": "x1", "/admin/areas": "x1", "/admin/areas/{area}": "x1",
    "/resources": "t1", "/resources/new": "t1", "/resources/{resource_id}": "t1",
    "/admin/routing": "x1", "/admin/calendar": "x1", "/admin/texts": "x1", "/admin/rules/{kind}/{key}": "x1",
}  # fmt: skip
FILES = {
    "/static/{name}", "/households/{household_id}/sheet.pdf", "/weeks/{week}/list.xlsx",
    "/weeks/{week}/import/{key}/errors.xlsx", "/exports/{key}/file",
    "/overview/{area}/bulletin.pdf", "/overview/{area}/bulletin.docx", "/auth/oidc/login", "/auth/oidc/callback",
}  # fmt: skip
"""What is no page: files, and the ways to an issuer and back."""
PARTS = {
    "week": "2026-03-01", "referral_id": "r1", "area": COUNTY_AREA, "household_id": household(5), "feed": "visits",
    "version": "1", "account": "v1", "kind": "need", "key": "N04", "resource_id": "s1",
}  # fmt: skip
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def address(office: Office) -> Iterator[str]:
    publish(office, 25)
    staffing.put_worker(office.desk, COUNTY, VILLAGE, 30)
    with office.desk.database.reading() as session:
        ids = {n: cases.newest_case(session, household(n)).case_id for n in (0, 3, 5)}
    for case_id in ids.values():
        office.desk.act(a.Assign(by=TOWN, to=VILLAGE), case_id, 0)
    office.desk.act(a.Classify(by=VILLAGE, form=form("V1")), ids[0], 1)
    office.desk.act(a.Refer(by=TOWN, referral_id="r1", need="N04"), ids[0], 2)
    office.desk.act(a.Classify(by=VILLAGE, form=form("V3")), ids[3], 1)
    with office.desk.database.writing() as session:
        session.add(line("s1", TOWN_AREA))
    PARTS["sent"] = sent(office)
    paper = requests.Authorisation(number="A-1", signed_on=date(2026, 3, 1), persons=2, scope=("savings", "cars"))
    asked = requests.ask(office.desk, TOWN, "verification", ids[0], authorisation=paper)
    PARTS["request_id"] = asked.request_id
    known(office)
    with running(office) as made:
        yield made


def sent(office: Office) -> str:
    """A list that was sent and waits for its confirmation: rows to take, to compare and to send back."""
    who = signed_in(office, "c1")
    content = who.get("/weeks/2026-03-01/list.xlsx").content
    visit = {**VISIT, "finding_date": "2026-03-01"}
    filled = answered(content, {1: visit, 2: {**visit, "validity": "?"}, 3: visit})
    who.post("/exports", "/help", week="2026-03-01", format="csv")
    token = TOKEN.search(who.get("/help").text)
    assert token is not None
    answer = who.client.post(
        "/weeks/2026-03-01/import", data={"form_token": token[1]}, files={"file": ("list.xlsx", filled)},
        follow_redirects=False,
    )  # fmt: skip
    return str(answer.headers["location"]).rsplit("/", 1)[1]


@pytest.fixture
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def place(path: str) -> str:
    """An address of the pattern; a list that was sent has a key of its own."""
    return path.format(**{**PARTS, "key": PARTS["sent"]} if "/import/" in path else PARTS)


def enter(page: Any, address: str, who: str) -> None:
    page.goto(f"{address}/login")
    page.fill("#account", who)
    page.fill("#password", PASSWORD)
    page.click("main button")


def test_every_page_of_the_route_table_has_somebody(office: Office) -> None:
    shown = {one.path for one in live(web_application(office).routes) if "GET" in one.methods} - FILES
    assert shown == set(WHO), shown ^ set(WHO)


VARIANTS = {
    "desktop": (1440, "zh", False), "phone": (390, "zh", False), "large type": (1440, "zh", True),
    "English": (1440, "en", False), "English phone, large type": (390, "en", True), "narrow": (320, "zh", False),
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_axe_finds_nothing_and_nothing_runs_over(address: str, chromium: Any, office: Office, variant: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    width, language, large = VARIANTS[variant]
    wrong: list[str] = []
    for who in sorted(set(WHO.values())):
        locale = {"zh": "zh-CN", "en": "en-US"}[language]
        context = chromium.new_context(viewport={"width": width, "height": 900}, locale=locale, bypass_csp=True)
        page = context.new_page()
        if who:
            accounts.prefer(office.desk, who, language=language, large=large)
            enter(page, address, who)
        places = [place(path) for path, whose in WHO.items() if whose == who]
        places += [f"/households/{household(n)}" for n in (0, 3)] if who == "c1" else []
        for path in places:
            page.goto(address + path)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wrong.append(f"{path}: wider than {width}")
            if variant == "narrow":
                continue
            found = Axe().run(page, options={"runOnly": TAGS, "resultTypes": ["violations"]})
            wrong += [f"{path}: {one['id']} {one['nodes'][0]['html'][:90]}" for one in found.response["violations"]]
        context.close()
    assert wrong == []


def walk_to(page: Any, selector: str) -> None:
    """Press Tab until something has the focus."""
    for _ in range(250):
        if page.locator(f"{selector}:focus").count():
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached by Tab")


@pytest.mark.parametrize("script", [True, False])
def test_a_visit_is_recorded_by_keyboard_alone_with_and_without_scripts(
    address: str, chromium: Any, office: Office, script: bool
) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 900}, java_script_enabled=script)
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.goto(f"{address}/login")
    walk_to(page, "#account")
    page.keyboard.type("v1")
    walk_to(page, "#password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks")
    page.keyboard.press("Tab")
    assert page.locator(":focus").get_attribute("href") == "#main"  # the way past the navigation comes first
    walk_to(page, f"a[href='/households/{household(5)}']")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/households/{household(5)}")

    # handed in empty: all mistakes on top, each a way to its field
    walk_to(page, "button[value=submit]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#summary")
    assert page.locator("#summary a").count() >= 4
    walk_to(page, "#summary a")
    page.keyboard.press("Enter")
    assert "#f-" in page.url

    page.locator("#f-visited_on").fill("2026-03-02")  # how a date is typed is the browser's
    for field, value in (
        ("method", "home"), ("met", "head"), ("validity", "V3"), ("evidence", "bills"), ("disposition", "D6"),
    ):  # fmt: skip
        # arrows move within a group of radio buttons; the space bar chooses
        group = f"input[name='{field}']"
        walk_to(page, group)
        for _ in range(40):
            if page.locator(f"{group}[value='{value}']:focus").count():
                break
            page.keyboard.press(
                "ArrowDown" if page.locator(f"{group}:focus").get_attribute("type") == "radio" else "Tab"
            )
        page.keyboard.press("Space")
        assert page.locator(f"{group}[value='{value}']").is_checked(), (field, value)
    walk_to(page, "#f-minutes")
    page.keyboard.type("30")
    walk_to(page, "#f-note")
    page.keyboard.type("family copes with help of kin")
    walk_to(page, "button[value=submit]")
    page.keyboard.press("Enter")
    page.wait_for_url("**done=classified*")
    assert [line for line in told if "Content Security Policy" in line] == []
    with office.desk.database.reading() as session:
        case = cases.newest_case(session, household(5))
    assert case is not None and case.first is not None and case.first.form.validity == "V3"
    context.close()
