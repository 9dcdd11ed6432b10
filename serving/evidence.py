"""What stands beside a reason: the household's own history, its peers, and the source row behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from features.calendar import period_end, period_index
from features.cells import record_date
from features.engines.duckdb import Engine
from features.feeds.contracts import TABLES, vocabularies
from features.panel import PanelFolder
from features.project import Project
from features.store import Store

PERIODS: Mapping[str, int] = {"month": 6, "quarter": 4}
"""Earlier periods that a household's usual level is taken from."""
DATES = ("event_date", "finding_date", "action_date", "period_end", "valid_from")


def history_days(project: Project, day: date) -> list[date]:
    """Earlier as-of days, one for each of the last periods of the grain, oldest first."""
    grain, cadence = project.calendar.grain, project.calendar.cadence
    now = period_index(grain, day)
    found = []
    for back in range(PERIODS[grain], 0, -1):
        end = period_end(grain, now - back)
        index = period_index(cadence, end)
        last = period_end(cadence, index)
        found.append(last if last <= end else period_end(cadence, index - 1))
    return [earlier for earlier in found if earlier < day]


@dataclass(frozen=True)
class History:
    """Values of some households on earlier as-of days."""

    days: tuple[date, ...]
    frames: Mapping[date, pd.DataFrame]

    def of(self, household: str, indicator: str) -> list[float | None]:
        """One indicator's values, oldest first; None where missing."""
        found: list[float | None] = []
        for day in self.days:
            frame = self.frames[day]
            known = household in frame.index and indicator in frame.columns
            value = float(frame[indicator].to_numpy()[frame.index.get_loc(household)]) if known else math.nan
            found.append(None if math.isnan(value) else value)
        return found

    def usuals(self, households: Sequence[str], indicators: Sequence[str]) -> dict[str, np.ndarray]:
        """`usual` of many at once: by indicator, shape (households,); NaN with fewer than two earlier values."""
        frames = [frame.reindex(list(households)) for frame in self.frames.values()]
        found = {}
        for name in indicators:
            columns = [frame[name].to_numpy(dtype=np.float64) for frame in frames if name in frame.columns]
            if len(columns) < 2:
                continue
            values = np.stack(columns)
            few = (~np.isnan(values)).sum(axis=0) < 2
            values[:, few] = 0.0  # a median of nothing warns
            found[name] = np.where(few, np.nan, np.nanmedian(values, axis=0))
        return found

    def usual(self, household: str, indicator: str) -> float | None:
        """Median of the earlier values; None with fewer than two."""
        known = [value for value in self.of(household, indicator) if value is not None]
        return float(np.median(known)) if len(known) > 1 else None

    def at(self, household: str, indicator: str, day: date | None) -> float | None:
        """The value on the newest of the days up to `day`."""
        wanted = [earlier for earlier in self.days if day is None or earlier <= day]
        if not wanted:
            return None
        return self.of(household, indicator)[len(wanted) - 1]


def history(panel: PanelFolder | None, households: Sequence[str], before: date) -> History:
    """The history of some households from the days of a panel that lie before a day."""
    if panel is None:
        return History((), {})
    frames = {}
    for day in (earlier for earlier in panel.days if earlier < before):
        frames[day] = panel.read([day], households=households).set_index("household_id")
    return History(tuple(frames), frames)


class Peers:
    """Households of the same visiting area on the same day."""

    def __init__(self, frame: pd.DataFrame, areas: pd.Series) -> None:
        self._frame = frame
        indices: Any = areas.reset_index(drop=True).groupby(areas.to_numpy()).indices
        self._places: Mapping[str, np.ndarray] = indices
        self._known: dict[tuple[str, str], np.ndarray] = {}

    def count(self, area: str) -> int:
        """Households of an area."""
        return len(self._places.get(area, ()))

    def values(self, area: str, indicator: str) -> np.ndarray:
        """Known values of an area's households."""
        key = (area, indicator)
        if key not in self._known:
            found = self._frame[indicator].to_numpy()[self._places[area]] if area in self._places else np.empty(0)
            self._known[key] = found[~np.isnan(found)]
        return self._known[key]

    def quantiles(self, area: str, indicator: str) -> tuple[float, float, float] | None:
        """Median, and the edges of the middle 80 %; None with fewer than ten known values."""
        values = self.values(area, indicator)
        if len(values) < 10:
            return None
        low, median, high = np.quantile(values, [0.1, 0.5, 0.9])
        return float(median), float(low), float(high)

    def share_below(self, area: str, indicator: str, value: float) -> float:
        """Share of peers that are lower, equal ones counted half."""
        values = self.values(area, indicator)
        return float(((values < value).mean() + (values <= value).mean()) / 2)


