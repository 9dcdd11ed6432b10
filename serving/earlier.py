"""What a new list has to know of what came before it: open episodes, findings of visits, events, who is in hardship."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pandas as pd

from features.engines.duckdb import Engine
from features.store import Store
from serving.explaining import Scored
from serving.listing import Earlier, Finding
from serving.runs import RunFolder


def earlier(
    scored: Scored, store: Store, engine: Engine, before: RunFolder | None, told: Sequence[Finding] = ()
) -> Earlier:
    """What was known by the day of the list; `told` are findings that have not come to the store yet."""
    episodes = before.episodes() if before else ()
    cohort = set(scored.scores["household_id"])
    day = scored.heading.as_of
    return Earlier(
        last_list=before.as_of if before else None,
        episodes=episodes,
        findings=(*findings(store, day, engine, {episode.household_id for episode in episodes} | cohort), *told),
        events=events(store, day, engine),
        in_hardship=frozenset(set(scored.frame.index) - cohort),
    )


def findings(store: Store, day: date, engine: Engine, households: set[str]) -> tuple[Finding, ...]:
    """What visits had found by the day, as known on it."""
    table = store.as_known_on(day, "outcome", engine)
    table = table.filter(
        (table.known_from <= day) & (table.known_to > day) & table.source.isin(["visit", "audit"])
        & table.validity_code.notnull()
    )  # fmt: skip
    frame = engine.frame(table.select("household_id", "finding_date", "validity_code"))
    return tuple(
        Finding(str(row["household_id"]), pd.Timestamp(row["finding_date"]).date(), str(row["validity_code"]))
        for row in frame.sort_values(["household_id", "finding_date", "validity_code"]).to_dict("records")
        if row["household_id"] in households
    )


def events(store: Store, day: date, engine: Engine) -> dict[str, date]:
    """The newest event of each household, as known on the day."""
    table = store.as_known_on(day, "event", engine)
    if "household_id" not in table.columns:
        return {}
    table = table.filter((table.known_from <= day) & (table.known_to > day) & table.household_id.notnull())
    newest = table.group_by("household_id").aggregate(day=table.event_date.max())
    return {
        str(row["household_id"]): pd.Timestamp(row["day"]).date()
        for row in engine.frame(newest).to_dict("records")
        if pd.notna(row["day"])
    }
