"""The OpenAPI document is true: schemathesis asks what it allows and what it forbids, with all checks on; and bodies
that no document describes get the right 4xx."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode

from serving.api.endpoints import BY_NAME
from tests.served import DAY, Made, Server, copied, environment, headers, no_secrets, serving

CASES = {
    "score": 70, "explain": 30, "counterfactual": 50, "current_model": 20, "week_items": 50, "household": 40,
    "deliveries": 20, "alive": 5, "ready": 5, "openapi": 10,
}  # fmt: skip
"""300 in all; the drill asks 5,000."""


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Made:
    """A home of its own, because deliveries are taken in."""
    return copied(tmp_path_factory, tmp_path_factory.mktemp("contract") / "own")


@pytest.fixture(scope="module")
def service(own: Made, tmp_path_factory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("log"), environment(own)) as found:
        yield found


@pytest.fixture(scope="module")
def asking(service: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as found:
        yield found


def check(service: Server, own: Made, name: str, cases: int) -> None:
    """Ask an endpoint so many things, half of them allowed by the document and half forbidden."""
    endpoint = BY_NAME[name]
    schema = schemathesis.openapi.from_url(f"{service.url}/api/v1/openapi.json")
    operation = schema[endpoint.path][endpoint.method]
    sent = (
        {}
        if endpoint.open
        else {"Authorization": f"Bearer {own.token(role='department' if name == 'deliveries' else 'county')}"}
    )
    modes = [GenerationMode.POSITIVE]
    if not endpoint.open:
        modes.append(GenerationMode.NEGATIVE)
    for mode in modes:

        @settings(
            max_examples=-(-cases // len(modes)), deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=sent)

        ask()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_what_the_document_says_is_so(service, own, name):
    check(service, own, name, CASES[name])


@pytest.mark.drill
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_five_thousand_cases(service, own, name):
    check(service, own, name, CASES[name] * 17)


def send(asking: httpx.Client, token: str, content: object, path: str = "score", **more: str) -> httpx.Response:
    sent = headers(token, **{"content-type": "application/json", **more})
    return asking.post(f"/api/v1/{path}", content=content, headers=sent)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def token(own: Made) -> str:
    return own.token()


@pytest.fixture(scope="module")
def needed(own: Made) -> list[str]:
    return own.world.registry.fetch(own.world.project.name, own.world.task)[1].needed


def body(needed: list[str], value: str = "1", more: str = "") -> bytes:
    pairs = ", ".join(f"{json.dumps(name)}: {value}" for name in needed)
    return f'{{"as_of": "{DAY}", "rows": [{{{pairs}{more}}}]}}'.encode()


HOSTILE = {
    "NaN": ("NaN", 422), "Infinity": ("Infinity", 422), "-Infinity": ("-Infinity", 422), "1e999": ("1e999", 422),
    "a text": ('"1"', 422), "true": ("true", 422), "a list": ("[1]", 422), "an object": ('{"a": 1}', 422),
    "many digits": ("9" * 400, 422), "half a number": ("1.", 400), "nothing": ("", 400),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_values_that_are_no_numbers(asking, token, needed, name):
    value, status = HOSTILE[name]
    answer = send(asking, token, body(needed, value))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_missing_and_further_fields(asking, token, needed):
    assert send(asking, token, body(needed)).status_code == 200
    for wrong in (body(needed[1:]), body(needed, more=', "another": 1')):
        answer = send(asking, token, wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "row_indicators_wrong")
        assert "another" not in answer.text
    secret = "张三 440102199001011234"
    answer = send(asking, token, json.dumps({"as_of": str(DAY), "rows": [{}], secret: secret}).encode())
    assert answer.status_code == 422
    assert secret not in answer.text
    assert "440102" not in answer.text


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"a":' * 50_000, "application/json", 400),
        (b"\xff\xfe{\x00}\x00", "application/json", 400),
        ("{\"as_of\": \"2026年\"}".encode("gb18030"), "application/json", 400),
        (b"\x80\x04K\x01.", "application/vnd.bentoml+pickle", 415),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b"{}", "application/json; charset=gb18030", 415),
        (b"null", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"{}", "application/json", 422),
    ],
)  # fmt: skip
def test_bodies_that_are_no_request(asking, token, content, kind, status):
    answer = send(asking, token, content, **{"content-type": kind})
    assert answer.status_code == status, answer.text
    assert answer.json()["zh"]["title"]


def test_bodies_that_are_too_large(asking, token):
    large = b" " * (50 * 2**20)
    whole = send(asking, token, large)
    assert (whole.status_code, whole.json()["code"]) == (413, "body_too_large")

    def chunks() -> Iterator[bytes]:
        for _ in range(50):
            yield b" " * 2**20

    chunked = send(asking, token, chunks())
    assert (chunked.status_code, chunked.json()["code"]) == (413, "body_too_large")
    packed = send(asking, token, b"\x1f\x8b", **{"content-encoding": "gzip"})
    assert packed.status_code == 415


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=200))
def test_any_bytes_at_all(asking, token, content):
    assert 400 <= send(asking, token, content).status_code < 500


def test_parameters_that_are_wrong(asking, token):
    path = "/api/v1/weeks/2026-W45/items"
    for query in (
        "limit=0",
        "limit=5_0",
        "limit=%205",
        "limit=1&limit=2",
        "a=1",
        "&".join(["limit=1"] * 40),
        "after=%C3%A0",
    ):
        answer = asking.get(f"{path}?{query}", headers=headers(token))
        assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid"), query


def test_addresses_and_methods(asking, token):
    home = asking.get("/", follow_redirects=False)  # a page: to the door
    assert (home.status_code, home.headers["location"]) == (303, "/login")
    for path in (
        "/docs.json",
        "/schema.json",
        "/healthz",
        "/api/v1/score/",
        "/api/v2/score",
        "/static_content/x",
        "/score",
    ):
        assert asking.get(path).status_code == 404, path
    answer = asking.delete("/api/v1/score", headers=headers(token))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def deliver(
    asking: httpx.Client, token: str, key: str, records: list[dict[str, str]], feed: str = "events"
) -> httpx.Response:
    content = {"feed": feed, "area": "441802", "records": records}
    return asking.post(
        "/api/v1/deliveries", json=content, headers=headers(token, "delivery", **{"idempotency-key": key})
    )


def test_a_delivery_is_taken_in_once(asking, own, service):
    department = own.token("441802", "department")
    columns = list(own.world.project.feeds["events"].profile.columns)
    record = dict.fromkeys(columns, "不是数据 440102199001011234")
    first = deliver(asking, department, "delivery-0001", [record])
    assert first.status_code == 200, first.text
    told = first.json()
    assert told["delivered"] == told["accepted"] + told["already_known"] + told["quarantined"] == 1
    assert told["quarantined"] == 1
    assert told["rejected"][0]["repair"]["zh"]
    assert "440102" not in first.text
    again = deliver(asking, department, "delivery-0001", [record])
    assert again.json() == {**told, "replayed": True}
    assert again.headers["idempotent-replayed"] == "true"
    other = deliver(asking, department, "delivery-0001", [{columns[0]: "x"}])
    assert (other.status_code, other.json()["code"]) == (409, "key_used")
    known = deliver(asking, department, "delivery-0002", [record])
    assert known.json()["delivery_id"] == told["delivery_id"], "the same content has one receipt"
    short = deliver(asking, department, "short", [record])
    assert (short.status_code, short.json()["code"]) == (400, "idempotency_key_missing")
    assert deliver(asking, department, "delivery-0003", [record], feed="nothing").status_code == 404
    assert "440102" not in service.text()


def test_nothing_personal_was_logged(service):
    assert no_secrets(service.text()) == []
    assert "Traceback" not in service.text()
    assert '"status": 500' not in service.text()
