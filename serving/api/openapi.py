"""The OpenAPI document: made from the table of endpoints and the envelopes, true for the version that serves.

BentoML's own document knows neither problems nor headers nor the mounted application, and describes answers that it
does not give; this one takes its place. The indicators of a row are the model's, so the document changes with it.
"""

from __future__ import annotations

import importlib.metadata
import json
from typing import Any

from pydantic.json_schema import models_json_schema

from features.project import Project
from serving import schemas as s
from serving.access.roles import SUPPORT
from serving.api.deliveries import columns_of
from serving.api.endpoints import ENDPOINTS, PATTERNS, Endpoint
from serving.api.problems import MEDIA_TYPE, Problem
from serving.current import Served

REFERENCE = "#/components/schemas/{model}"
SAID = {
    400: "the request cannot be read, or names no purpose",
    401: "no valid token",
    403: "role, area or purpose is not granted",
    404: "not found",
    408: "the body did not arrive in time",
    409: "not now: no panel for the day, or a key in use",
    413: "the body is too large",
    415: "not JSON in UTF-8",
    422: "the request is wrong in some place",
    429: "too many requests; see Retry-After",
    500: "unexpected; see the request's id",
    503: "no model, or something did not answer",
}
NUMBER = {"anyOf": [{"type": "number", "minimum": -1e15, "maximum": 1e15}, {"type": "null"}]}


_made: list[tuple[Served | None, bytes]] = []


def document(served: Served | None, project: Project) -> bytes:
    """The document as JSON; made once for each version."""
    if not _made or _made[0][0] is not served:
        _made[:] = [(served, json.dumps(description(served, project), ensure_ascii=False).encode())]
    return _made[0][1]


def description(served: Served | None, project: Project) -> dict[str, Any]:
    """The document for the version that serves; without one, rows are described by their shape alone."""
    models = [Problem, *(endpoint.answer for endpoint in ENDPOINTS)]
    bodies = [endpoint.body for endpoint in ENDPOINTS if endpoint.body is not None]
    wanted: list[Any] = [(model, "validation") for model in bodies]
    wanted += [(model, "serialization") for model in models if model is not s.Told]
    _, schemas = models_json_schema(wanted, ref_template=REFERENCE)
    components = schemas["$defs"]
    if served is not None:
        _name_indicators(components, served)
    _name_columns(components, project)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Zhouji 周济",
            "version": importlib.metadata.version("zhouji"),
            "description": "Hardship early warning. A score is a reminder, not a determination. 评分是提醒，不是认定。",
        },
        "paths": _paths(),
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {str(status): _problem(status, said) for status, said in SAID.items()},
        },
    }


def _name_indicators(components: dict[str, Any], served: Served) -> None:
    """Rows name every indicator of the model; scenarios only those that help can change."""
    needed = served.needed
    components["Row"] = {
        "type": "object", "additionalProperties": False, "required": needed,
        "properties": dict.fromkeys(needed, NUMBER),
    }  # fmt: skip
    for request in ("ScoreRequest", "ExplainRequest"):
        components[request]["properties"]["rows"]["items"] = {"$ref": REFERENCE.format(model="Row")}
    changeable = [entry.id for entry in served.bundle.schema.entries if entry.changeable]
    changes = components["Scenario"]["properties"]["changes"]
    changes["additionalProperties"] = False
    changes["properties"] = dict.fromkeys(changeable, NUMBER)


def _name_columns(components: dict[str, Any], project: Project) -> None:
    """Records name the columns of their feed."""
    shape = components["DeliveryRequest"]
    cell = shape["properties"]["records"]["items"]["additionalProperties"]
    variants = []
    for feed in project.feeds:
        columns = dict.fromkeys(columns_of(project, feed), cell)
        record = {"type": "object", "additionalProperties": False, "minProperties": 1, "properties": columns}
        records = {**shape["properties"]["records"], "items": record}
        properties = {**shape["properties"], "feed": {"const": feed}, "records": records}
        variants.append({**shape, "title": feed, "properties": properties})
    components["DeliveryRequest"] = {"oneOf": variants}


def _paths() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        found.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return found


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    statuses = [*endpoint.answers, 500]
    if not endpoint.open:
        statuses += [400, 401, 403, 422, 429, 503]
    if endpoint.body is not None:
        statuses += [408, 413, 415]
    described: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": f"{endpoint.summary.en} · {endpoint.summary.zh}",
        "parameters": _parameters(endpoint),
        "responses": {
            "200": _success(endpoint),
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(set(statuses))},
        },
    }
    if endpoint.name == "ready":
        described["responses"]["503"] = {**_success(endpoint), "description": "no model yet, or shutting down"}
    if not endpoint.open:
        described["security"] = [{"token": []}]
        described["x-roles"] = sorted(endpoint.roles)
    if endpoint.body is not None:
        schema = {"$ref": REFERENCE.format(model=endpoint.body.__name__)}
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described


def _success(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.name == "metrics":
        return {"description": "measures", "content": {"text/plain": {"schema": {"type": "string"}}}}
    schema: dict[str, Any] = {"$ref": REFERENCE.format(model=endpoint.answer.__name__)}
    if endpoint.name == "openapi":
        schema = {"type": "object"}
    headers = {"X-Request-Id": {"schema": {"type": "string"}, "required": True}} if not endpoint.open else {}
    described: dict[str, Any] = {
        "description": endpoint.summary.en,
        "content": {"application/json": {"schema": schema}},
    }
    return described | ({"headers": headers} if headers else {})


def _problem(status: int, said: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": said, "content": {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(model="Problem")}}},
    }  # fmt: skip
    if status == 429:
        described["headers"] = {"Retry-After": {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}}
    return described


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": PATTERNS[name]}}
        for name in endpoint.parameters
    ]
    properties = endpoint.query.model_json_schema(ref_template=REFERENCE).get("properties", {})
    for name, schema in properties.items():
        found.append({"name": name, "in": "query", "required": False, "schema": _plain(schema)})
    if not endpoint.open:
        found.append(
            {"name": "Zhouji-Purpose", "in": "header", "required": True,
             "schema": {"type": "string", "enum": list(SUPPORT)}}
        )  # fmt: skip
    if endpoint.keyed:
        found.append(
            {"name": "Idempotency-Key", "in": "header", "required": True,
             "schema": {"type": "string", "pattern": "^[0-9A-Za-z-]{8,64}$"}}
        )  # fmt: skip
    return found


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is there or not there; it is never null."""
    options = [option for option in schema.get("anyOf", []) if option.get("type") != "null"]
    return options[0] if options else {key: value for key, value in schema.items() if key != "title"}
