"""The read side: the version that serves, a week's list in parts, and a household over the weeks."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import date
from typing import Any

import anyio.to_thread

from features.calendar import parse_period
from features.errors import UsageError
from reports.household import per_100
from serving import schemas as s
from serving.api.asked import Asked, refuse_area
from serving.api.problems import refuse
from serving.api.surroundings import Surroundings
from serving.api.telling import IN_HARDSHIP, NOTE, SUGGESTION, model_line, origin
from serving.weeks import Week

Row = Mapping[str, Any]


async def current_model(_asked: Asked, opened: Surroundings) -> s.ModelAnswer:
    """The version that serves, the indicators it takes, and the days it can look households up on."""
    served = opened.served()
    bundle = served.bundle
    built = await anyio.to_thread.run_sync(opened.days.built, bundle)
    known = {entry.id: entry for entry in bundle.schema.entries}
    lines = [
        s.IndicatorLine(
            id=name, name=s.Text(**known[name].names), unit=known[name].unit, family=known[name].family,
            changeable=known[name].changeable,
        )
        if name in known
        else s.IndicatorLine(id=name, name=s.Text(zh=name, en=name), unit="flag", family="trigger", changeable=False)
        for name in bundle.needed
    ]  # fmt: skip
    until = str(bundle.manifest.get("until") or "")
    day = max(built) if built else date.fromisoformat(until) if until else date.min
    bands = {name: float(getattr(bundle.levels, name)) for name in ("yellow", "orange", "red")}
    return s.ModelAnswer(**origin(served, day), indicators=lines, bands=bands, days=sorted(built))


async def week_items(asked: Asked, opened: Surroundings) -> s.WeekAnswer:
    """A part of a week's list, in the order of need; for those who visit first, by area."""
    return await anyio.to_thread.run_sync(_week_items, asked, opened)


def _week_items(asked: Asked, opened: Surroundings) -> s.WeekAnswer:
    query: s.WeekQuery = asked.query
    area = query.area or asked.principal.area
    if not opened.reach.contains(asked.principal.area, area):
        raise refuse_area()
    week = _week(opened, asked.params["week"])
    order = week.blind if asked.blind else list(range(len(week.rows)))
    if asked.blind and query.level is not None:
        raise refuse(403, "role_refused", role=asked.principal.role, roles="town, county")
    places = [
        at for at in order
        if opened.reach.contains(area, str(week.rows[at]["area_code"]))
        and (query.level is None or week.rows[at]["level"] == query.level)
    ]  # fmt: skip
    first = _after(query.after, week.run.run_id, len(order))
    ranks = {at: rank for rank, at in enumerate(order)}
    rest = [at for at in places if ranks[at] >= first]
    shown = rest[: query.limit]
    asked.rows = len(shown)
    return s.WeekAnswer(
        **_origin(opened, week),
        week=str(asked.params["week"]),
        items=[_item(week.rows[at], blind=asked.blind) for at in shown],
        next=_cursor(week.run.run_id, ranks[shown[-1]] + 1) if len(rest) > len(shown) else None,
    )


def _week(opened: Surroundings, text: str) -> Week:
    try:
        period = parse_period(text)
        day = period.end
    except (UsageError, ValueError, OverflowError) as error:
        raise refuse(404, "week_unreadable") from error
    week = opened.weeks.of_day(day)
    if week is None:
        known = opened.weeks.days()
        refusal = refuse(404, "week_without_list", known=", ".join(map(str, known[-8:])) or "—")
        refusal.days = [str(other) for other in known]
        raise refusal
    return week


def _origin(opened: Surroundings, week: Week) -> dict[str, Any]:
    """Where a run's answer comes from: the run's own version, not the one that serves now."""
    receipt = week.receipt
    served = opened.current.now
    line = None
    if served is not None and served.bundle.digest == receipt["bundle"]:
        line = model_line(served)
    feeds = opened.project.feeds
    departments = opened.project.departments
    return {
        "model": line
        or s.ModelLine(
            version=str(receipt["version"]), bundle=receipt["bundle"], schema_hash="", task=receipt["task"], until="",
            trial=bool(receipt["trial"]),
        ),
        "run_id": week.run.run_id,
        "data_day": week.run.as_of,
        "stale": bool(receipt["stale"]),
        "gaps": [
            s.Gap(
                feed=name,
                name=s.Text(**feeds[name].name.model_dump()) if name in feeds else s.Text(zh=name, en=name),
                department=s.Text(**departments[feeds[name].department].name.model_dump())
                if name in feeds
                else s.Text(zh=name, en=name),
                **state,
            )
            for name, state in receipt["feeds"].items()
            if state["status"] != "current"
        ],
        "note": NOTE,
    }  # fmt: skip


