"""Spans to a collector by OTLP/HTTP in JSON: the one format that every collector takes and no further library needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

SERVER = 2


class JsonExporter(SpanExporter):
    """Posts spans; a collector that does not answer costs the spans, never a request."""

    def __init__(self, endpoint: str) -> None:
        address = endpoint.rstrip("/")
        self._address = address if address.endswith("/v1/traces") else f"{address}/v1/traces"
        self._client = httpx.Client(timeout=5)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        try:
            self._client.post(self._address, json=payload(spans)).raise_for_status()
        except httpx.HTTPError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Send no more."""
        self._client.close()


def payload(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """Spans as an ExportTraceServiceRequest."""
    resource = spans[0].resource.attributes if spans else {}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [{"scope": {"name": "zhouji"}, "spans": [_span(span) for span in spans]}],
            }
        ]
    }


def _span(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    assert context is not None
    return {
        "traceId": format(context.trace_id, "032x"),
        "spanId": format(context.span_id, "016x"),
        **({"parentSpanId": format(span.parent.span_id, "016x")} if span.parent else {}),
        "name": span.name,
        "kind": SERVER,
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes or {}),
    }


def _attributes(found: Any) -> list[dict[str, Any]]:
    kinds = {bool: "boolValue", int: "intValue", float: "doubleValue"}
    return [
        {"key": key, "value": {kinds.get(type(value), "stringValue"): str(value) if type(value) is int else value}}
        for key, value in found.items()
        if isinstance(value, bool | int | float | str)
    ]
