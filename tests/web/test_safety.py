"""What somebody with bad intent sends: to every door of the live route table, and to every field that is shown back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serving import observing
from serving.web.application import GONE, MOST_BYTES, web_application
from serving.web.office import Office
from serving.web.sessions import COOKIE, form_token
from tests.casework.desks import household
from tests.web.doors import PLAIN, live
from tests.web.offices import TOKEN, Browser, browser, signed_in
from tests.web.shown import rich

EVIL = "\"><script>alert(1)</script>'; DROP TABLE web_account; --{{7*7}}${7*7}"
PARTS = {
    **PLAIN,
    "household_id": household(0),
    "referral_id": "r1",
    "request_id": "q1",
    "resource_id": "s1",
    "area": "440000",
    "account": "t1",
}
QUERY = (
    "tab", "area", "search", "level", "reason", "change", "worker", "order", "after", "given", "conflicts", "left", "done",
    "answered", "subject", "account", "kind", "before", "next", "lang", "role", "away", "state", "code", "error",
)  # fmt: skip
FIELDS = (
    "account", "password", "next", "back", "language", "large", "do", "version", "name", "role", "area", "department",
    "capacity", "note", "reason", "words", "code", "help", "amount", "start", "end", "reasons", "to", "case", "need",
    "until", "on", "result", "referral", "visited_on", "onset", "recheck_on", "watch_until", "method", "validity", "met",
    "causes", "evidence", "needs", "minutes", "depth", "savings", "kin", "disposition", "reason_expense", "current",
    "chosen", "again", "lead", "co", "clause", "unit", "since", "source", "seen", "off", "worked", "zh", "en", "withdraw",
    "away_from", "away_until", "active", "urgent",
)  # fmt: skip
WHO = ("c1", "v1", "d1", "u1", "x1")


@pytest.fixture
def listed(office: Office) -> Office:
    rich(office.desk, 3)
    return office


def routes(office: Office, method: str) -> list[str]:
    return sorted(one.path for one in live(web_application(office).routes) if method in one.methods)


def token_of(made: Browser) -> str:
    return form_token(made.client.cookies.get(COOKIE, domain="testserver.local", path="/") or "")


def test_every_post_wants_the_token_of_its_session_and_comes_from_our_own_pages(listed: Office) -> None:
    other = token_of(signed_in(listed, "s1"))
    for path in routes(listed, "POST"):
        who = "c1" if not path.startswith("/admin") else "x1"
        made = signed_in(listed, who)
        place, right = path.format(**PARTS), token_of(made)
        if path == "/login":
            right = TOKEN.search(browser(listed).get("/login").text)[1]
        for data in ({}, {"form_token": ""}, {"form_token": "x" * 43}, {"form_token": other}):
            assert made.client.post(place, data=data, follow_redirects=False).status_code == 403, (path, data)
        for header in (
            {"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"}, {"origin": "http://testserver.evil.example"},
        ):  # fmt: skip
            answer = made.client.post(place, data={"form_token": right}, headers=header, follow_redirects=False)
            assert answer.status_code == 403, (path, header)
        assert made.get("/help/how-scores-work").status_code == 200, "and nobody was signed out by it"


def test_what_is_sent_in_an_address_comes_back_harmless(listed: Office) -> None:
    for who in (*WHO, ""):
        made = signed_in(listed, who) if who else browser(listed)
        for path in routes(listed, "GET"):
            for place in (path.format(**PARTS), path.format(**dict.fromkeys(PARTS, "%22%3E%3Cscript%3Ealert(1)"))):
                answer = made.get(place, params=dict.fromkeys(QUERY, EVIL))
                assert answer.status_code < 500 or answer.status_code == 503, (who, place, answer.status_code)
                assert "<script>alert" not in answer.text and "7*7}}${49" not in answer.text, (who, place)
                onward = answer.headers.get("location", "/")
                assert onward.startswith("/") and not {"<", '"', "'", "\n"} & set(onward), (who, place)


def test_what_is_sent_in_a_form_comes_back_harmless_and_changes_no_table(listed: Office) -> None:
    for who in ("c1", "v1", "d1", "x1"):
        made = signed_in(listed, who)
        for path in routes(listed, "POST"):
            if path in ("/logout", "/login"):
                continue
            for more in ({"do": "confirm"}, {"do": "close"}):
                data = {**dict.fromkeys(FIELDS, EVIL), "form_token": token_of(made), **more}
                answer = made.client.post(path.format(**PARTS), data=data, follow_redirects=False)
                assert answer.status_code < 500, (who, path, more)
                assert "<script>alert" not in answer.text, (who, path, more)
    answer = browser(listed).post("/login", "/login", account=EVIL, password=EVIL, next=EVIL)
    assert answer.status_code == 422 and "<script>alert" not in answer.text
    assert signed_in(listed, "c1").get("/weeks").status_code == 200


def test_no_way_out_of_a_folder_or_to_another_house(listed: Office) -> None:
    made = signed_in(listed, "c1")
    for name in ("../application.py", "..%2fapplication.py", "%2e%2e/office.py", "....//x", "/etc/passwd", "style.css%00",
                 "..%5c..%5cx", "%252e%252e%252foffice.py"):  # fmt: skip
        answer = made.get(f"/static/{name}")
        assert answer.status_code == 404 and "import" not in answer.text, name
    for name in ("../../etc/passwd", "%2e%2e", "a%00b", "x" * 5000, "%ff%fe", "家庭"):
        for pattern in ("/households/{}", "/referrals/{}", "/weeks/{}", "/overview/{}"):
            assert made.get(pattern.format(name)).status_code in (303, 403, 404, 422), (pattern, name[:20])
    for onward in ("//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
                   "/x\r\nset-cookie: a=b", " //evil.example", "javascript:alert(1)", "/%0d%0aset-cookie:a=b"):  # fmt: skip
        for path, page, field in (("/login", "/login", "next"), ("/preferences", "/help", "back")):
            one = browser(listed) if path == "/login" else signed_in(listed, "c1")
            answer = one.post(path, page, account="c1", password="correct horse 9", **{field: onward})
            place = answer.headers["location"]
            assert answer.status_code == 303 and place.startswith("/") and not place.startswith("//"), onward
            assert "\\" not in place and "\r" not in place and "\n" not in place and "a=b" not in str(answer.cookies)
        assert "evil.example" not in made.get("/auth/oidc/login", params={"next": onward}).headers.get("location", "")


def test_the_host_that_a_request_names_stands_nowhere(listed: Office) -> None:
    made = signed_in(listed, "c1")
    for path in ("/", "/weeks", "/nothing", "/login", "/help"):
        answer = made.get(path, headers={"x-forwarded-host": "evil.example", "x-forwarded-proto": "https"})
        assert "evil.example" not in answer.text + str(answer.headers)
    answer = browser(listed).get("/weeks", headers={"host": "evil.example"})
    assert answer.status_code == 303 and answer.headers["location"].startswith("/login")
    assert "evil.example" not in browser(listed).get("/login", headers={"host": "evil.example"}).text


def test_bodies_end_where_they_should_also_without_a_length(listed: Office) -> None:
    made = signed_in(listed, "c1")

    def parts() -> object:
        yield b"form_token=" + token_of(made).encode() + b"&large=1&x="
        for _ in range(MOST_BYTES // 1000 + 2):
            yield b"a" * 1000

    form = {"content-type": "application/x-www-form-urlencoded"}
    assert made.client.post("/preferences", content=parts(), headers=form).status_code == 413  # type: ignore[arg-type]
    many = "&".join(f"f{n}=1" for n in range(2000))
    answer = made.client.post("/preferences", content=f"form_token={token_of(made)}&{many}", headers=form)
    assert answer.status_code in (400, 413, 422)
    files = {"file": ("x.xlsx", b"x" * 100, "application/octet-stream")}
    answer = made.client.post("/preferences", data={"form_token": token_of(made)}, files=files, follow_redirects=False)
    assert answer.status_code in (303, 400, 403, 422)
    odd = {"content-type": "application/json"}
    assert made.client.post("/preferences", content=b'{"form_token": 1}', headers=odd).status_code == 403


def test_every_answer_carries_its_headers_and_no_page_is_kept(listed: Office) -> None:
    for who in ("c1", ""):
        made = signed_in(listed, who) if who else browser(listed)
        for path in [*(one.format(**PARTS) for one in routes(listed, "GET")), "/nothing"]:
            answer = made.get(path)
            headers = answer.headers
            assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY", path
            assert "default-src 'none'" in headers["content-security-policy"], path
            assert headers["cache-control"].startswith("no-store") or path.startswith("/static/"), path
    for cookie in browser(listed).get("/login").headers.get_list("set-cookie"):
        assert "HttpOnly" in cookie and "SameSite" in cookie


def test_a_telephone_that_leaves_while_it_sends_is_no_surprise(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a form, then nobody: nothing is answered, nothing reported as unforeseen."""
    rich(office.desk, 1)
    made, seen, sent = signed_in(office, "c1"), [], []
    told: list[int] = []
    monkeypatch.setattr(observing, "surprise", seen.append)
    monkeypatch.setattr(observing, "told", lambda _place, _method, status, *_rest, **_more: told.append(status))
    token = made.client.cookies.get(COOKIE, domain="testserver.local", path="/") or ""
    parts = iter([{"type": "http.request", "body": b"form_token=", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(parts)

    async def send(message: Any) -> None:
        sent.append(message)

    path = f"/households/{household(0)}/classifications"
    headers = [(b"host", b"testserver.local"), (b"cookie", f"{COOKIE}={token}".encode()),
               (b"content-type", b"application/x-www-form-urlencoded"), (b"content-length", b"999")]  # fmt: skip
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": headers, "http_version": "1.1", "scheme": "http", "root_path": "", "client": ("t", 1),
             "server": ("testserver.local", 80)}  # fmt: skip
    asyncio.run(web_application(office)(scope, receive, send))
    assert (seen, sent, told) == ([], [], [GONE])
