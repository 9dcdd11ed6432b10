"""Limits, logs and traces of the service without a server."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from features.settings import Settings
from serving.api import limits
from serving.api.endpoints import ENDPOINTS
from serving.api.gate import guard
from serving.api.limits import InFlight, Rate, read_body
from serving.api.problems import Refusal, refuse
from serving.observing import Discreet, Traces


def test_a_sender_that_asks_too_often_is_told_when_to_come_again():
    rate = Rate(0.5)
    rate.take("one")
    with pytest.raises(Refusal) as caught:
        rate.take("one")
    rate.take("another")
    assert (int(caught.value.status), caught.value.retry_after) == (429, 2)
    assert caught.value.headers_for("zh")["retry-after"] == "2"


def test_more_than_can_be_answered_is_shed():
    most = InFlight(2)
    with most, most:
        with pytest.raises(Refusal) as caught, most:
            pass
        assert int(caught.value.status) == 429
    with most:
        assert most.now == 1


def test_bodies_are_counted_as_they_come(monkeypatch):
    def arriving(*parts: bytes):
        messages = [
            {"type": "http.request", "body": part, "more_body": at + 1 < len(parts)} for at, part in enumerate(parts)
        ]

        async def receive():
            return messages.pop(0) if messages else await asyncio.sleep(60)

        return receive

    assert asyncio.run(read_body(arriving(b"ab", b"c"), 3, None)) == b"abc"
    for parts in ((b"abcd",), (b"ab", b"cd"), (b"ab", b"", b"cd")):
        with pytest.raises(Refusal) as caught:
            asyncio.run(read_body(arriving(*parts), 3, None))
        assert int(caught.value.status) == 413
    monkeypatch.setattr(limits, "SECONDS", 0.05)

    async def never():
        return (
            {"type": "http.request", "body": b"", "more_body": True}
            if not asked.append(1) and len(asked) < 2
            else await asyncio.sleep(60)
        )

    asked: list[int] = []
    with pytest.raises(Refusal) as slow:
        asyncio.run(read_body(never, 3, None))
    assert int(slow.value.status) == 408


def test_purposes():
    guard("visit", ("visit",))
    for purpose, code in (
        ("", "purpose_missing"),
        ("police", "purpose_refused"),
        ("x", "purpose_unknown"),
        ("aid", "purpose_not_granted"),
    ):
        with pytest.raises(Refusal) as caught:
            guard(purpose, ("visit",))
        assert caught.value.code == code


def test_problems_are_whole_in_both_languages():
    told = json.loads(refuse(429, "overloaded", seconds=1).body("id", "en"))
    assert told["title"] == told["en"]["title"]
    assert told["type"] == "urn:zhouji:problem:overloaded"
    assert set(told) == {"type", "title", "status", "detail", "code", "request_id", "zh", "en", "errors", "days"}


def test_a_logged_error_keeps_its_place_and_loses_its_values():
    try:
        int("张三 440102199001011234")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "on %s", ("/households/abc",), sys.exc_info())
    assert Discreet().filter(record)
    text = logging.Formatter().format(record)
    assert "ValueError, test_service_limits.py" in text
    assert "440102" not in text
    assert "households" not in text


def test_spans_name_the_endpoint_and_nothing_else():
    posted: list[dict[str, object]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    traces = Traces(Settings(otlp_endpoint=f"http://127.0.0.1:{server.server_address[1]}"))
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with traces.span("household", {"traceparent": parent}):
        pass
    traces.close()
    server.shutdown()
    server.server_close()
    span = posted[0]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]  # type: ignore[index]
    assert (span["name"], span["traceId"], span["parentSpanId"]) == ("household", parent[3:35], parent[36:52])
    with Traces(Settings()).span("score", {}) as nothing:
        assert nothing is None


def test_every_endpoint_speaks_both_languages():
    for endpoint in ENDPOINTS:
        assert endpoint.summary.zh
        assert endpoint.summary.en
