"""The door: accounts, lock-out, sessions, tokens of forms, languages, headers, error pages."""

from __future__ import annotations

import re

import pytest

from features.errors import UsageError
from serving.casework.keeping import lines
from serving.casework.staffing import workers
from serving.web import accounts
from serving.web.application import POLICY
from serving.web.office import Office
from serving.web.sessions import COOKIE
from tests.casework.desks import Clock
from tests.web.offices import PASSWORD, browser, signed_in


def test_whoever_is_not_signed_in_comes_to_the_door_and_back(office: Office) -> None:
    made = browser(office)
    answer = made.get("/help/how-scores-work?a=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fhelp%2Fhow-scores-work%3Fa%3D1")
    page = made.get(answer.headers["location"])
    assert 'value="/help/how-scores-work?a=1"' in page.text
    made.post("/login", "/login", account="c1", password=PASSWORD, next="/help/how-scores-work")
    assert made.get("/help/how-scores-work").status_code == 200


def test_wrong_passwords_are_counted_alike_for_known_and_unknown_names(office: Office, clock: Clock) -> None:
    for name in ("c1", "nobody"):
        for left in (4, 3, 2, 1):
            answer = browser(office).post("/login", "/login", account=name, password="wrong")
            assert f"账号或密码不对，还可试 {left} 次" in answer.text
        assert "15 分钟后再试" in browser(office).post("/login", "/login", account=name, password="wrong").text
        assert "15 分钟后再试" in browser(office).post("/login", "/login", account=name, password=PASSWORD).text
    clock.on(minutes=16)
    assert browser(office).post("/login", "/login", account="c1", password=PASSWORD).status_code == 303


def test_a_password_that_is_right_forgets_the_wrong_ones(office: Office) -> None:
    for _ in range(3):
        browser(office).post("/login", "/login", account="c1", password="wrong")
        signed_in(office, "c1")
    assert "还可试 4 次" in browser(office).post("/login", "/login", account="c1", password="wrong").text


def test_a_session_is_new_at_sign_in_and_worth_nothing_after_sign_out(office: Office) -> None:
    made = browser(office)
    made.client.cookies.set(COOKIE, "planted")
    assert made.post("/login", "/login", account="c1", password=PASSWORD).status_code == 303
    token = made.client.cookies.get(COOKIE, path="/", domain="testserver.local")
    assert token and token != "planted"
    made.post("/logout")
    stolen = browser(office)
    stolen.client.cookies.set(COOKIE, token)
    assert stolen.get("/").headers["location"] == "/login"


def test_sessions_end_when_idle_and_in_any_case(office: Office, clock: Clock) -> None:
    made = signed_in(office, "c1")
    clock.on(minutes=29)
    assert made.get("/help/how-scores-work").status_code == 200
    clock.on(minutes=29)
    assert made.get("/help/how-scores-work").status_code == 200
    clock.on(minutes=31)
    assert made.get("/help/how-scores-work").status_code == 303
    made = signed_in(office, "c1")
    for _ in range(24):
        clock.on(minutes=25)
        made.get("/help/how-scores-work")
    clock.on(minutes=1)
    assert made.get("/help/how-scores-work").status_code == 303


def test_a_form_without_its_token_or_from_elsewhere_is_refused(office: Office) -> None:
    made = signed_in(office, "c1")
    assert made.client.post("/preferences", data={"large": "1"}).status_code == 403
    assert made.client.post("/preferences", data={"large": "1", "form_token": "x" * 43}).status_code == 403
    elsewhere = {"sec-fetch-site": "cross-site"}
    token = re.search(r'form_token" value="([^"]+)', made.get("/help").text)[1]
    sent = {"large": "1", "form_token": token}
    assert made.client.post("/preferences", data=sent, headers=elsewhere).status_code == 403
    assert made.client.post("/preferences", data=sent, headers={"origin": "http://evil.example"}).status_code == 403
    assert made.client.post("/preferences", data=sent, follow_redirects=False).status_code == 303
    assert browser(office).client.post("/login", data={"account": "c1", "password": PASSWORD}).status_code == 403


def test_cookies_are_for_the_server_alone(office: Office) -> None:
    answer = browser(office).post("/login", "/login", account="c1", password=PASSWORD)
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie


