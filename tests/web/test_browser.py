"""In Chromium: axe over the route table, on a desk and on a phone; keyboard only; no script; nothing against the policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from serving.casework import actions as a
from serving.casework import cases, staffing
from serving.web.application import web_application
from serving.web.office import Office
from tests.casework.desks import household
from tests.casework.made import COUNTY, COUNTY_AREA, TOWN, VILLAGE, form
from tests.web.doors import live
from tests.web.offices import PASSWORD
from tests.web.shots import CHROMIUM, running
from tests.web.shown import rich

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
WHO = {
    "/": "c1", "/login": "", "/weeks": "c1", "/weeks/{week}": "c1", "/tasks": "v1", "/referrals": "d1",
    "/referrals/{referral_id}": "d1", "/overview": "c1", "/overview/{area}": "s1", "/audit": "u1", "/help": "",
    "/help/how-scores-work": "c1", "/households/{household_id}": "v1", "/households/{household_id}/reveal": "v1",
    "/escalated": "c1", "/password": "c1", "/workers": "t1", "/workers/{account}": "t1", "/admin": "x1",
    "/admin/accounts": "x1", "/admin/accounts/new": "x1", "/admin/accounts/{account}": "x1", "/admin/areas": "x1",
    "/admin/areas/{area}": "x1", "/admin/routing": "x1", "/admin/calendar": "x1", "/admin/texts": "x1",
    "/admin/rules/{kind}/{key}": "x1",
}  # fmt: skip
PARTS = {
    "week": "2026-03-01", "referral_id": "r1", "area": COUNTY_AREA, "household_id": household(5), "account": "v1",
    "kind": "need", "key": "N04",
}  # fmt: skip
ELSEWHERE = ("/auth/oidc/login", "/auth/oidc/callback")
"""No pages: they lead to the issuer and back."""
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def address(office: Office) -> Iterator[str]:
    rich(office.desk, 25)
    staffing.put_worker(office.desk, COUNTY, VILLAGE, 30)
    with office.desk.database.reading() as session:
        ids = {n: cases.newest_case(session, household(n)).case_id for n in (0, 5)}
    for case_id in ids.values():
        office.desk.act(a.Assign(by=TOWN, to=VILLAGE), case_id, 0)
    office.desk.act(a.Classify(by=VILLAGE, form=form("V1")), ids[0], 1)
    office.desk.act(a.Refer(by=TOWN, referral_id="r1", need="N04"), ids[0], 2)
    with running(office) as made:
        yield made


@pytest.fixture
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def enter(page: Any, address: str, who: str) -> None:
    page.goto(f"{address}/login")
    page.fill("#account", who)
    page.fill("#password", PASSWORD)
    page.click("main button")


def test_every_page_of_the_route_table_has_somebody(office: Office) -> None:
    shown = {one.path for one in live(web_application(office).routes) if "GET" in one.methods}
    assert shown - {"/static/{name}", *ELSEWHERE} == set(WHO)


@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_and_nothing_runs_over(address: str, chromium: Any, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    wrong: list[str] = []
    for who in sorted(set(WHO.values())):
        context = chromium.new_context(viewport={"width": width, "height": 900}, locale="zh-CN", bypass_csp=True)
        page = context.new_page()
        if who:
            enter(page, address, who)
        places = [path.format(**PARTS) for path, whose in WHO.items() if whose == who]
        places += [f"/households/{household(n)}" for n in (0, 3)] if who == "c1" else []
        for path in places:
            page.goto(address + path)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wrong.append(f"{path}: wider than {width}")
            found = Axe().run(page, options={"runOnly": TAGS})
            wrong += [f"{path}: {one['id']} {one['nodes'][0]['html'][:90]}" for one in found.response["violations"]]
        context.close()
    assert wrong == []


def test_a_record_is_handed_in_by_keyboard_and_without_scripts(address: str, chromium: Any, office: Office) -> None:
    for script in (True, False):
        context = chromium.new_context(viewport={"width": 390, "height": 900}, java_script_enabled=script)
        page = context.new_page()
        told: list[str] = []
        page.on("console", lambda message, told=told: told.append(message.text))
        enter(page, address, "v1")
        page.goto(f"{address}/households/{household(5)}")
        page.keyboard.press("Tab")
        assert "跳到正文" in page.locator(":focus").inner_text() or "Skip" in page.locator(":focus").inner_text()
        page.locator("button[value=submit]").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#summary")
        assert page.locator("#summary a").count() >= 4
        page.locator("#summary a").first.focus()
        page.keyboard.press("Enter")
        assert "#f-" in page.url
        assert [line for line in told if "Content Security Policy" in line] == []
        context.close()