def _item(row: Row, *, blind: bool) -> s.WeekItem:
    """A row of the list; rows that were drawn at random look like every other."""
    shared = {name: row[name] for name in ("household_id", "area_code", "row_code")}
    if blind:
        quiet = s.text("quiet")
        return s.WeekItem(**shared, situation=quiet)
    probability = row["probability"]
    return s.WeekItem(
        **shared,
        situation=row["situation"],
        visit_by=date.fromisoformat(row["visit_by"]),
        level=row["level"] if row["level"] in ("red", "orange", "yellow", "none") else None,
        probability=probability,
        per_100=row["per_100"],
        range=tuple(row["range"]) if row["range"] else None,
        change=row["change"],
        change_per_100=row["change_per_100"],
        reasons=[s.Reason(**reason) for reason in row["reasons"]],
    )


async def household(asked: Asked, opened: Surroundings) -> s.HouseholdAnswer:
    """A household over the published weeks, newest first."""
    return await anyio.to_thread.run_sync(_household, asked, opened)


def _household(asked: Asked, opened: Surroundings) -> s.HouseholdAnswer:
    query: s.Page = asked.query
    wanted = asked.params["household_id"]
    weeks = opened.weeks.newest_first()
    seen = [(week, score) for week in weeks if (score := week.score(wanted)) is not None]
    if not seen:
        raise refuse(404, "household_not_found", day=weeks[0].run.as_of if weeks else "—")
    newest, now = seen[0]
    if not opened.reach.contains(asked.principal.area, now["area_code"]):
        raise refuse_area()
    first = _after(query.after, weeks[0].run.run_id, len(seen))
    shown = seen[first : first + query.limit]
    asked.rows = 1
    advice = None
    if newest is not weeks[0]:
        advice = IN_HARDSHIP if not asked.blind else None
    elif now["probability"] is None and not asked.blind:
        advice = SUGGESTION
    code = now["area_code"]
    more = first + len(shown) < len(seen)
    return s.HouseholdAnswer(
        **_origin(opened, newest),
        household_id=wanted,
        area_code=code,
        area=s.Text(zh=opened.tree.path(code, "zh") or code, en=opened.tree.path(code, "en") or code),
        weeks=[_line(week, score, wanted, blind=asked.blind) for week, score in shown],
        next=_cursor(weeks[0].run.run_id, first + len(shown)) if more else None,
        advice=advice,
    )


def _line(week: Week, score: Row, wanted: str, *, blind: bool) -> s.WeekOfHousehold:
    shared = {
        "week": _period(week), "as_of": week.run.as_of, "run_id": week.run.run_id,
        "version": str(week.receipt["version"]), "listed": wanted in week.listed,
    }  # fmt: skip
    if blind:
        return s.WeekOfHousehold(**shared)
    probability = score["probability"]
    return s.WeekOfHousehold(
        **shared,
        level=score["level"],
        probability=probability,
        per_100=None if probability is None else per_100(probability),
        range=None if probability is None else (score["low"], score["high"]),
    )


def _period(week: Week) -> str:
    day = week.run.as_of
    return f"{day.isocalendar().year}-W{day.isocalendar().week:02d}" if day.isoweekday() == 7 else str(day)[:7]


# --- cursors ----------------------------------------------------------------------------------------------------------


def _cursor(run_id: str, place: int) -> str:
    """Where to go on: a place in one run's order, useless once the run is another."""
    return base64.urlsafe_b64encode(f"{run_id}.{place}".encode()).decode().rstrip("=")


def _after(cursor: str | None, run_id: str, most: int) -> int:
    if cursor is None:
        return 0
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        run, _, place = text.partition(".")
        at = int(place) if place.isascii() and place.isdigit() and len(place) < 10 else -1
    except (binascii.Error, UnicodeDecodeError, ValueError):
        run, at = "", -1
    if run != run_id or not 0 <= at <= most:
        raise refuse(409, "cursor_wrong")
    return at
