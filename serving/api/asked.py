"""One request on its way through the service: who asks for what, and what the log will say of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from serving.access.tokens import Principal
from serving.api.endpoints import Endpoint
from serving.api.problems import Refusal, refuse


@dataclass
class Asked:
    """A request.

    Attributes:
        refusal: what is answered instead, once something has said no.
        rows: rows or households that were asked about, for the log and the metrics; never which.
    """

    request_id: str
    language: str
    endpoint: Endpoint
    params: dict[str, str]
    principal: Principal
    purpose: str
    key: str = ""
    query: Any = None
    body: bytes = b""
    refusal: Refusal | None = None
    rows: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def blind(self) -> bool:
        """Whether the asker visits before seeing a score."""
        return self.endpoint.blind_for(self.principal.role)


def refuse_area() -> Refusal:
    """The answer to a question about somebody else's area."""
    return refuse(403, "area_refused")
