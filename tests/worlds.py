"""Small generated stores for tests: departments that report late, correct themselves, and know only persons."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.calendar import FOREVER, period_end, period_index, period_start
from features.feeds.contracts import TABLES
from features.project import Project

KINDS = {"date": pa.date32(), "money": pa.int64(), "integer": pa.int64(), "number": pa.float64(), "flag": pa.bool_()}
FIRST = period_index("month", date(2020, 1, 1))
MONTHS = 9
DAYS = tuple(period_end("month", FIRST + k) for k in (4, 6, 7, 8))


def feed(table, rules, *, within=20, person=False):
    who = "person_id" if person else "household_id"
    profile = {
        "columns": {"who": {"type": "text"}, "when": {"type": "date"}, "x": {"type": "number"}, "y": {"type": "text"}},
        "key": ["who"],
        "records": [{"table": table, "set": {who: "who", **rule.pop("set", {})}, **rule} for rule in rules],
    }
    return {
        "name": {"zh": table, "en": table},
        "department": "bureau",
        "cadence": "month",
        "expected_within_days": within,
        "profile": profile,
    }


def project(*, buckets=3, population=None, **sections):
    """A project with one feed of each kind; areas in three levels."""
    areas = [("g", "province", None), ("n", "county", "g"), ("s", "county", "g")]
    areas += [("n1", "town", "n"), ("n2", "town", "n"), ("s1", "town", "s")]
    content = {
        "version": 1,
        "name": "world",
        "title": {"zh": "试", "en": "trial"},
        "calendar": {"cadence": "month", "grain": "month"},
        "store": {"buckets": buckets},
        "areas": {
            "levels": ["province", "county", "town"],
            "visits": "county",
            "listed": [{"code": c, "name": {"zh": c, "en": c}, "level": lv, "parent": up} for c, lv, up in areas],
        },
        "departments": {"bureau": {"name": {"zh": "局", "en": "bureau"}}},
        "feeds": {
            "register": feed("household", [{"set": {"valid_from": "when", "area_code": "y"}}]),
            "people": feed("member", [{"set": {"person_id": "y", "valid_from": "when"}}]),
            "wages": feed("income", [{"set": {"amount": "x"}, "const": {"source": "total"}}]),
            "survey": feed("reading", [{"set": {"value": "x"}, "const": {"kind": "answer"}}], within=5),
            "bills": feed("expense", [{"set": {"amount": "x"}, "const": {"kind": "medical"}}], person=True),
            "happenings": feed("event", [{"set": {"event_date": "when"}}]),
            "status": feed("category", [{"set": {"valid_from": "when"}}]),
            "lines": feed("assistance_line", [{"set": {"valid_from": "when"}}]),
            "fees": feed("schedule", [{"set": {"valid_from": "when"}}]),
            "places": feed("area_reading", [{"set": {"value": "x"}}]),
        },
        "population": {"feed": population} if population else {},
        "tasks": {"t": {"title": {"zh": "试", "en": "trial"}, "horizon": "3 months", "recorded": True}},
        "default_task": "t",
        "levels": {"source": "-", "since": "2020", "red": 0.4, "orange": 0.2, "yellow": 0.1},
        "capacity": {"source": "-", "since": "2020", "default": 3},
        "listing": {"source": "-", "since": "2020"},
        "promotion": {"source": "-", "since": "2020", "gates": []},
        **sections,
    }
    return Project.model_validate(content)


def pseudonym(text):
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class World:
    """Records by table, with known_from and known_to."""

    def __init__(self, seed, households=8):
        self.random = np.random.default_rng(seed)
        self.records = {name: [] for name in TABLES}
        self.serial = 0
        homes = [pseudonym(f"h{seed}-{ix}") for ix in range(households)]
        for ix, home in enumerate(homes):
            self._household(home, ix, homes)
        self._places()

    def add(self, table, known, **values):
        self.serial += 1
        self.records[table].append(
            {**dict.fromkeys(column.name for column in TABLES[table].stored), **values}
            | {"known_from": known, "known_to": FOREVER, "knowledge_date": known, "row_id": self.serial,
               "knowledge_date_assumed": False, "department": "bureau"}
        )  # fmt: skip
        return self.records[table][-1]

    def correct(self, record, **changes):
        """Later the department says otherwise, or that it was nothing."""
        later = record["known_from"] + timedelta(days=int(self.random.integers(10, 90)))
        table = next(name for name, rows in self.records.items() if any(row is record for row in rows))
        record["known_to"] = later
        if changes:
            values = {k: v for k, v in record.items() if k not in ("known_from", "known_to", "row_id")}
            self.add(table, later, **{**values, **changes})

    def chance(self, share):
        return self.random.random() < share

    def pick(self, *choices):
        return choices[int(self.random.integers(len(choices)))]

    def lag(self, day, most=70):
        return day + timedelta(days=int(self.random.integers(0, most)))

    def _household(self, home, ix, homes):
        start = period_start("month", FIRST - 2)
        record = self.add("household", self.lag(start, 40), household_id=home, valid_from=start, period_end=start,
                          area_code=self.pick("n1", "n2", "s1"), residence=self.pick("urban", "rural", None),
                          weight=float(self.random.integers(1, 5)), feed="register",
                          valid_to=period_start("month", FIRST + 6) if self.chance(0.15) else None)  # fmt: skip
        if self.chance(0.3):
            self.correct(record, area_code=self.pick("n1", "n2", "s1"))
        if self.chance(0.3):
            moved = period_start("month", FIRST + int(self.random.integers(1, 7)))
            self.add("household", self.lag(moved), household_id=home, valid_from=moved, period_end=moved,
                     area_code=self.pick("n1", "n2", "s1"), weight=1.5, feed="register")  # fmt: skip
        for number in range(int(self.random.integers(1, 4))):
            self._person(pseudonym(f"{home}-{number}"), home, homes)
        for p in range(FIRST - 1, FIRST + MONTHS):
            self._month(home, p)

    def _person(self, person, home, homes):
        start = period_start("month", FIRST - 1)
        born = f"{int(self.random.integers(1935, 2019))}-{int(self.random.integers(1, 13)):02d}"
        left = period_start("month", FIRST + 4) if self.chance(0.2) else None
        common = {"person_id": person, "feed": "people", "birth_month": None if self.chance(0.1) else born,
                  "sex": self.pick("male", "female")}  # fmt: skip
        record = self.add("member", self.lag(start, 120), household_id=home, valid_from=start, period_end=start,
                          valid_to=left, **common)  # fmt: skip
        if self.chance(0.2):
            self.correct(record)
        if self.chance(0.3):
            again = period_start("month", FIRST + 2)
            self.add("member", self.lag(again, 60), household_id=self.pick(home, self.pick(*homes)), valid_from=again,
                     period_end=again, **common)  # fmt: skip
        for p in range(FIRST - 1, FIRST + MONTHS):
            if self.chance(0.4):
                day = period_start("month", p) + timedelta(days=int(self.random.integers(0, 27)))
                bill = self.add("expense", self.lag(day), person_id=person, kind="medical", event_date=day,
                                period_start=day, period_end=day, amount=int(self.random.integers(1, 900_000)),
                                feed="bills", place=self.pick("local", "elsewhere"))  # fmt: skip
                if self.chance(0.1):
                    self.correct(bill, amount=int(self.random.integers(1, 900)))

    def _month(self, home, p):
        start, end = period_start("month", p), period_end("month", p)
        span = {"household_id": home, "period_start": start, "period_end": end}
        if self.chance(0.8):
            amount = int(self.pick(0, 1, int(self.random.integers(1, 500_000)), 250_000))
            wage = self.add("income", self.lag(end), source="total", amount=amount, feed="wages", **span)
            if self.chance(0.2):
                self.correct(wage, amount=int(self.random.integers(1, 400_000)))
            elif self.chance(0.1):
                self.correct(wage)
        if self.chance(0.7):
            self.add("reading", self.lag(end, 30), kind="answer", detail=self.pick("aid", "debt"),
                     value=float(self.pick(1, 2, 2.5)), feed="survey", **span)  # fmt: skip
            if self.chance(0.3):
                self.add("reading", self.lag(end, 50), kind="answer", detail="aid", value=float(self.pick(1, 2, 0.1)),
                         feed="survey", **span)  # fmt: skip
        if self.chance(0.3):
            day = start + timedelta(days=int(self.random.integers(0, 27)))
            self.add("event", self.lag(day - timedelta(days=20), 60), household_id=home, kind=self.pick("death", "birth"),
                     event_date=day, period_start=day, period_end=day, amount=int(self.random.integers(1, 99)),
                     feed="happenings")  # fmt: skip
        if self.chance(0.1):
            until = end + timedelta(days=60) if self.chance(0.7) else None
            self.add("category", self.lag(start, 40), household_id=home, category=self.pick("dibao", "edge"),
                     valid_from=start, valid_to=until, period_end=start, feed="status")  # fmt: skip

    def _places(self):
        for area in ("g", "n", "s1"):
            for residence in ("urban", "rural") if area != "s1" else (None,):
                day = period_start("month", FIRST + int(self.random.integers(-2, 5)))
                self.add("assistance_line", self.lag(day, 30), area_code=area, residence=residence, valid_from=day,
                         period_end=day, dibao_yuan_month=int(self.random.integers(50_000, 90_000)), feed="lines")  # fmt: skip
        for p in range(FIRST, FIRST + MONTHS):
            self.add("area_reading", self.lag(period_end("month", p)), area_code=self.pick("g", "n"), kind="price",
                     period_end=period_end("month", p), value=float(self.random.integers(90, 110)), feed="places")  # fmt: skip
        self.add("schedule", period_start("month", FIRST), kind="school_fee", stage=None, area_code="n",
                 valid_from=period_start("month", FIRST), period_end=period_start("month", FIRST), amount=3000,
                 feed="fees")  # fmt: skip

    def until(self, day):
        """The world as a store that has not yet received what becomes known after `day`."""
        earlier = World.__new__(World)
        earlier.records = {
            table: [
                {**row, "known_to": row["known_to"] if row["known_to"] <= day else FOREVER}
                for row in rows
                if row["known_from"] <= day
            ]
            for table, rows in self.records.items()
        }
        return earlier


class WorldStore:
    """A store with the real one's reading method, over a world's records in shuffled order."""

    def __init__(self, world, folder, buckets, *, shuffle=None):
        self.version = 1
        self.folder = folder
        random = np.random.default_rng(shuffle)
        for table, rows in world.records.items():
            placed = {}
            for ix in random.permutation(len(rows)) if shuffle is not None else range(len(rows)):
                row = rows[ix]
                who = row.get("household_id") or row.get("person_id")
                subject = "all" if who is None else ("household" if row.get("household_id") else "person")
                bucket = int(who[:4], 16) % buckets if who else 0
                placed.setdefault((subject, bucket), []).append(row)
            schema = pa.schema([(c.name, KINDS.get(c.type, pa.string())) for c in TABLES[table].stored])
            self._save(
                table,
                placed,
                schema.append(pa.field("known_from", pa.date32())).append(pa.field("known_to", pa.date32())),
            )

    def _save(self, table, placed, schema):
        (self.folder / table).mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([], schema=schema), self.folder / table / "empty.parquet")
        for (subject, bucket), rows in placed.items():
            pq.write_table(
                pa.Table.from_pylist(rows, schema=schema), self.folder / table / f"{subject}-{bucket}.parquet"
            )

    def as_known_on(self, days, table, engine, *, bucket=None, subject="household", periods=None, version=None):
        wanted = [days] if isinstance(days, date) else list(days)
        pattern = f"{subject}-{'*' if bucket is None else bucket}.parquet"
        paths = sorted((self.folder / table).glob(pattern)) or [self.folder / table / "empty.parquet"]
        found = engine.read_parquet(paths)
        return found.filter((found.known_from <= max(wanted)) & (found.known_to > min(wanted)))
