"""Facts that know only a person, brought to the person's households.

Hospitals and insurers know persons, not households. A fact belongs to a household where the person was its member on
the fact's date, on the as-of days on which both the fact and the membership are known: when a membership becomes
known late, the facts follow (data contract, rule 5). One pass over the facts writes them by household bucket; a move
list per bucket would read every person's facts once for each bucket.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis

from features.calendar import FOREVER
from features.cells import Batch, delivers, record_date


def move_facts(batch: Batch, table: str) -> Path | None:
    """Writes a table's facts of persons as facts of households, one folder per bucket; None where there are none."""
    if table == "member" or not delivers(batch.project, table, by_person=True):
        return None
    facts = batch.store.as_known_on(batch.days, table, batch.engine, subject="person")
    folder = batch.scratch / f"moved-{table}"
    folder.mkdir()
    stage = batch.scratch / f"moved-{table}.parquet"
    batch.write(_resolved(batch, facts), stage)
    target, source = (str(path).replace("'", "''") for path in (folder, stage))
    batch.engine.sql(
        f"COPY (SELECT * FROM read_parquet('{source}')) TO '{target}' (FORMAT parquet, PARTITION_BY (bucket))"
    )
    stage.unlink()
    return folder


def _resolved(batch: Batch, facts: Any) -> Any:
    """Facts with household and bucket, known while both fact and membership are known."""
    facts = facts.mutate(counted_on=record_date(facts), fact=ibis.row_number())
    facts = facts.drop("household_id") if "household_id" in facts.columns else facts
    facts = facts.rename(fact_from="known_from", fact_to="known_to")
    member = batch.store.as_known_on(batch.days, "member", batch.engine)
    member = member.select(
        "person_id",
        "household_id",
        since=member.valid_from,
        until=ibis.coalesce(member.valid_to, ibis.literal(FOREVER)),
        member_from=member.known_from,
        member_to=member.known_to,
        said_by=member.row_id,
    )
    joined = facts.join(member, "person_id")
    joined = joined.filter((joined.since <= joined.counted_on) & (joined.until > joined.counted_on))
    joined = joined.mutate(
        known_from=ibis.greatest(joined.fact_from, joined.member_from),
        known_to=ibis.least(joined.fact_to, joined.member_to),
    )
    joined = joined.filter(joined.known_from < joined.known_to)
    once = _once(joined.drop("since", "until", "member_from", "member_to", "fact_from", "fact_to", "counted_on"))
    digits = ibis.literal("0x") + once.household_id.substr(0, 4)
    return once.mutate(bucket=digits.cast("int64") % batch.project.store.buckets)


def _once(joined: Any) -> Any:
    """A fact counts once for a household, though two membership records may say the same: spans of days united.

    Spans may be alike; the membership's own number puts them in one order for both windows, or an island could begin
    with its second row and count as two.
    """
    keys, order = ["fact", "household_id"], ["known_from", "known_to", "said_by"]
    before = ibis.window(group_by=keys, order_by=order, rows=(None, -1))
    covered = joined.mutate(covered=joined.known_to.max().over(before))
    fresh = (covered.covered.isnull() | (covered.known_from > covered.covered)).cast("int32")
    running = ibis.window(group_by=keys, order_by=order, rows=(None, 0))
    islands = covered.mutate(fresh=fresh)
    islands = islands.mutate(island=islands.fresh.sum().over(running))
    rest = [name for name in joined.columns if name not in (*keys, *order)]
    united = islands.group_by(*keys, "island").agg(
        known_from=islands.known_from.min(),
        known_to=islands.known_to.max(),
        **{name: islands[name].first() for name in rest},
    )
    return united.drop("island", "fact")
