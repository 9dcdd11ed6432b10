"""Score, explain, counterfactual: the work behind BentoML's three methods.

Few rows are scored where they stand; many, and everything that reads files, goes to a thread, so that the event loop
stays free. A household is looked up on a day whose panel was built; the service builds none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import numpy as np

from features.engines.duckdb import engine
from features.settings import Home
from reports.documents import Explanation
from reports.household import per_100
from serving import schemas as s
from serving.api.asked import Asked, refuse_area
from serving.api.problems import Place, refuse
from serving.api.surroundings import Surroundings
from serving.api.telling import Teller, both, origin, reason_line, score_known, score_of
from serving.assessing import FEW, WrongRow, assess, matrix_of
from serving.current import Served
from serving.days import KnownDay
from serving.evidence import history
from serving.explaining import Scored, explanations

T = TypeVar("T")
LABEL = s.Text(zh="推算，不是承诺。", en="A computation, not a promise.")
_files = anyio.CapacityLimiter(1)
"""Explanations read the store one after the other: each may use the engine's whole memory."""


async def known_day(opened: Surroundings, served: Served, day: date) -> KnownDay:
    """The day's panel, loaded where it is not at hand.

    Raises:
        Refusal: no panel was built for it; names the days that have one.
    """
    known = opened.days.at_hand(day, served)
    if known is None:
        known = await anyio.to_thread.run_sync(opened.days.load, day, served)
    if known is None:
        built = [str(other) for other in opened.days.built(served.bundle)]
        refusal = refuse(409, "day_not_built", day=day, days=", ".join(built[-8:]) or "—")
        refusal.days = built
        raise refusal
    return known


def within(asked: Asked, opened: Surroundings, known: KnownDay, households: Sequence[str]) -> None:
    """All of these lie in the asker's area; unknown ones lie nowhere.

    Raises:
        Refusal: one of them does not.
    """
    area = asked.principal.area
    for household in households:
        place = known.places.get(household)
        if place is not None and not opened.reach.contains(area, str(known.area_codes[place])):
            raise refuse_area()


async def score(asked: Asked, opened: Surroundings, request: s.ScoreRequest) -> s.ScoreAnswer:
    """Scores of rows or households, in their order."""
    served = opened.served()
    if request.rows is not None:
        asked.rows = len(request.rows)
        matrix = _matrix(served, request.rows)
        results = await _light(len(matrix), lambda: _scores(opened, served, matrix, request.reasons))
        return s.ScoreAnswer(**origin(served, request.as_of), results=results)
    households = request.households or []
    asked.rows = len(households)
    known = await known_day(opened, served, request.as_of)
    within(asked, opened, known, households)
    results = await _light(
        len(households) if request.reasons else 1,
        lambda: _looked_up(opened, served, known, households, request.reasons),
    )
    if len(households) == 1 and results[0].status == "unknown":
        raise refuse(404, "household_not_found", day=request.as_of)
    return s.ScoreAnswer(**origin(served, request.as_of, known), results=results)


async def _light(size: int, work: Callable[[], T]) -> T:
    """Little work here and now; more of it in a thread."""
    return work() if size <= FEW else await anyio.to_thread.run_sync(work)


def _matrix(served: Served, rows: list[s.Row]) -> np.ndarray:
    found = matrix_of(served.needed, rows)
    if isinstance(found, WrongRow):
        refusal = refuse(422, "row_indicators_wrong", row=found.at, absent=found.absent, extra=found.extra)
        refusal.places = [Place(at=f"rows.{found.at}", rule="indicators")]
        raise refusal
    return found


def _scores(opened: Surroundings, served: Served, matrix: np.ndarray, most: int) -> list[s.Score]:
    bundle = served.bundle
    found = assess(served, matrix)
    width = len(bundle.schema.entries)
    missing = np.isnan(matrix[:, :width]).sum(axis=1)
    results = [score_of(bundle, found, at, int(missing[at])) for at in range(len(matrix))]
    if most:
        teller = Teller(served, opened.project.currency)
        for at, result in enumerate(results):
            if found.sufficient[at]:
                why, _, _ = teller.found(matrix[at, :width])
                result |= {"reasons": teller.of_row(why, most), "data_gaps": teller.sentences(why, {})}
    return [s.Score(**result) for result in results]


def _looked_up(
    opened: Surroundings, served: Served, known: KnownDay, households: Sequence[str], most: int
) -> list[s.Score]:
    teller = Teller(served, opened.project.currency, known)
    results = []
    for household in households:
        result = score_known(known, household)
        if most and result["status"] == "scored":
            why, _, _ = teller.found(_row(known, household))
            result |= {
                "reasons": teller.of_household(household, why, most),
                "data_gaps": teller.sentences(why, _states(known, household)),
            }
        results.append(s.Score(**result))
    return results


def _row(known: KnownDay, household: str) -> np.ndarray:
    """A household's indicators in the booster's order."""
    return known.matrix[known.places[household], : len(known.scored.bundle.schema.entries)]


def _states(known: KnownDay, household: str) -> dict[str, int]:
    place = known.places[household]
    return {feed: int(states[place]) for feed, states in known.states.items()}


# --- explain --------------------------------------------------------------------------------------------------------


async def explain(asked: Asked, opened: Surroundings, request: s.ExplainRequest) -> s.ExplainAnswer:
    """Scores taken apart, in their order."""
    served = opened.served()
    association = s.text("association")
    if request.rows is not None:
        asked.rows = len(request.rows)
        matrix = _matrix(served, request.rows)
        results = await anyio.to_thread.run_sync(lambda: _explained_rows(opened, served, matrix))
        return s.ExplainAnswer(**origin(served, request.as_of), results=results, association=association)
    households = request.households or []
    asked.rows = len(households)
    known = await known_day(opened, served, request.as_of)
    within(asked, opened, known, households)
    if all(household not in known.places for household in households):
        raise refuse(404, "household_not_found", day=request.as_of)
    results = await anyio.to_thread.run_sync(
        lambda: _explained_households(opened, served, known, households), limiter=_files
    )
    return s.ExplainAnswer(**origin(served, request.as_of, known), results=results, association=association)


