"""The common sign-in against a small issuer: who comes back as whom, and everything that must not come back."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import RSAKey

from serving.casework.keeping import lines
from serving.web import accounts
from serving.web.departures import GONE_AFTER
from serving.web.office import Office
from serving.web.sessions import COOKIE
from tests.casework.desks import Clock
from tests.web.issuers import CLIENT, SECRET, TestIssuer, issuing
from tests.web.offices import Browser, browser

AWAY_AGAIN = "/login?away=1"


@pytest.fixture
def issuer() -> Iterator[TestIssuer]:
    with issuing() as made:
        yield made


@pytest.fixture
def common(office: Office, issuer: TestIssuer) -> Office:
    settings = dataclasses.replace(
        office.settings, oidc_issuer=issuer.address, oidc_client=CLIENT, oidc_secret=SECRET, address="http://testserver"
    )
    return dataclasses.replace(office, settings=settings)


def away(made: Browser, onward: str = "/weeks") -> str:
    answer = made.get("/auth/oidc/login", params={"next": onward})
    assert answer.status_code == 303
    return answer.headers["location"]


def back(made: Browser, code: str, state: str) -> str:
    answer = made.get("/auth/oidc/callback", params={"code": code, "state": state})
    assert answer.status_code == 303
    return answer.headers["location"]


def test_somebody_goes_away_and_comes_back_as_the_account_that_exists(common: Office, issuer: TestIssuer) -> None:
    made = browser(common)
    assert "/auth/oidc/login" in made.get("/login?next=/weeks").text
    made.client.cookies.set(COOKIE, "planted")
    address = away(made)
    query = parse_qs(urlsplit(address).query)
    assert query["redirect_uri"] == ["http://testserver/auth/oidc/callback"] and query["scope"] == ["openid profile"]
    code, state = issuer.authorize(address)
    assert back(made, code, state) == "/weeks"
    token = made.client.cookies.get(COOKIE, path="/", domain="testserver.local")
    assert token and token != "planted"
    fresh = browser(common)
    fresh.client.cookies.set(COOKIE, token)
    assert fresh.get("/weeks").status_code == 200
    with common.desk.database.reading() as session:
        last = list(lines(session))[-1]
    assert (last.kind, last.account) == ("signed_in", "c1")
    assert back(made, code, state) == AWAY_AGAIN, "a departure is good once"


def test_only_the_browser_that_left_may_come_back_and_only_for_a_while(common: Office, issuer: TestIssuer, clock: Clock) -> None:  # fmt: skip
    victim, thief = browser(common), browser(common)
    code, state = issuer.authorize(away(thief))
    assert back(victim, code, state) == AWAY_AGAIN, "nobody is signed in as somebody else by a link"
    made = browser(common)
    code, state = issuer.authorize(away(made))
    clock.on(minutes=int(GONE_AFTER.total_seconds() // 60) + 1)
    assert back(made, code, state) == AWAY_AGAIN
    code, state = issuer.authorize(away(made))
    for wrong in ({"code": code}, {"state": state}, {"code": code, "state": "x" * 43}, {"error": "access_denied"}):
        assert made.get("/auth/oidc/callback", params=wrong).headers["location"] == AWAY_AGAIN
    assert made.get("/weeks").headers["location"].startswith("/login")


def test_a_token_that_is_not_for_us_of_now_and_of_this_departure_opens_nothing(common: Office, issuer: TestIssuer) -> None:  # fmt: skip
    now = int(time.time())
    for claims in (
        {"nonce": "another"}, {"aud": "another"}, {"iss": "http://elsewhere"}, {"exp": now - 3600}, {"nonce": None},
        {"preferred_username": None}, {"preferred_username": ""}, {"azp": "another"}, {"sub": None},
    ):  # fmt: skip
        made, issuer.claims = browser(common), claims
        assert back(made, *issuer.authorize(away(made))) == AWAY_AGAIN, claims
        assert made.client.cookies.get(COOKIE) is None
    issuer.claims, issuer.signs_with = {}, RSAKey.generate_key(2048, {"kid": "one"})
    made = browser(common)
    assert back(made, *issuer.authorize(away(made))) == AWAY_AGAIN
    issuer.signs_with = None
    code, state = issuer.authorize(away(made))
    issuer.codes[code]["code_challenge"] = "of another verifier"
    assert back(made, code, state) == AWAY_AGAIN


def test_nobody_gets_rights_by_signing_in(common: Office, issuer: TestIssuer) -> None:
    before = len(accounts.accounts(common.desk))
    issuer.who, issuer.claims = "stranger", {"role": "admin", "zhouji_role": "admin", "zhouji_area": "440000"}
    made = browser(common)
    assert back(made, *issuer.authorize(away(made))) == AWAY_AGAIN
    assert "没有登录成功" in made.get(AWAY_AGAIN).text
    assert len(accounts.accounts(common.desk)) == before
    accounts.disable(common.desk, "t1")
    issuer.who = "t1"
    assert back(made, *issuer.authorize(away(made))) == AWAY_AGAIN


def test_a_password_that_was_handed_over_opens_nothing_after_a_common_sign_in(common: Office, issuer: TestIssuer) -> None:  # fmt: skip
    area = common.tree.of_level("county")[0]
    _, password = accounts.create(common.desk, "c9", name="x", role="county", area=area, temporary=True)
    issuer.who, made = "c9", browser(common)
    assert back(made, *issuer.authorize(away(made))) == "/weeks"
    assert made.get("/weeks").status_code == 200
    assert browser(common).post("/login", "/login", account="c9", password=password).status_code == 422


def test_no_way_leads_to_another_house_and_none_at_all_where_it_is_not_set(common: Office, office: Office, issuer: TestIssuer) -> None:  # fmt: skip
    made = browser(common)
    assert back(made, *issuer.authorize(away(made, "//evil.example/"))) == "/"
    for path in ("/auth/oidc/login", "/auth/oidc/callback?code=a&state=b"):
        assert browser(office).get(path).status_code == 404
    assert "/auth/oidc" not in browser(office).get("/login").text


def test_an_issuer_that_does_not_answer_is_said_gently(office: Office) -> None:
    settings = dataclasses.replace(
        office.settings, oidc_issuer="http://127.0.0.1:9", oidc_client=CLIENT, address="http://testserver"
    )
    answer = browser(dataclasses.replace(office, settings=settings)).get("/auth/oidc/login")
    assert answer.status_code == 503 and "统一认证没有应答" in answer.text
    assert SECRET not in repr(dataclasses.replace(settings, oidc_secret=SECRET))
