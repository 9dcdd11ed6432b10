"""One week as people live it, in Chromium over a real service process: assigned, visited without a connection half-way,
answered, seen by the supervisor, and learnt from."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from features.engines.duckdb import engine
from serving.casework.desk import open_desk
from serving.web import accounts
from tests.served import DAY, Made, Server, copied, environment, serving
from tests.web.offices import PASSWORD
from tests.web.shots import CHROMIUM
from training.labels import label

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
PEOPLE = ("county", "town", "village", "department", "supervisor")


@dataclass
class Province:
    """A home with a published list made into cases, its pages, and where its people work."""

    made: Made
    server: Server

    def zhouji(self, *arguments: str) -> dict[str, Any]:
        ended = subprocess.run(
            [sys.executable, "-m", "serving.cli", *arguments, "--json"],
            env=environment(self.made), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    folder: Path = tmp_path_factory.mktemp("story")
    made = copied(tmp_path_factory, folder / "own")
    opened = Province(made, None)  # type: ignore[arg-type]
    opened.zhouji("migrate", "up")
    opened.zhouji("cases", "open", "--as-of", str(DAY))
    with serving(folder, environment(made)) as server:
        yield Province(made, server)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def people(province: Province, language: str, area: str) -> dict[str, str]:
    """One account of each role, for the area of one household."""
    desk = open_desk(province.made.world.project, province.made.world.settings)
    chain = [one.code for one in desk.tree.chain(area)]
    county = next(code for code in chain if len(code) == 6 and not code.endswith("00"))
    areas = {"village": area, "town": area, "county": county, "department": county, "supervisor": chain[-1]}
    names = {}
    for role in PEOPLE:
        names[role] = f"{role}-{language}"
        accounts.create(
            desk, names[role], name=role, role=role, area=areas[role], password=PASSWORD,
            department="medical_security" if role == "department" else "",
            capacity=20 if role in ("village", "town") else None,
        )  # fmt: skip
        accounts.prefer(desk, names[role], language=language)
    return names


def enter(chromium: Any, province: Province, account: str, width: int = 1440) -> Any:
    page = chromium.new_context(viewport={"width": width, "height": 900}).new_page()
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(f"{province.server.url}/login")
    page.fill("#account", account)
    page.fill("#password", PASSWORD)
    page.click("main button")
    page.wait_for_load_state()
    return page


def pick(page: Any, name: str, value: str) -> None:
    page.locator(f"label.choice:has(input[name='{name}'][value='{value}'])").click()


def assigned(page: Any, household: str, visitor: str) -> None:
    """The county looks at this week's list, finds the household, and gives the visit to somebody."""
    assert "/weeks/" in page.url
    page.fill("input[name=search]", household[:8])
    page.click("form.filters button")
    assert page.locator("tbody tr").count() == 1
    page.check("tbody input[name=case]")
    page.select_option("select[name=to]", visitor)
    page.click(".batch button")
    page.wait_for_url("**given=1**")


def visited(phone: Any, household: str, today: str) -> None:
    """The village's visitor goes there with a phone; half-way the connection is lost."""
    assert phone.url.endswith("/tasks")
    phone.click(f"a[href='/households/{household}']")
    assert "100" not in phone.locator("main h1").inner_text()
    phone.fill("#f-visited_on", today)
    pick(phone, "method", "home")
    phone.context.set_offline(True)
    pick(phone, "met", "head")
    phone.fill("#f-minutes", "35")
    for verdict in phone.locator("#f-reasons input[value='true']").all():
        verdict.locator("xpath=..").click()
    for name, value in (("validity", "V1"), ("causes", "C1"), ("depth", "2"), ("evidence", "bills")):
        pick(phone, name, value)
    pick(phone, "disposition", "D3")
    phone.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    pick(phone, "needs", "N04")
    phone.click("button[value=submit]")
    assert phone.locator("[data-offline]").is_visible()
    phone.context.set_offline(False)
    phone.reload()
    assert phone.locator("#f-minutes").input_value() == "35"
    assert phone.locator("input[name=validity][value=V1]").is_checked()
    phone.click("button[value=submit]")
    phone.wait_for_url("**done=classified*")
    assert phone.locator("#alert").is_visible()  # only now the score is there
    assert phone.evaluate(f"localStorage.getItem('draft:{household}')") is None


def referred(town: Any, address: str) -> None:
    """The town refers what was found."""
    town.goto(address)
    town.click("#do-refer summary")
    town.select_option("#refer-need", "N04")
    town.click("#do-refer button")
    town.wait_for_url("**done=refer")


def answered(desk: Any, help_: str, today: str) -> None:
    """The department says what it gave."""
    desk.click("tbody a")
    pick(desk, "code", "F1")
    desk.fill("#help", help_)
    desk.fill("#amount", "1,200")
    desk.fill("#start", today)
    desk.click("main form button.main")
    desk.wait_for_url("**done=F1")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_week_from_the_list_to_the_next_training(province: Province, chromium: Any, language: str) -> None:
    url, made = province.server.url, province.made
    rows = made.runs[-1].folder.joinpath("list.json").read_text(encoding="utf-8")
    listed = json.loads(rows)["households"][0 if language == "zh" else 1]
    household = listed["household_id"]
    names = people(province, language, listed["area_code"])
    today = str(open_desk(made.world.project, made.world.settings).rules.day(_now(made)))

    assigned(enter(chromium, province, names["county"]), household, names["village"])
    visited(enter(chromium, province, names["village"], 390), household, today)
    referred(enter(chromium, province, names["town"]), f"{url}/households/{household}")
    kind = "门诊医疗救助" if language == "zh" else "outpatient aid"
    answered(enter(chromium, province, names["department"]), kind, today)

    # the supervisor sees the area's figures, small ones hidden
    above = enter(chromium, province, names["supervisor"])
    above.goto(f"{url}/overview")
    assert above.locator("main h1").is_visible() and household[:4] not in above.locator("main").inner_text()

    # what was found is an outcome of the next training
    told = province.zhouji("cases", "remind")
    assert told["outcomes"]["findings"] == 1 and told["outcomes"]["counts"]
    world = made.world
    with engine(world.settings) as opened:
        _, task = world.project.task()
        day = _now(made).date() - timedelta(weeks=1)
        later = day + timedelta(weeks=26)  # when this day's outcomes are known, and training may use them
        labels = label(world.project, task, world.store, [day], known_by=later, engine=opened)
    row = labels[labels["household_id"] == household].iloc[0]
    assert row["outcome"] == 1.0, dict(row)


def _now(made: Made) -> Any:
    return open_desk(made.world.project, made.world.settings).now()
