"""The table of endpoints: address, roles, envelopes, limits. The gate, the OpenAPI document and the tests read it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from features.strict import Words
from serving import schemas as s
from serving.access.roles import BLIND, ROLES
from serving.api.problems import refuse

PREFIX = "/api/v1"
SMALL, SCORES, RECORDS = 64 * 2**10, 4 * 2**20, 8 * 2**20
EVERYBODY = frozenset(ROLES)
SCORERS = frozenset({"town", "county", "analyst"})
CASEWORK = frozenset({"town", "county"})
VISITS = frozenset({"village", "town", "county"})
PATTERNS = {"week": r"^[0-9]{4}(-(W[0-9]{2}|Q[1-4]|[0-9]{2}))?$", "household_id": r"^[0-9a-f]{24}$"}


@dataclass(frozen=True)
class Endpoint:
    """One thing that can be asked.

    Attributes:
        roles: who may ask; empty where no token is needed.
        answers: statuses beside 200 that its own work can give.
        scored: whether it is one of BentoML's own methods.
    """

    name: str
    method: str
    path: str
    summary: Words
    answer: type[BaseModel]
    roles: frozenset[str] = frozenset()
    body: type[BaseModel] | None = None
    query: type[BaseModel] = s.NoQuery
    limit: int = SMALL
    answers: tuple[int, ...] = ()
    keyed: bool = False
    scored: bool = False
    parameters: tuple[str, ...] = field(default=())

    @property
    def open(self) -> bool:
        """Whether it answers without a token."""
        return not self.roles

    def blind_for(self, role: str) -> bool:
        """Whether this role gets neither level nor number nor reason."""
        return role in BLIND


ENDPOINTS = (
    Endpoint(
        "score", "POST", f"{PREFIX}/score", Words(zh="评分", en="Score rows or households as known on a day"),
        s.ScoreAnswer, SCORERS, s.ScoreRequest, limit=SCORES, answers=(404, 409), scored=True,
    ),
    Endpoint(
        "explain", "POST", f"{PREFIX}/explain", Words(zh="解释", en="Take scores apart, with reasons and records"),
        s.ExplainAnswer, CASEWORK, s.ExplainRequest, limit=SCORES, answers=(404, 409), scored=True,
    ),
    Endpoint(
        "counterfactual", "POST", f"{PREFIX}/counterfactual",
        Words(zh="推算", en="Score what might be different: a computation, not a promise"),
        s.CounterfactualAnswer, CASEWORK, s.CounterfactualRequest, answers=(404, 409), scored=True,
    ),
    Endpoint(
        "current_model", "GET", f"{PREFIX}/models/current", Words(zh="当前模型", en="The version that serves"),
        s.ModelAnswer, EVERYBODY,
    ),
    Endpoint(
        "week_items", "GET", f"{PREFIX}/weeks/{{week}}/items", Words(zh="一周的清单", en="A week's list, in parts"),
        s.WeekAnswer, VISITS, query=s.WeekQuery, answers=(404, 409), parameters=("week",),
    ),
    Endpoint(
        "household", "GET", f"{PREFIX}/households/{{household_id}}",
        Words(zh="一户的历次提醒", en="A household over the published weeks"),
        s.HouseholdAnswer, VISITS, query=s.Page, answers=(404, 409), parameters=("household_id",),
    ),
    Endpoint(
        "deliveries", "POST", f"{PREFIX}/deliveries", Words(zh="报送数据", en="Deliver records of a feed"),
        s.DeliveryAnswer, frozenset({"department"}), s.DeliveryRequest, limit=RECORDS, answers=(404, 409), keyed=True,
    ),
    Endpoint("alive", "GET", "/livez", Words(zh="进程存活", en="The process is alive"), s.Health),
    Endpoint("ready", "GET", "/readyz", Words(zh="可以服务", en="The process can serve"), s.Health, answers=(503,)),
    Endpoint("metrics", "GET", "/metrics", Words(zh="运行指标", en="Measures for Prometheus"), s.Told),
    Endpoint("openapi", "GET", f"{PREFIX}/openapi.json", Words(zh="接口说明", en="This description"), s.Told),
)  # fmt: skip
MACHINES = frozenset(endpoint.path for endpoint in ENDPOINTS if endpoint.open)
"""Addresses that need no token."""
BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}
_EXACT: dict[str, dict[str, Endpoint]] = {}
_SHAPED: list[tuple[re.Pattern[str], dict[str, Endpoint]]] = []
for _endpoint in ENDPOINTS:
    if _endpoint.parameters:
        _shape = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", _endpoint.path))
        _SHAPED.append((_shape, {_endpoint.method: _endpoint}))
    else:
        _EXACT.setdefault(_endpoint.path, {})[_endpoint.method] = _endpoint


def route(method: str, path: str) -> tuple[Endpoint, dict[str, Any]]:
    """The endpoint of an address, and the parts of the address that vary.

    Raises:
        Refusal: there is no such address (404), or it does not take the method (405).
    """
    methods, params = _EXACT.get(path), {}
    if methods is None:
        for shape, found in _SHAPED:
            match = shape.fullmatch(path)
            if match is not None:
                methods, params = found, match.groupdict()
                break
    if methods is None:
        raise refuse(404, "path_unknown")
    if method not in methods:
        allowed = ", ".join(methods)
        refusal = refuse(405, "method_unknown", method=method if method.isalpha() else "?", allowed=allowed)
        refusal.headers = {"allow": allowed}
        raise refusal
    return methods[method], params
