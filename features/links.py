"""What ties a household to others: members who live elsewhere as well, and the employers that its readings name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from features.calendar import FOREVER
from features.cells import Batch, indexed, read, record_date
from features.indicators import definition as d
from features.membership import move_facts

KEYS = ("household_id", "a")


def members_elsewhere(batch: Batch, present: Callable[[Any], Any]) -> Path:
    """Persons who are members of several households on an as-of day, once for all buckets.

    `present` tells whether a membership is valid on the row's day.
    """
    file = batch.scratch / "elsewhere.parquet"
    if not file.is_file():
        days = batch.named["days"]
        member = batch.store.as_known_on(batch.days, "member", batch.engine)
        homes = member.group_by("person_id").agg(homes=member.household_id.nunique())
        several = indexed(batch, member.semi_join(homes.filter(homes.homes > 1), "person_id"))
        on_day = several.join(days, [several.lo <= days.a, several.hi > days.a])
        on_day = on_day.filter(present(on_day))
        homes = on_day.group_by("person_id", "a").agg(homes=on_day.household_id.nunique())
        batch.write(homes.filter(homes.homes > 1).select("person_id", "a"), file)
    return file


def with_elsewhere(joined: Any, several: Any) -> Any:
    """Members on days with `elsewhere`: whether they are members of another household as well on the day."""
    shared = several.select(shared_person="person_id", shared_a="a")
    marked = joined.left_join(shared, [joined.person_id == shared.shared_person, joined.a == shared.shared_a])
    return marked.mutate(elsewhere=marked.shared_person.notnull()).drop("shared_person", "shared_a")


def readings(batch: Batch, days: int, bucket: int, moved: dict[str, Path]) -> Any | None:
    """Readings of a bucket's households that are less than so many days old on some as-of day; None without a feed."""
    if "reading" not in moved and (path := move_facts(batch, "reading")):
        moved["reading"] = path
    return read(batch, "reading", bucket, moved, periods=(batch.days[0] - timedelta(days=days), FOREVER))


def named_records(batch: Batch, node: d.Events, given: Mapping[str, Any], days: Any, rows: Any) -> Any | None:
    """Records of what a bucket's households name in their readings, once for each household and as-of day.

    A reading counts for a day where it is known and less than `node.days` old. None where no feed brings either.
    """
    column = str(node.through)
    if "readings" not in given or f"all_{node.table}" not in given:
        return None
    readings = given["readings"].filter(given["readings"][column].notnull())
    readings = indexed(batch, readings.mutate(told_on=record_date(readings)))
    told = readings.select("household_id", "told_on", "lo", "hi", named=readings[column]).distinct()
    named = told.join(days, [told.lo <= days.a, told.hi > days.a])
    named = named.filter(named.day.delta(named.told_on, unit="day") < node.days)
    named = named.select(*KEYS, "day", "named").distinct().semi_join(rows, KEYS)
    records = indexed(batch, given[f"all_{node.table}"])
    joined = named.join(records, named.named == records[column])
    return joined.filter((joined.lo <= joined.a) & (joined.a < joined.hi))
