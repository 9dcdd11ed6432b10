"""Who may ask what: every endpoint × role × area, tokens over their life, and OIDC."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from typer.testing import CliRunner

from features.calendar import Period, period_index
from features.settings import Home
from serving.access.oidc import Oidc
from serving.access.roles import ROLES, SUPPORT
from serving.api.endpoints import ENDPOINTS
from serving.cli import app
from serving.runs import RunFolder
from tests.served import CHANGEABLE, COUNTY, DAY, OTHER_COUNTY, OTHER_TOWN, PROVINCE, TOWN, Made, headers, no_secrets

WEEK = str(Period("week", period_index("week", DAY)))
GUARDED = tuple(endpoint for endpoint in ENDPOINTS if not endpoint.open)
RELATIONS = ("own", "sibling", "parent", "child")
ASKER = {"own": TOWN, "sibling": TOWN, "parent": TOWN, "child": COUNTY}
"""Area of the token, by how the area that is asked about lies to it."""
WANTED = {"own": TOWN, "sibling": OTHER_TOWN, "parent": COUNTY, "child": TOWN}
HOUSEHOLD_IN = {"own": TOWN, "sibling": OTHER_TOWN, "parent": OTHER_COUNTY, "child": TOWN}
"""Households live in towns: of the parent's, one that is not in the asker's own area."""
EVERYWHERE = {"current_model"}


@pytest.fixture(scope="module")
def tokens(made: Made) -> dict[tuple[str, str], str]:
    return {(role, area): made.token(area, role) for role in ROLES for area in (TOWN, COUNTY)}


@pytest.fixture(scope="module")
def household(made: Made) -> dict[str, str]:
    scores = RunFolder(made.runs[1].folder).scores()
    found = {}
    for relation, area in HOUSEHOLD_IN.items():
        inside = scores[scores["area_code"].str.startswith(area)]
        found[relation] = str(inside["household_id"].iloc[0])
    return found


def ask(client: httpx.Client, name: str, token: str, household: str, area: str) -> httpx.Response:
    """A sound request to an endpoint, about a household or an area."""
    day, sent = str(DAY), headers(token, **{"idempotency-key": "0123456789"})
    bodies = {
        "score": {"as_of": day, "households": [household]},
        "explain": {"as_of": day, "households": [household]},
        "counterfactual": {"as_of": day, "household": household, "scenarios": [{"changes": {CHANGEABLE[0]: 0}}]},
        "deliveries": {"feed": "visits", "area": area, "records": [{"no such column": ""}]},
    }
    if name in bodies:
        return client.post(f"/api/v1/{name}", json=bodies[name], headers=sent)
    if name == "week_items":
        return client.get(f"/api/v1/weeks/{WEEK}/items", params={"area": area}, headers=sent)
    if name == "household":
        return client.get(f"/api/v1/households/{household}", headers=sent)
    assert name == "current_model", "a new endpoint needs a sound request here"
    return client.get("/api/v1/models/current", headers=sent)


@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("role", ROLES)
def test_the_matrix(client, tokens, household, endpoint, role):
    for relation in RELATIONS:
        token = tokens[role, ASKER[relation]]
        answer = ask(client, endpoint.name, token, household[relation], WANTED[relation])
        if role not in endpoint.roles:
            assert (answer.status_code, answer.json()["code"]) == (403, "role_refused")
        elif relation in ("own", "child") or endpoint.name in EVERYWHERE:
            passed = 422 if endpoint.name == "deliveries" else 200  # it got as far as its columns
            assert answer.status_code == passed, (relation, answer.text)
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "area_refused"), relation
            assert household[relation] not in answer.text


def test_a_batch_with_one_household_outside_is_refused_whole(client, made, household):
    token = made.token(TOWN, "town")
    body = {"as_of": str(DAY), "households": [household["own"], household["sibling"]]}
    assert client.post("/api/v1/score", json=body, headers=headers(token)).status_code == 403


def test_a_record_of_another_area_is_refused_with_the_whole_delivery(client, made):
    project = made.world.project
    feed, column = next(
        (name, rule.columns["area_code"])
        for name, feed in project.feeds.items()
        for rule in feed.profile.records
        if "area_code" in rule.columns
    )
    sent = headers(
        made.token(COUNTY, "department", ("delivery",)), purpose="delivery", **{"idempotency-key": "9876543210"}
    )
    for codes in ((COUNTY, OTHER_COUNTY), (PROVINCE,)):
        body = {"feed": feed, "area": COUNTY, "records": [{column: code} for code in codes]}
        answer = client.post("/api/v1/deliveries", json=body, headers=sent)
        assert (answer.status_code, answer.json()["code"]) == (403, "area_refused")
        assert OTHER_COUNTY not in answer.text


def test_without_a_token_nothing_is_told(client, made, household):
    good = made.token()
    for shown in ("", "Bearer", "Basic abc", f"Bearer {good}x", f"Bearer {good[:-1]}", "Bearer zj_x", f"Token {good}"):
        answer = client.get("/api/v1/models/current", headers={"authorization": shown, "zhouji-purpose": "visit"})
        assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_is_shown_once_and_ends(client, made, server, monkeypatch):
    monkeypatch.setenv("ZHOUJI_PROJECT", str(made.folder / "project" / "project.yaml"))
    home = ["--home", str(made.world.settings.home), "--json"]
    runner = CliRunner()

    def said(*arguments: str) -> dict[str, object]:
        result = runner.invoke(app, ["tokens", *arguments, *home])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    created = said("create", "--area", PROVINCE, "--role", "analyst", "--purpose", "evaluation", "--expires", "12h")
    token, token_id = str(created["token"]), str(created["token_id"])
    assert client.get("/api/v1/models/current", headers=headers(token, "evaluation")).status_code == 200
    other = client.get("/api/v1/models/current", headers=headers(token, "visit"))
    assert (other.status_code, other.json()["code"]) == (403, "purpose_not_granted")
    listed = said("list")["tokens"]
    assert token_id in {one["token_id"] for one in listed}  # type: ignore[union-attr,index]
    assert token not in json.dumps(listed)
    secret = token.split("_", 2)[2]
    files = list(Home(made.world.settings.home).project(made.world.project.name).access.glob("tokens.sqlite*"))
    assert not any(secret.encode() in file.read_bytes() for file in files)
    assert files[0].stat().st_mode & 0o077 == 0
    said("revoke", token_id)
    assert client.get("/api/v1/models/current", headers=headers(token, "evaluation")).status_code == 401
    for wrong in (
        ("--area", "nowhere", "--role", "county", "--purpose", "visit"),
        ("--area", PROVINCE, "--role", "king", "--purpose", "visit"),
        ("--area", PROVINCE, "--role", "county", "--purpose", "fraud"),
        ("--area", PROVINCE, "--role", "county", "--purpose", "visit", "--expires", "soon"),
    ):
        assert runner.invoke(app, ["tokens", "create", *wrong, *home]).exit_code == 2
    assert no_secrets(server.text()) == []


def test_an_expired_token_is_refused(client, made):
    token = made.token()
    path = Home(made.world.settings.home).project(made.world.project.name).access / "tokens.sqlite"
    database = sqlite3.connect(path)
    database.execute(
        "UPDATE token SET expires_at = '2020-01-01T00:00:00+00:00' WHERE token_id = ?", (token.split("_")[1],)
    )
    database.commit()
    database.close()
    assert client.get("/api/v1/models/current", headers=headers(token)).status_code == 401


@pytest.fixture
def issuer():
    key = RSAKey.generate_key(2048, {"kid": "one"})

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = f"http://127.0.0.1:{self.server.server_address[1]}"
            discovery = {"issuer": address, "jwks_uri": f"{address}/keys"}
            content = {"keys": [key.as_dict(private=False)]} if self.path == "/keys" else discovery
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", key
    server.shutdown()
    server.server_close()


def test_oidc_tokens_of_the_issuer_only(issuer):
    address, key = issuer
    verifier = Oidc(address, "zhouji")
    sound = {
        "iss": address, "aud": "zhouji", "sub": "u1", "exp": int(time.time()) + 60,
        "zhouji_area": COUNTY, "zhouji_role": "county", "zhouji_purposes": ["visit", "fraud"],
    }  # fmt: skip

    def principal(claims: dict[str, object], by: RSAKey = key):
        return verifier.principal(jwt.encode({"alg": "RS256", "kid": "one"}, claims, by))

    found = principal(sound)
    assert (found.area, found.role, found.purposes) == (COUNTY, "county", ("visit",))
    stranger = RSAKey.generate_key(2048, {"kid": "one"})
    assert principal(sound, stranger) is None
    for wrong in (
        {"aud": "another"}, {"iss": "http://elsewhere"}, {"exp": int(time.time()) - 60}, {"zhouji_role": "king"},
        {"zhouji_area": None}, {"zhouji_purposes": ["fraud"]},
    ):  # fmt: skip
        assert principal({**sound, **wrong}) is None, wrong
    assert verifier.principal("not.a.token") is None
    assert verifier.principal("eyJhbGciOiJub25lIn0.e30.") is None


def test_roles_and_purposes_speak_both_languages():
    for words in (*ROLES.values(), *SUPPORT.values()):
        assert words.zh
        assert words.en
