"""What a running service says of itself: measures, one log line a request, and traces where they are wanted.

Names of endpoints, statuses and counts only. No household, no person, no address with an id in it, and no traceback
with values: whatever is logged anywhere in the process passes `Discreet` first.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import prometheus_client as prometheus
from prometheus_client import multiprocess

from features.settings import Settings
from serving.api.asked import Asked

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
REQUESTS = prometheus.Counter("zhouji_requests", "Requests by endpoint and status", ["endpoint", "status"])
SECONDS = prometheus.Histogram("zhouji_request_seconds", "Seconds to answer", ["endpoint"], buckets=BUCKETS)
REFUSALS = prometheus.Counter("zhouji_refusals", "Refusals by problem code", ["code"])
ROWS = prometheus.Counter("zhouji_rows", "Rows and households asked about", ["endpoint"])
IN_FLIGHT = prometheus.Gauge("zhouji_in_flight", "Requests being answered", multiprocess_mode="livesum")
SWAPS = prometheus.Counter("zhouji_model_swaps", "Versions that took their place")
REACHABLE = prometheus.Gauge(
    "zhouji_registry_reachable", "1 where the registry answers", multiprocess_mode="livemostrecent"
)
REFUSED_BUNDLE = prometheus.Gauge(
    "zhouji_bundle_refused", "1 while a bundle is refused", multiprocess_mode="livemostrecent"
)
LIST_AGE = prometheus.Gauge(
    "zhouji_list_age_days", "Days since the newest list's data", multiprocess_mode="livemostrecent"
)
EVENTS = prometheus.Gauge("zhouji_events_waiting", "Events not delivered yet", multiprocess_mode="livemostrecent")
ACCESS = logging.getLogger("zhouji.access")


class Discreet(logging.Filter):
    """Takes values out of log records: of an exception only its kind and place remain."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always lets the record pass, without what may be a person's."""
        if record.exc_info:
            kind, _, trace = sys.exc_info() if record.exc_info is True else record.exc_info  # type: ignore[comparison-overlap]
            record.msg, record.args = place_of(kind, trace), ()
            record.exc_info = record.exc_text = None
        return True


def place_of(kind: type[BaseException] | None, trace: Any) -> str:
    """An exception as its kind and where it was raised."""
    frames = traceback.extract_tb(trace)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno} ({frames[-1].name})" if frames else "?"
    return f"{kind.__name__ if kind else 'error'}, {where}"


def set_up_logs() -> None:
    """One JSON line a request on stdout; every handler of the process becomes discreet."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    ACCESS.handlers, ACCESS.propagate, ACCESS.disabled = [handler], False, False
    ACCESS.setLevel(logging.INFO)
    discreet = Discreet()
    loggers = [logging.getLogger(), *(one for one in logging.root.manager.loggerDict.values())]
    for logger in loggers:
        for found in getattr(logger, "handlers", []):
            found.addFilter(discreet)


def told(endpoint: str, method: str, status: int, seconds: float, asked: Asked | None, **more: Any) -> None:
    """Count a request and write its line."""
    REQUESTS.labels(endpoint, str(status)).inc()
    SECONDS.labels(endpoint).observe(seconds)
    line: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": "request", "endpoint": endpoint,
        "method": method, "status": status, "ms": round(1000 * seconds, 2), **more,
    }  # fmt: skip
    if asked is not None:
        line |= {"subject": asked.principal.subject, "role": asked.principal.role, "purpose": asked.purpose}
        if asked.rows:
            ROWS.labels(endpoint).inc(asked.rows)
            line["rows"] = asked.rows
    if "code" in more:
        REFUSALS.labels(more["code"]).inc()
    ACCESS.info(json.dumps(line))


def surprise(error: BaseException) -> None:
    """An error that nobody foresaw, without its values."""
    line = {"event": "unexpected", "place": place_of(type(error), error.__traceback__)}
    ACCESS.error(json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **line}))


def exposition() -> bytes:
    """All measures of all workers, as Prometheus reads them."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return prometheus.generate_latest()
    registry = prometheus.CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return prometheus.generate_latest(registry)


class Traces:
    """Spans of requests, sent where the settings say; nothing at all without an address."""

    def __init__(self, settings: Settings) -> None:
        self._tracer: Any = None
        self._provider: Any = None
        if settings.otlp_endpoint:
            self._open(settings.otlp_endpoint)

    def _open(self, endpoint: str) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from serving.tracing import JsonExporter

        self._provider = TracerProvider(resource=Resource.create({"service.name": "zhouji"}))
        self._provider.add_span_processor(BatchSpanProcessor(JsonExporter(endpoint), schedule_delay_millis=1000))
        self._tracer = self._provider.get_tracer("zhouji")

    def span(self, endpoint: str, headers: dict[str, str]) -> AbstractContextManager[Any]:
        """A span of one request, child of the caller's where it sent one; it names the endpoint, not the address."""
        if self._tracer is None:
            return nullcontext()
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = TraceContextTextMapPropagator().extract(headers)
        found: AbstractContextManager[Any] = self._tracer.start_as_current_span(
            endpoint, context=parent, kind=trace.SpanKind.SERVER, record_exception=False
        )
        return found

    def close(self) -> None:
        """Send what is left."""
        if self._provider is not None:
            self._provider.shutdown()