def _parts(teller: Teller, values: np.ndarray) -> dict[str, Any]:
    """The exact parts of a margin."""
    why, contributions, base = teller.found(values)
    entries = teller.served.bundle.schema.entries
    return {
        "margin": float(contributions.sum() + base),
        "base": base,
        "contributions": [
            s.Contribution(
                indicator=entry.id,
                value=None if np.isnan(values[at]) else float(values[at]),
                contribution=float(contributions[at]),
            )
            for at, entry in enumerate(entries)
        ],
        "explained": why.explained,
    }


def _explained_rows(opened: Surroundings, served: Served, matrix: np.ndarray) -> list[s.Explained]:
    bundle, found = served.bundle, assess(served, matrix)
    width = len(bundle.schema.entries)
    teller = Teller(served, opened.project.currency)
    results = []
    for at in range(len(matrix)):
        values = matrix[at, :width]
        told = score_of(bundle, found, at, int(np.isnan(values).sum()))
        if found.sufficient[at]:
            why, _, _ = teller.found(values)
            told |= _parts(teller, values)
            told |= {"reasons": teller.of_row(why, 4), "data_gaps": teller.sentences(why, {})}
        results.append(s.Explained(**told))
    return results


def _explained_households(
    opened: Surroundings, served: Served, known: KnownDay, households: Sequence[str]
) -> list[s.Explained]:
    """With history and records: the panel's earlier days and the store are read for these households alone."""
    inside = [one for one in dict.fromkeys(households) if one in known.places and known.cohort[known.places[one]] >= 0]
    told: dict[str, Explanation] = {}
    if inside:
        past = history(known.panel, inside, known.day)
        scored = Scored(**{**known.scored.__dict__, "history": past})
        entries = {entry.household_id: entry for entry in known.run.entries()} if known.run else {}
        with engine(opened.settings, Home(opened.settings.home)) as reader:
            told = explanations(scored, inside, opened.days.store, reader, entries, known.peers)
    teller = Teller(served, opened.project.currency, known)
    return [_explained(teller, known, household, told.get(household)) for household in households]


def _explained(teller: Teller, known: KnownDay, household: str, found: Explanation | None) -> s.Explained:
    told = score_known(known, household)
    if found is None or told["status"] != "scored":
        return s.Explained(**told)
    why, _, _ = teller.found(_row(known, household))
    told |= _parts(teller, _row(known, household))
    return s.Explained(
        **told,
        data_gaps=teller.sentences(why, _states(known, household)),
        reasons=[reason_line(line) for line in found.reasons],
        relief=[reason_line(line) for line in found.relief],
        changes=[
            s.Change(
                name=both(one.name), family=one.family, before=both(one.before), after=both(one.after),
                raises=one.raises, source=both(one.source), day=one.day,
            )
            for one in found.changes
        ],
        base_rate=found.base_rate,
        rank=found.rank,
        cohort=found.cohort,
    )  # fmt: skip


# --- counterfactual -------------------------------------------------------------------------------------------------


async def counterfactual(
    asked: Asked, opened: Surroundings, request: s.CounterfactualRequest
) -> s.CounterfactualAnswer:
    """What a score would be if help changed what help can change; other indicators stay as they are."""
    served = opened.served()
    changeable = [entry.id for entry in served.bundle.schema.entries if entry.changeable]
    for number, scenario in enumerate(request.scenarios, 1):
        if not scenario.changes.keys() <= set(changeable):
            raise refuse(422, "not_changeable", scenario=number, known=", ".join(changeable) or "—")
    asked.rows = len(request.scenarios)
    known = await known_day(opened, served, request.as_of)
    within(asked, opened, known, [request.household])
    place = known.places.get(request.household)
    if place is None:
        raise refuse(404, "household_not_found", day=request.as_of)
    now = s.Score(**score_known(known, request.household))
    scenarios = _scenarios(served, known, place, request.scenarios) if now.status == "scored" else []
    told = origin(served, request.as_of, known)
    return s.CounterfactualAnswer(**told, label=LABEL, now=now, scenarios=scenarios, changeable=changeable)


def _scenarios(served: Served, known: KnownDay, place: int, scenarios: Sequence[s.Scenario]) -> list[s.WhatIf]:
    bundle = served.bundle
    at = {name: column for column, name in enumerate(bundle.needed)}
    rows = np.repeat(known.matrix[place][None, :], len(scenarios), axis=0)
    for number, scenario in enumerate(scenarios):
        for name, value in scenario.changes.items():
            rows[number, at[name]] = np.nan if value is None else value
    found = assess(served, rows)
    contributions, _ = served.single.contributions(np.ascontiguousarray(rows[:, : len(bundle.schema.entries)]))
    told = []
    for number, scenario in enumerate(scenarios):
        told.append(
            s.WhatIf(
                changes=[
                    s.Contribution(
                        indicator=name, value=value, contribution=float(contributions[number, at[name]])
                    )
                    for name, value in scenario.changes.items()
                ],
                level=str(found.level[number]) if found.sufficient[number] else "insufficient",
                probability=float(found.probability[number]) if found.sufficient[number] else None,
                per_100=per_100(float(found.probability[number])) if found.sufficient[number] else None,
                range=(float(found.low[number]), float(found.high[number])) if found.sufficient[number] else None,
            )
        )  # fmt: skip
    return told