def records(
    store: Store, engine: Engine, day: date, wanted: Mapping[str, set[str]]
) -> dict[tuple[str, str], dict[str, Any]]:
    """The newest record of each household behind each topic, with the source row that it came from.

    Args:
        store: the store.
        engine: the engine.
        day: what was known on it.
        wanted: topic (`table:word:word`) → households.

    Returns:
        By (topic, household): row_id, date, feed, department, file, line, delivery.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for topic, households in sorted(wanted.items()):
        table, *where = topic.split(":")
        if table in TABLES and households:
            for household, row in _newest(facts(store, engine, day, table), engine, day, where, households).items():
                found[(topic, household)] = row
    ids = sorted({row["row_id"] for row in found.values()})
    rows = {source.row_id: source for source in store.source_rows(ids)}
    for row in found.values():
        source = rows[row["row_id"]]
        row |= {
            "feed": source.feed, "department": source.department, "file": source.file, "line": source.line,
            "delivery": source.delivery_id,
        }  # fmt: skip
    return found


def facts(store: Store, engine: Engine, day: date, table: str) -> list[Any]:
    """Facts that name a household, and facts of persons under the household whose member each was known to be."""
    seen = store.as_known_on(day, table, engine)
    found = [seen.filter((seen.known_from <= day) & (seen.known_to > day))] if "household_id" in seen.columns else []
    persons = store.as_known_on(day, table, engine, subject="person")
    if table == "member" or "person_id" not in persons.columns:
        return found
    persons = persons.filter((persons.known_from <= day) & (persons.known_to > day))
    persons = persons.drop("household_id") if "household_id" in persons.columns else persons
    member = store.as_known_on(day, "member", engine)
    member = member.filter((member.known_from <= day) & (member.known_to > day))
    member = member.select("person_id", "household_id", since=member.valid_from, until=member.valid_to)
    joined = persons.join(member, "person_id")
    on = record_date(joined)
    return [*found, joined.filter((joined.since <= on) & (joined.until.isnull() | (joined.until > on)))]


def _newest(
    facts: Sequence[Any], engine: Engine, day: date, where: Sequence[str], households: set[str]
) -> dict[str, dict[str, Any]]:
    """Each household's newest fact that the words of the topic fit."""
    frames = []
    for seen in facts:
        dated = [name for name in DATES if name in seen.columns]
        words = [name for name in ("kind", "source", "category", "detail") if name in seen.columns]
        wanted = seen.filter(seen.household_id.isin(sorted(households)))
        frame = engine.frame(wanted.select("household_id", "row_id", "known_from", *dated, *words))
        frame = frame[_fits(frame, words, where)]
        if frame.empty:
            continue
        frame["date"] = pd.to_datetime(frame["known_from"])
        for name in reversed(dated):
            frame["date"] = pd.to_datetime(frame[name]).fillna(frame["date"])
        frames.append(frame[["household_id", "row_id", "date"]])
    if not frames:
        return {}
    whole = pd.concat(frames)
    whole = whole[whole["date"] <= pd.Timestamp(day)].sort_values(["household_id", "date", "row_id"])
    return {
        str(row["household_id"]): {"row_id": int(row["row_id"]), "date": row["date"].date()}
        for row in whole.groupby("household_id").tail(1).to_dict("records")
    }


def _fits(frame: pd.DataFrame, columns: Sequence[str], where: Sequence[str]) -> pd.Series:
    """Rows that the words of a topic fit: words of one vocabulary are alternatives, vocabularies hold together.

    >>> rows = pd.DataFrame({"kind": ["disaster_loss", "disaster_loss", "death"], "detail": ["crop", "house", "crop"]})
    >>> _fits(rows, ["kind", "detail"], ["disaster_loss", "crop", "stock"]).tolist()
    [True, False, False]
    """
    fits = pd.Series(True, index=frame.index)
    left = [word for word in where if columns]
    for column in columns:
        known = [group for key, group in vocabularies().items() if key.rsplit(".", 1)[-1] == column]
        own = [word for word in left if any(word in group for group in known)]
        own = own or (left if column == "detail" else [])
        left = [word for word in left if word not in own]
        if own:
            fits &= frame[column].isin(own)
    return fits if not left else fits & False
