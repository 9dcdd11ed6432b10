"""A province's casework in bulk: cases of every state on lists of twelve weeks, their people, and the runs' folders.

Rows are written table by table, past the desk: that is a benchmark's business alone.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import insert

from serving.casework import actions as a
from serving.casework import tables as t
from serving.casework.cases import needs_open, places_of
from serving.casework.deadlines import next_due
from tests.web.shown import explained

WEEKS, NEWEST = 12, date(2026, 11, 8)
NOW = datetime(2026, 11, 9, 2, tzinfo=UTC)
AT_ONCE = 5_000


def patterns():
    """Cases of every state, made by steps, with what they weigh in life."""
    from tests.casework import made as m

    through, form = m.through, m.form
    visit = (a.Assign(by=m.TOWN, to=m.VILLAGE), a.Classify(by=m.VILLAGE, form=form("V1")))
    referred = (*visit, a.Refer(by=m.TOWN, referral_id="r1", need="N04"))
    watch = a.Watch(by=m.TOWN, until=date(2027, 1, 1))
    shares = {
        "alert": (3, ()), "assigned": (4, visit[:1]), "classified": (2, visit), "referred": (2, referred),
        "received": (3, (*referred, m.answer("F0"))), "answered": (1, (*referred, m.answer("F2"))),
        "effect_check": (1, (*referred, m.answer("F1"))),
        "watching": (1, (visit[0], a.Classify(by=m.VILLAGE, form=form("V6")), watch)),
    }  # fmt: skip
    closed = (visit[0], a.Classify(by=m.VILLAGE, form=form("V3")), a.Close(by=m.TOWN, reason="no_need"))
    found = {state: (weight, through(m.alert(), *acts)) for state, (weight, acts) in shares.items()}
    return found, through(m.alert(), *closed)


def row_of(luck, household, rank):
    """What a list says of a household, as long as in life."""
    families = ("expense", "income", "population", "assistance_gap", "vulnerability")
    level = luck.choices(("red", "orange", "yellow", "none"), (1, 3, 10, 2))[0]
    department = {"zh": "医保部门", "en": "medical security"}
    sentence = {"zh": "近3个月医疗自付 27,130 元，约为平时的 9 倍", "en": "27,130 yuan paid, 9 times the usual"}
    reason = {
        "sentence": sentence,
        "influence": 5, "share": 0.4, "value": {"zh": "27,130 元", "en": "27,130 yuan"},
        "usual": {"zh": "3,020 元", "en": "3,020 yuan"}, "peers": {"zh": "1,450 元", "en": "1,450 yuan"},
        "source": department,
        "record": {"department": department, "feed": {"zh": "医保结算", "en": "settlements"},
                   "file": "settlements.csv", "line": 17, "delivery": "d1", "day": "2026-10-18"},
        "history": [1000.0, 1010.0, None, 900.0, 1200.0, 8670.0, 18460.0],
    }  # fmt: skip
    return {
        "household_id": household, "level": level, "change": luck.choice(("new", "up", "same")), "change_per_100": 4,
        "probability": 0.3, "per_100": 30, "range": [0.25, 0.39], "rank": rank, "visit_by": "2026-11-13",
        "situation": sentence, "trend": [luck.randint(1, 40) for _ in range(12)],
        "explained": 0.86, "relief": [], "triggers": [],
        "reasons": [{"family": family, **reason} for family in luck.sample(families, 3)],
    }  # fmt: skip


class Writer:
    """Rows in bulk, table by table: the benchmark's business alone."""

    def __init__(self, database):
        self.database, self.rows = database, {}

    def add(self, table, **row):
        """A row, written when there are enough."""
        self.rows.setdefault(table, []).append(row)
        if len(self.rows[table]) >= AT_ONCE:
            self.flush()

    def flush(self):
        """Write what waits, in the order of foreign keys."""
        order = (t.CaseRow, t.PlaceRow, t.ReferralRow, t.SignalRow, t.FindingRow, t.EventRow, t.CountRow, t.NeedRow,
                 t.WorkerRow, t.AccountRow, t.WeekRow)  # fmt: skip
        with self.database.writing() as session:
            for table in order:
                if self.rows.get(table):
                    session.connection().execute(insert(table.__table__), self.rows.pop(table))


def people_of(writer, tree):
    """A visitor in every village, an office in every town and county, as a province has them."""
    villages = tree.of_level("village")
    for level, role in (("village", "village"), ("town", "town"), ("county", "county")):
        for code in tree.of_level(level):
            account = f"{role[0]}-{code}"
            writer.add(
                t.AccountRow, account=account, name=f"{tree.name(code)}专员", role=role, area_code=code, department="",
                password="-", language="", large=False, active=True, temporary=False, version=0,
                created_at=NOW, signed_in_at=None,
            )  # fmt: skip
            if role == "village":
                writer.add(
                    t.WorkerRow, account=account, role=role, area_code=code, capacity=30, active=True, away_from=None,
                    away_until=None, version=1,
                )  # fmt: skip
    writer.flush()
    return villages