def test_the_account_speaks_before_the_address_and_that_before_the_browser(office: Office) -> None:
    made = browser(office)
    assert 'lang="zh-CN"' in made.get("/login").text
    assert '<html lang="en"' in made.get("/login", headers={"accept-language": "de, en;q=0.8"}).text
    assert '<html lang="zh-CN"' in made.get("/login?lang=zh", headers={"accept-language": "en"}).text
    made = signed_in(office, "c1")
    made.post("/preferences", language="en", large="1", back="/help")
    page = made.get("/help?lang=zh").text
    assert '<html lang="en" class="large">' in page


@pytest.mark.parametrize("path", ["/login", "/nothing", "/static/style.css", "/static/no"])
def test_every_answer_carries_the_policy(office: Office, path: str) -> None:
    answer = browser(office).get(path)
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_pages_of_others_say_whose_they_are_and_how_to_ask(office: Office) -> None:
    answer = signed_in(office, "v1").get("/audit")
    assert answer.status_code == 403
    assert "审计人员" in answer.text and "申请" in answer.text
    assert signed_in(office, "v1").get("/nothing").status_code == 404


def test_what_nobody_foresaw_has_a_number_and_no_trace(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    made = signed_in(office, "u1")
    monkeypatch.setattr("serving.web.pages.help_.show", lambda *_: 1 / 0)
    answer = made.get("/help")
    assert answer.status_code == 500
    assert re.search(r"编号：<strong>[0-9a-f]{8}</strong>", answer.text)
    assert "ZeroDivision" not in answer.text
    assert answer.headers["content-security-policy"] == POLICY


def test_a_body_has_its_limit(office: Office) -> None:
    made = signed_in(office, "c1")
    assert made.client.post("/preferences", data={"large": "1" * 400_000}).status_code == 413


def test_no_page_goes_on_to_another_house(office: Office) -> None:
    answer = browser(office).post("/login", "/login", account="c1", password=PASSWORD, next="//evil.example/")
    assert answer.headers["location"] == "/"


def test_a_disabled_account_is_out_at_once(office: Office) -> None:
    made = signed_in(office, "c1")
    accounts.disable(office.desk, "c1")
    assert made.get("/help/how-scores-work").status_code == 303
    assert browser(office).post("/login", "/login", account="c1", password=PASSWORD).status_code == 422


def test_an_account_with_a_capacity_can_be_given_visits_until_it_is_disabled(office: Office) -> None:
    desk = office.desk
    area = accounts.accounts(desk)[0].area

    def visiting() -> list[str]:
        with desk.database.reading() as session:
            return [one.account for one in workers(desk, session, desk.rules.day(desk.now()), area)]

    accounts.create(desk, "v9", name="x", role="village", area=area, capacity=4)
    assert "v9" in visiting()
    accounts.disable(desk, "v9")
    assert "v9" not in visiting()
    with pytest.raises(UsageError):
        accounts.create(desk, "d9", name="x", role="auditor", area=area, capacity=4)


def test_accounts_that_cannot_be_are_refused(office: Office) -> None:
    area = "440000"
    for name, role, department in (
        ("A B", "county", ""),
        ("ok", "nurse", ""),
        ("ok", "department", ""),
        ("ok", "county", "health"),
    ):
        with pytest.raises(UsageError, match="account"):
            accounts.create(office.desk, name, name="x", role=role, area=area, department=department)
    with pytest.raises(UsageError):
        accounts.create(office.desk, "ok", name="x", role="county", area=area, password="short")
    with pytest.raises(UsageError):
        accounts.create(office.desk, "c1", name="x", role="county", area=area)


def test_the_log_tells_of_the_door_and_keeps_no_password(office: Office) -> None:
    browser(office).post("/login", "/login", account="c1", password="my secret")
    signed_in(office, "c1").post("/logout")
    with office.desk.database.reading() as session:
        told = list(lines(session))
    assert [line.kind for line in told][-3:] == ["sign_in_refused", "signed_in", "signed_out"]
    assert "my secret" not in "".join(str(line.plain()) for line in told)


def test_without_tables_a_page_says_what_to_do(tmp_path) -> None:
    from serving.casework.database import Database
    from serving.web.application import web_application
    from tests.web.offices import Browser, make_office

    database = Database(f"sqlite:///{tmp_path}/new.sqlite")
    database.migrate()
    office = make_office(database, tmp_path)
    database.migrate("down", "base")
    from starlette.testclient import TestClient

    made = Browser(TestClient(web_application(office), raise_server_exceptions=False))
    answer = made.get("/login", headers={"cookie": "zhouji_session=x"})
    assert answer.status_code == 503 and "zhouji migrate up" in answer.text
    database.engine.dispose()
