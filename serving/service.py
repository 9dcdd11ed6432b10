"""The BentoML service: score, explain, counterfactual; behind the gate, with the read side and the pages beside them.

It answers from one frozen bundle that follows an alias of the registry, and from panels and runs that batch work left.
"""

from __future__ import annotations

import os

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")

from collections.abc import Awaitable, Callable
from typing import Any

import bentoml
from _bentoml_sdk import Service
from starlette.responses import Response

from features.errors import ZhoujiError
from serving import observing, schemas
from serving.api import scoring
from serving.api.application import application
from serving.api.asked import Asked
from serving.api.gate import ASKED, Gate
from serving.api.problems import Refusal, of_error
from serving.api.surroundings import Surroundings, open_surroundings
from serving.current import settle
from serving.draining import drain_on_signal
from serving.web.application import pages

REPLACED = frozenset({"OpenTelemetryMiddleware", "TimeoutMiddleware"})


class Behind(Service[Any]):  # type: ignore[misc]  # BentoML has no types
    """A service behind its own gate: BentoML's traces would name households, and its timer costs a task a request."""

    def to_asgi(self, is_main: bool = True) -> Any:  # noqa: FBT001, FBT002 -- BentoML's signature
        """The application without them."""
        app: Any = super().to_asgi(is_main)
        app.user_middleware = [one for one in app.user_middleware if one.cls.__name__ not in REPLACED]
        return app


@bentoml.service(
    name="zhouji",
    workers=int(os.environ.get("ZHOUJI_WORKERS", "1")),
    service_class=Behind,
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    runner_probe={"enabled": False},
    monitoring={"enabled": False},
)
class Zhouji:
    """Scores and explanations. Measures, logs and traces are the gate's: BentoML's own would name households."""

    def __init__(self) -> None:
        observing.set_up_logs()
        self.opened: Surroundings = open_surroundings()

    @bentoml.on_startup
    async def begin(self) -> None:
        """Finish what was begun when the process is asked to stop."""
        drain_on_signal(self.opened)
        settle()
        for name in ("score", "explain", "counterfactual"):
            # BentoML makes a method's caller, with its signature, anew for every request: here it is made once
            self.__dict__[name] = getattr(self, name)

    @bentoml.on_shutdown
    def end(self) -> None:
        """Close what is open."""
        self.opened.close()

    @bentoml.api(route="/api/v1/score")
    async def score(self, request: schemas.ScoreRequest, /, ctx: bentoml.Context) -> schemas.ScoreAnswer:
        """Score rows of indicators, or households as they were known on a day."""
        answer: schemas.ScoreAnswer = await self._answered(ctx, scoring.score, request)
        return answer

    @bentoml.api(route="/api/v1/explain")
    async def explain(self, request: schemas.ExplainRequest, /, ctx: bentoml.Context) -> schemas.ExplainAnswer:
        """Take scores apart: exact contributions, and reasons with the records behind them."""
        answer: schemas.ExplainAnswer = await self._answered(ctx, scoring.explain, request)
        return answer

    @bentoml.api(route="/api/v1/counterfactual")
    async def counterfactual(
        self, request: schemas.CounterfactualRequest, /, ctx: bentoml.Context
    ) -> schemas.CounterfactualAnswer:
        """Score what might be different: a computation, not a promise."""
        answer: schemas.CounterfactualAnswer = await self._answered(ctx, scoring.counterfactual, request)
        return answer

    async def _answered(
        self, ctx: bentoml.Context, work: Callable[[Asked, Surroundings, Any], Awaitable[Any]], request: Any
    ) -> Any:
        """The work's answer; a refusal goes to the gate, which says it, and nobody logs it."""
        asked: Asked = ctx.request.scope[ASKED]
        if asked.refusal is None:
            try:
                return await work(asked, self.opened, request)
            except Refusal as refusal:
                asked.refusal = refusal
            except ZhoujiError as error:
                asked.refusal = of_error(error)
        return Response(status_code=int(asked.refusal.status))


SERVICE: Any = Zhouji
"""The decorator makes a service of the class, which type checkers cannot see."""
SERVICE.add_asgi_middleware(Gate, pages=pages)
SERVICE.mount_asgi_app(application, path="/", name="reading")
