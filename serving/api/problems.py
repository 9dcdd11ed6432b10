"""What the service says when it says no: RFC 9457 problems in zh and en, with nothing personal in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.errors import DataError, DependencyError, GateError, NothingToDo, UsageError, ZhoujiError

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20
STATUSES: tuple[tuple[type[ZhoujiError], HTTPStatus], ...] = (
    (DependencyError, HTTPStatus.SERVICE_UNAVAILABLE),
    (GateError, HTTPStatus.CONFLICT),
    (NothingToDo, HTTPStatus.CONFLICT),
    (DataError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UsageError, HTTPStatus.UNPROCESSABLE_ENTITY),
)
"""Statuses of errors that come from the rooms below."""


class Place(BaseModel):
    """One place of a request that is wrong: where and which rule; never the value."""

    model_config = ConfigDict(extra="forbid")
    at: str = Field(description="dotted path in the request")
    rule: str = Field(description="machine-readable rule")


class Spoken(BaseModel):
    """A problem in one language."""

    model_config = ConfigDict(extra="forbid")
    title: str
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem details; title and detail in the language that was asked for, and in both beside it."""

    model_config = ConfigDict(extra="forbid")
    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    zh: Spoken
    en: Spoken
    errors: list[Place] = Field(default_factory=list)
    days: list[str] = Field(default_factory=list, description="days that could have been asked for")


@dataclass
class Refusal(Exception):  # noqa: N818 -- an answer, not a fault
    """An answer other than the one asked for: a status, a code of the catalogue, and its fields.

    Attributes:
        retry_after: seconds after which asking again makes sense.
    """

    status: HTTPStatus
    error: ZhoujiError
    places: Sequence[Place] = ()
    days: Sequence[str] = ()
    retry_after: int | None = None
    headers: Mapping[str, str] | None = None

    @property
    def code(self) -> str:
        """The code in the catalogue of errors."""
        return self.error.code

    def headers_for(self, language: str) -> dict[str, str]:
        """Headers of the answer."""
        found = {"content-type": MEDIA_TYPE, "content-language": language, "cache-control": "no-store"}
        if self.retry_after is not None:
            found["retry-after"] = str(self.retry_after)
        return found | dict(self.headers or {})

    def body(self, request_id: str, language: str) -> bytes:
        """The problem as JSON."""
        said = {
            spoken: {"title": self.error.sentence(spoken), "detail": self.error.repair(spoken)}
            for spoken in ("zh", "en")
        }
        content: dict[str, Any] = {
            "type": f"urn:zhouji:problem:{self.code}", **said[language], "status": int(self.status),
            "code": self.code, "request_id": request_id, **said,
            "errors": [place.model_dump() for place in self.places], "days": list(self.days),
        }  # fmt: skip
        return json.dumps(content, ensure_ascii=False).encode()


def refuse(status: int, code: str, /, **fields: object) -> Refusal:
    """A refusal with a code of the catalogue; a number of seconds becomes Retry-After."""
    seconds = fields.get("seconds")
    after = int(str(seconds)) if seconds is not None and status in (409, 429, 503) else None
    return Refusal(HTTPStatus(status), ZhoujiError(code, **fields), retry_after=after)


def of_error(error: ZhoujiError) -> Refusal:
    """An error of the rooms below as an answer; their fields never carry a person's values."""
    status = next((found for kind, found in STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    return Refusal(status, error, retry_after=5 if status == HTTPStatus.SERVICE_UNAVAILABLE else None)


def of_validation(error: ValidationError) -> Refusal:
    """What is wrong with a request: places and rules. Unknown names come from outside and are not repeated."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if any(item["type"] in ("json_invalid", "json_type") for item in found):
        return refuse(400, "body_unreadable")
    places = [Place(at=_path(item["loc"], item["type"]), rule=str(item["type"])) for item in found[:MOST_ERRORS]]
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, ZhoujiError("request_invalid", count=len(found)), places)


def _path(loc: Sequence[Any], rule: str) -> str:
    """Where, in names of ours and numbers; a name that the sender made up (a key of a mapping) is left out."""
    parts = ["*" if isinstance(part, str) and not _ours(part) else str(part) for part in loc]
    if rule == "extra_forbidden" and parts:
        parts[-1] = "*"
    return ".".join(parts)


FIELDS: set[str] = set()
"""Names of all fields of requests; filled by the module that declares them."""


def _ours(name: str) -> bool:
    return name in FIELDS