def fill(database, tree, rules, options):
    """The cases; returns households that stand on the newest list."""
    luck = random.Random(7)
    writer = Writer(database)
    villages = people_of(writer, tree)
    opened, ended = patterns()
    states = list(opened)
    weights = [opened[state][0] for state in states]
    kinds = {state: case for state, (_, case) in opened.items()} | {"closed": ended}
    texts = {state: case.model_dump_json() for state, case in kinds.items()}
    waits = {state: (due - case.since if (due := next_due(case, rules)) else None) for state, case in kinds.items()}
    above = {village: places_of(tree, village) for village in villages}
    weeks = [NEWEST - timedelta(weeks=back) for back in range(WEEKS)]
    counts, needs, shown = Counter(), Counter(), []
    asked = {state: needs_open(case) for state, case in kinds.items()}
    for week in weeks:
        writer.add(t.WeekRow, run_id=run_of(week), week=week, opened_at=NOW, body={})
    numbers = luck.sample(range(options.households), options.cases + options.closed)
    for at, number in enumerate(numbers):
        household, case_id = (hashlib.sha256(f"{kind} {number}".encode()).hexdigest()[:24] for kind in "hc")
        is_open = at < options.cases
        week = weeks[0] if is_open and at % 2 == 0 else luck.choice(weeks[1:])
        state = luck.choices(states, weights)[0] if is_open else "closed"
        village = luck.choice(villages)
        worker = f"v-{village}"
        since = NOW - timedelta(days=(NEWEST - week).days, hours=luck.randint(0, 60))
        body, visit_by = json.loads(texts[state]), week + timedelta(days=luck.choice((3, 5, 20)))
        body |= {"case_id": case_id, "household_id": household, "area_code": village, "opened_on": str(week),
                 "since": since.isoformat(), "visit_by": str(visit_by)}  # fmt: skip
        if body["owner"] is not None:
            body["owner"] |= {"area": village, "account": worker if state in ("assigned", "visited") else ""}
        for one in body["referrals"]:
            one |= {"referral_id": f"{case_id}-1", "sent_at": since.isoformat()}
        wait = waits[state]
        add_case(writer, above[village], body, week, since, t.NEVER if wait is None else since + wait, luck, at, counts)
        needs.update((area, need) for area in above[village] for need in asked[state])
        if week == NEWEST and len(shown) < 2_000:
            shown.append((household, village, f"{case_id}-1" if body["referrals"] else ""))
    for (week, area, state), number in counts.items():
        writer.add(t.CountRow, week=week, area_code=area, state=state, cases=number)
    for (area, need), number in needs.items():
        writer.add(t.NeedRow, area_code=area, need=need, cases=number)
    writer.flush()
    return shown


def add_case(writer, places, body, week, since, waits, luck, rank, counts):
    """A case as `cases.save` and the opening of a list leave it."""
    case_id, household, state, owner = body["case_id"], body["household_id"], body["state"], body["owner"] or {}
    shared = {"case_id": case_id, "household_id": household}
    writer.add(
        t.CaseRow, **shared, area_code=body["area_code"], week=week, state=state, owner_role=owner.get("role", ""),
        owner_area=owner.get("area", ""), owner_account=owner.get("account", ""), due_at=waits,
        version=body["version"], changed_at=since, body=body,
    )  # fmt: skip
    run_id, said = run_of(week), row_of(luck, household, rank)
    for area in places:
        writer.add(
            t.PlaceRow, area_code=area, case_id=case_id, week=week, state=state, due_at=waits,
            owner_account=owner.get("account", ""), **t.said_of(run_id, said),
        )  # fmt: skip
        counts[week, area, state] += 1
    for one in body["referrals"]:
        code = one["answers"][-1]["code"] if one["answers"] else ""
        is_open = code in ("", "F0")
        writer.add(
            t.ReferralRow, **shared, referral_id=one["referral_id"], area_code=body["area_code"], need=one["need"],
            department=one["department"], open=is_open, sent_at=since, due_at=waits if is_open else t.NEVER,
            answered_at=None, code=code,
        )  # fmt: skip
    writer.add(t.SignalRow, **shared, run_id=run_id, as_of=week, body=said)
    if body["records"]:
        writer.add(
            t.FindingRow, **shared, finding_id=f"{case_id}-1", run_id=run_id, found_on=week, delivered_at=since,
            delivery_id="d", body={"validity": body["records"][0]["form"]["validity"]},
        )  # fmt: skip
    for place in range(2):
        writer.add(
            t.EventRow, **shared, version=place, place=0, kind="opened", at=since, account="clock", role="clock",
            detail={"run_id": run_id},
        )  # fmt: skip


def run_of(week):
    """The id of a week's run."""
    return f"{(NEWEST - week).days // 7:012x}"


def receipts(place, tree, options, shown):
    """Run folders of the weeks as a run writes them: receipts with every county, and the mark of publication.

    Scores are those of the households that are looked at: reading a province's is measured where it is done.
    """
    scores = pd.DataFrame({"household_id": sorted(household for household, _, _ in shown)})
    scores = scores.assign(area_code="440000", level="red", probability=0.3, low=0.2, high=0.4)
    areas = [
        {"area": code, "name": tree.name(code), "capacity": 400, "listed": 400, "left_out": {"red": 0}, "overlap": 9,
         "at_or_above": {"red": 1, "orange": 2, "yellow": 3}}
        for code in tree.of_level("county")
    ]  # fmt: skip
    names = sorted(household for household, _, _ in shown)
    bodies = [json.dumps(explained(name, ""), ensure_ascii=False) for name in names]
    told = pa.table({"household_id": names, "body": bodies})
    for back in range(WEEKS):
        day = NEWEST - timedelta(weeks=back)
        folder = place.runs / f"{day}-onset-{back:012x}"
        folder.mkdir(parents=True)
        receipt = {"run_id": f"{back:012x}", "as_of": str(day), "area": None, "store_version": 60 - back,
                   "areas": areas, "feeds": {}, "version": "1", "bundle": "b" * 64,
                   "cohort": options.households}  # fmt: skip
        (folder / "run.json").write_text(json.dumps(receipt))
        scores.to_parquet(folder / "scores.parquet", index=False)
        pq.write_table(told, folder / "explained.parquet", row_group_size=32, compression="zstd")
        (folder / "PUBLISHED").write_text("x")
