"""The read side and the deliveries as an ASGI application, mounted in the BentoML service behind the gate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from serving.api import deliveries, reading
from serving.api.asked import Asked
from serving.api.gate import ASKED, Scope
from serving.api.limits import Receive, Send
from serving.api.problems import of_validation
from serving.api.surroundings import Surroundings, surroundings
from serving.schemas import Answer, DeliveryRequest

Handler = Callable[[Asked, Surroundings], Awaitable[Answer]]


async def _deliver(asked: Asked, opened: Surroundings) -> Answer:
    from pydantic import ValidationError

    try:
        request = DeliveryRequest.model_validate_json(asked.body)
    except ValidationError as error:
        raise of_validation(error) from None
    return await deliveries.deliver(asked, opened, request)


HANDLERS: Mapping[str, Handler] = {
    "current_model": reading.current_model,
    "week_items": reading.week_items,
    "household": reading.household,
    "deliveries": _deliver,
}


async def application(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer a request that the gate has let through."""
    asked: Any = scope[ASKED]
    answer = await HANDLERS[asked.endpoint.name](asked, surroundings())
    body = answer.model_dump_json().encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
