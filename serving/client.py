"""A thin client of the service, for other systems: one method an endpoint, problems as exceptions, patience built in.

>>> with Client("http://127.0.0.1:3000/", token="zj_...", purpose="visit") as client:
...     print(client)
Client(http://127.0.0.1:3000)
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from types import TracebackType
from typing import Any, Self

import httpx

PATIENT = frozenset({429, 503})
TRIES = 4


class ProblemError(Exception):
    """The service said no: status, code, and sentences in both languages."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, problem
        self.code = str(problem.get("code", ""))
        super().__init__(f"{status} {self.code}: {problem.get('title', '')} {problem.get('detail', '')}".strip())


class Client:
    """One service, one token, one purpose. Close it, or use it in a `with`."""

    def __init__(self, url: str, token: str, purpose: str, *, language: str = "zh", timeout: float = 60.0) -> None:
        self.url = url.rstrip("/")
        sent = {"authorization": f"Bearer {token}", "zhouji-purpose": purpose, "accept-language": language}
        self._http = httpx.Client(base_url=f"{self.url}/api/v1", headers=sent, timeout=timeout)

    def __repr__(self) -> str:
        return f"Client({self.url})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def model(self) -> dict[str, Any]:
        """The version that serves, its indicators, and the days that households can be looked up on."""
        return self._ask("GET", "/models/current")

    def score_rows(
        self, rows: Sequence[Mapping[str, float | None]], as_of: date, *, reasons: int = 0
    ) -> dict[str, Any]:
        """Scores of rows of indicators, in their order."""
        body = {"as_of": str(as_of), "rows": [dict(row) for row in rows], "reasons": reasons}
        return self._ask("POST", "/score", json=body)

    def score(self, households: Sequence[str], as_of: date, *, reasons: int = 4) -> dict[str, Any]:
        """Scores of households as they were known on a day."""
        body = {"as_of": str(as_of), "households": list(households), "reasons": reasons}
        return self._ask("POST", "/score", json=body)

    def explain(self, household: str, as_of: date) -> dict[str, Any]:
        """One household's explanation: exact contributions, and reasons with the records behind them."""
        return self._ask("POST", "/explain", json={"as_of": str(as_of), "households": [household]})

    def counterfactual(
        self, household: str, as_of: date, scenarios: Sequence[Mapping[str, float | None]]
    ) -> dict[str, Any]:
        """What the score would be: a computation, not a promise."""
        changes = [{"changes": dict(scenario)} for scenario in scenarios]
        body = {"as_of": str(as_of), "household": household, "scenarios": changes}
        return self._ask("POST", "/counterfactual", json=body)

    def week(self, week: str, *, area: str | None = None, page: int = 200) -> Iterator[dict[str, Any]]:
        """All rows of a week's list, page by page."""
        wanted: dict[str, Any] = {"limit": page} | ({"area": area} if area else {})
        while True:
            answer = self._ask("GET", f"/weeks/{week}/items", params=wanted)
            yield from answer["items"]
            if answer["next"] is None:
                return
            wanted["after"] = answer["next"]

    def household(self, household: str) -> dict[str, Any]:
        """A household over the published weeks."""
        return self._ask("GET", f"/households/{household}")

    def deliver(
        self, feed: str, area: str, records: Sequence[Mapping[str, str | None]], *, key: str | None = None
    ) -> dict[str, Any]:
        """Deliver records; tried again under the same key, so that nothing is taken in twice."""
        body = {"feed": feed, "area": area, "records": [dict(record) for record in records]}
        return self._ask("POST", "/deliveries", json=body, headers={"idempotency-key": key or uuid.uuid4().hex})

    def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """Ask, and where the service is busy, ask again when it says."""
        for attempt in range(1, TRIES + 1):
            answer = self._http.request(method, path, **more)
            if answer.status_code not in PATIENT or attempt == TRIES:
                break
            time.sleep(min(30.0, float(answer.headers.get("retry-after", 1))))
        if answer.is_success:
            found: dict[str, Any] = answer.json()
            return found
        try:
            problem = answer.json()
        except ValueError:
            problem = {}
        raise ProblemError(answer.status_code, problem)
