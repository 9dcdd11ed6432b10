"""The indicator language in plain Python, one household, one day, one value at a time: slow, and easy to believe."""

from __future__ import annotations

import functools
import math
from datetime import date, timedelta
from statistics import median

from features.anchors import feeds_of, presence
from features.calendar import FOREVER, period_end, period_index
from features.calendar_china import spring_festival
from features.cells import ATTRIBUTES
from features.divisions import area_tree
from features.indicators import definition as d
from features.indicators.structure import parts, plain, walk

DATED = {"household": "valid_from", "member": "valid_from"}


def holds(x, when):
    tests = [
        when.at_most is None or x <= when.at_most,
        when.at_least is None or x >= when.at_least,
        when.below is None or x < when.below,
        when.above is None or x > when.above,
        when.equals is None or x == when.equals,
        when.any_of is None or x in when.any_of,
    ]
    return all(tests)


def there(values):
    return [value for value in values if value is not None]


class Reference:
    def __init__(self, project, records, days):
        self.project = project
        self.grain = project.calendar.grain
        self.records = records
        self.days = sorted(days)
        self.tree = area_tree(project)
        self.reporting = presence(project)
        self.seen = functools.cache(self._seen)
        self.period_value = functools.cache(self._period_value)
        self.value = functools.cache(self._value)
        self.anchor = functools.cache(self._anchor)
        self.population = functools.cache(self._population)

    # --- records ---

    def known(self, table, day):
        return [r for r in self.records.get(table, []) if r["known_from"] <= day < r["known_to"]]

    def _seen(self, table, day):
        found = []
        for record in self.known(table, day):
            if table == "member" or record.get("household_id") or "person_id" not in record:
                found.append(record)
                continue
            homes = {
                m["household_id"]
                for m in self.known("member", day)
                if m["person_id"] == record["person_id"]
                and m["valid_from"] <= record["period_end"] < (m["valid_to"] or FOREVER)
            }
            found += [{**record, "household_id": home} for home in homes]
        return found

    def place(self, record):
        return period_index(self.grain, record["period_end"])

    # --- anchors ---

    def whole(self, day):
        index = period_index(self.grain, day)
        return index if period_end(self.grain, index) <= day else index - 1

    def _anchor(self, feed, day):
        counts = {}
        for record in self.known(self.reporting[feed].table, day):
            if record["feed"] == feed and self.place(record) <= self.whole(day):
                counts[self.place(record)] = counts.get(self.place(record), 0) + 1
        periods = sorted(counts)
        for at in range(len(periods) - 1, -1, -1):
            before = [counts[p] for p in periods[max(0, at - 4) : at]]
            if not before or counts[periods[at]] >= self.project.feeds[feed].minimum_share * median(before):
                return periods[at]
        return self.whole(day)

    def base(self, series, day):
        feeds = [feed for feed in feeds_of(self.project, series) if feed in self.reporting]
        if not feeds:
            return period_index(self.grain, day)
        return min(self.anchor(feed, day) for feed in feeds)

    def due(self, series, day):
        feeds = [feed for feed in feeds_of(self.project, series) if feed in self.reporting]
        if not feeds:
            return period_index(self.grain, day)
        return min(self.whole(day - timedelta(days=self.project.feeds[feed].expected_within_days)) for feed in feeds)

    # --- period level ---

    def series(self, s, h, p, day):
        rows = [
            r
            for r in self.seen(s.table, day)
            if r["household_id"] == h and self.place(r) == p and all(r.get(c) in v for c, v in s.where)
        ]
        if s.aggregate == "count":
            n = sum(s.measure is None or r[s.measure] is not None for r in rows)
            return n * s.scale if n else None
        rows = [r for r in rows if r[s.measure] is not None]
        values = [float(r[s.measure]) for r in rows]
        if not values:
            return None
        if s.aggregate == "sum":
            return math.fsum(values) * s.scale
        if s.aggregate == "mean":
            return math.fsum(values) / len(values) * s.scale
        if s.aggregate == "minimum":
            return min(values) * s.scale
        if s.aggregate == "last":
            return max((r["period_end"], r["known_from"], float(r[s.measure])) for r in rows)[2] * s.scale
        return max(values) * s.scale

    def households(self, day):
        return {r["household_id"] for table in self.records for r in self.seen(table, day) if "household_id" in r}

    def attribute_in(self, name, h, p, day):
        column = ATTRIBUTES.get(name.partition(":")[0], name)
        rows = [
            r
            for r in self.known("household", day)
            if r["household_id"] == h
            and period_index(self.grain, r["valid_from"]) <= p
            and (r["valid_to"] is None or period_index(self.grain, r["valid_to"]) > p)
            and r[column] is not None
        ]
        if not rows:
            return None
        return self._level(name, max((r["valid_from"], r["known_from"], str(r[column])) for r in rows)[2])

    def _level(self, name, code):
        _, _, level = name.partition(":")
        if not level or code is None:
            return code
        level = self.project.areas.visits if level == "visits" else level
        return self.tree.at_level(code, level) if code in self.tree else None

    def reported(self, e, h, p, day):
        return any(self.period_value(s, h, p, day) is not None for s in walk(e) if isinstance(s, d.Series))

    def _period_value(self, e, h, p, day):
        if not isinstance(e, d.Series | d.Attribute | d.Constant) and not self.reported(e, h, p, day):
            return None
        if isinstance(e, d.Series):
            return self.series(e, h, p, day)
        if isinstance(e, d.Lag):
            return self.period_value(e.series, h, p - e.periods, day)
        if isinstance(e, d.Attribute):
            found = self.attribute_in(e.name, h, p, day)
            return found if not e.equals or found is None else float(found in e.equals)
        if isinstance(e, d.PEERS):

            def key_at(other, q):
                return tuple(self.period_value(k, other, q, day) for k in e.by)

            periods = getattr(e, "periods", 1)
            rows = [
                (other, key_at(other, q), self.period_value(e.of, other, q, day))
                for q in range(p - periods + 1, p + 1)
                for other in self.households(day)
                if self.reported(e, other, q, day)
            ]
            return self.peers(e, h, key_at(h, p), self.period_value(e.of, h, p, day), rows)
        return self.arithmetic(e, lambda part: self.period_value(part, h, p, day))

    # --- peers ---

    def peers(self, e, h, key, own, rows):
        if None in key:
            return None
        rows = [(o, k, x) for o, k, x in rows if x is not None and None not in k]
        values = [x for _, k, x in rows if k == key]
        if isinstance(e, d.Rank):
            if own is None:
                return None
            return (sum(x < own for x in values) + 0.5 * sum(x == own for x in values)) / len(values)
        if isinstance(e, d.PeerMean):
            if not values:
                return None
            total, n = math.fsum(values), len(values)
            if e.leave_out and own is not None:
                total, n = total - own, n - 1
            if n < e.least or n < 1:
                return None
            everyone = [x for _, _, x in rows]
            prior = e.smooth * math.fsum(everyone) / len(everyone) if e.smooth else 0.0
            return (total + prior) / (n + e.smooth)
        if not values or len(values) < getattr(e, "least", 1):
            return None
        if isinstance(e, d.PeerMaximum):
            return max(values)
        if isinstance(e, d.PeerMinimum):
            return min(values)
        ordered = sorted(values)
        at = e.q * (len(ordered) - 1)
        low = math.floor(at)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (at - low) * (ordered[high] - ordered[low])

    # --- arithmetic ---

    def arithmetic(self, e, of):
        if isinstance(e, d.Constant):
            return e.value
        if isinstance(e, d.FirstOf):
            return next(iter(there(of(t) for t in e.terms)), None)
        if isinstance(e, d.IsMissing):
            return float(of(e.of) is None)
        if isinstance(e, d.Where):
            test = of(e.test)
            if test is None:
                return None
            return of(e.then) if test == 1 else (of(e.otherwise) if test == 0 and e.otherwise else None)
        if isinstance(e, d.Sum):
            terms = [of(t) for t in e.terms]
            need = len(terms) if e.least is None else e.least
            return math.fsum(there(terms)) if len(there(terms)) >= need else None
        values = [of(t) for t in parts(e)]
        if None in values:
            return None
        if isinstance(e, d.Product):
            return math.prod(values)
        if isinstance(e, d.Lowest):
            return min(values)
        if isinstance(e, d.Highest):
            return max(values)
        if isinstance(e, d.Test):
            return float(holds(values[0], e.when))
        if isinstance(e, d.Absolute):
            return abs(values[0])
        if isinstance(e, d.Log):
            return math.log(values[0]) if values[0] > 0 else None
        if isinstance(e, d.Root):
            return math.sqrt(values[0]) if values[0] >= 0 else None
        if isinstance(e, d.Difference):
            return values[0] - values[1]
        if isinstance(e, d.Ratio | d.ToLine):
            return values[0] / values[1] if values[1] != 0 else None
        if isinstance(e, d.LogRatio):
            return math.log(values[0] / values[1]) if values[0] > 0 and values[1] > 0 else None
        raise AssertionError(e)

    # --- day level ---

    def _population(self, day):
        rule = self.project.population
        chosen = {}
        for r in self.known("household", day):
            if r["valid_from"] <= day and (r["valid_to"] is None or r["valid_to"] > day):
                rank = (r["valid_from"], r["known_from"], _reverse(r["area_code"]))
                if r["household_id"] not in chosen or rank > chosen[r["household_id"]][0]:
                    chosen[r["household_id"]] = (rank, r)
        found = {h: r for h, (_, r) in chosen.items()}
        if rule.feed:
            s = self.reporting[rule.feed]
            base = self.base(s, day)
            found = {
                h: r
                for h, r in found.items()
                if any(self.series(s, h, base - k, day) is not None for k in range(rule.within))
            }
        return found

    def window(self, e, h, day):
        base = self.base(e.series, day)

        def at(k):
            return self.period_value(e.series, h, base - k, day)

        if isinstance(e, d.At):
            return at(e.offset)
        if isinstance(e, d.Late):
            due = self.due(e.series, day)
            now = period_index(self.grain, day)
            found = [due - p for p in range(now - 40, now + 1) if self.period_value(e.series, h, p, day) is not None]
            return float(max(0, min(e.periods, *found))) if found else float(e.periods)
        if isinstance(e, d.ToUsual):
            now = there(at(k) for k in range(e.recent))
            usual = there(at(k) for k in range(e.recent, e.recent + e.prior))
            if len(now) < e.least or len(usual) < e.least:
                return None
            now, usual = math.fsum(now) / len(now), math.fsum(usual) / len(usual)
            if e.how == "difference":
                return now - usual
            if e.how == "ratio":
                return now / usual if usual != 0 else None
            return math.log(now / usual) if now > 0 and usual > 0 else None
        length = getattr(e, "periods", None) or e.within
        skip = getattr(e, "skip", 0)
        pairs = [(k, at(k)) for k in range(skip, skip + length)]
        pairs = [(k, x) for k, x in pairs if x is not None]
        values = [x for _, x in pairs]
        if isinstance(e, d.Last):
            return values[0] if values else None
        if isinstance(e, d.Previous):
            return values[e.nth] if len(values) > e.nth else None
        if isinstance(e, d.Reported):
            return float(len(values))
        if isinstance(e, d.Since):
            if not values:
                return None
            return float(next((k for k, x in pairs if e.when is None or holds(x, e.when)), e.periods))
        if len(values) < max(e.least, 2 if isinstance(e, d.Slope) else 1):
            return None
        if isinstance(e, d.Total):
            return math.fsum(values)
        if isinstance(e, d.Mean):
            return math.fsum(values) / len(values)
        if isinstance(e, d.Minimum):
            return min(values)
        if isinstance(e, d.Maximum):
            return max(values)
        if isinstance(e, d.Count):
            return float(sum(holds(x, e.when) for x in values))
        if isinstance(e, d.Share):
            return sum(holds(x, e.when) for x in values) / len(values)
        mean = math.fsum(values) / len(values)
        if isinstance(e, d.Volatility):
            deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in values) / len(values))
            if not e.relative:
                return deviation
            return deviation / abs(mean) if mean != 0 else None
        when = math.fsum(-k for k, _ in pairs) / len(pairs)
        spread = math.fsum((-k - when) ** 2 for k, _ in pairs)
        return math.fsum((-k - when) * (x - mean) for k, x in pairs) / spread if spread > 0 else None

    def _value(self, e, h, day):
        if isinstance(e, d.WINDOWS):
            return self.window(e, h, day)
        if isinstance(e, d.PEERS):
            rows = [
                (other, tuple(self.value(k, other, day) for k in e.by), self.value(e.of, other, day))
                for other in self.population(day)
            ]
            key = tuple(self.value(k, h, day) for k in e.by)
            return self.peers(e, h, key, self.value(e.of, h, day), rows)
        if isinstance(e, d.Attribute):
            record = self.population(day)[h]
            found = self._level(e.name, record[ATTRIBUTES.get(e.name.partition(":")[0], e.name)])
            return found if not e.equals or found is None else float(found in e.equals)
        if isinstance(e, d.Members):
            return self.members(e, h, day)
        if isinstance(e, d.Events):
            return self.events(e, h, day)
        if isinstance(e, d.Holding):
            return self.holding(e, h, day)
        if isinstance(e, d.Season):
            turn = 2 * math.pi * day.timetuple().tm_yday / 365.25
            return {
                "sine": math.sin(turn),
                "cosine": math.cos(turn),
                "month": float(day.month),
                "quarter": float((day.month + 2) // 3),
                "spring_festival": self.from_spring_festival(day),
                "days": float((day - date(1, 1, 1)).days + 1),
            }[e.which]
        if isinstance(e, d.Line | d.Schedule | d.AreaReading):
            return self.lookup(e, h, day)
        if isinstance(e, d.FeedState):
            area = self.value(d.Attribute("area:visits"), h, day)
            if area is None:
                return None
            late = d.Late(self.reporting[e.feed], 12)
            behind = min(
                self.value(late, other, day)
                for other in self.population(day)
                if self.value(d.Attribute("area:visits"), other, day) == area
            )
            return 0.0 if behind <= 0 else (2.0 if behind >= 12 else 1.0)
        return self.arithmetic(e, lambda part: self.value(part, h, day))

    def from_spring_festival(self, day):
        days = [(day - spring_festival(day.year + k)).days for k in (-1, 0, 1)]
        return next(x for x in days if abs(x) == min(map(abs, days))) / 7

    def members(self, e, h, day):
        then = day - timedelta(days=e.days_ago)
        present = [
            m
            for m in self.known("member", day)
            if m["household_id"] == h and m["valid_from"] <= then and (m["valid_to"] is None or m["valid_to"] > then)
        ]
        if not present:
            return None

        def fits(m):
            if not all(m.get(c) in v for c, v in e.where):
                return False
            if e.elsewhere and len(self.homes(m["person_id"], day)) < 2:
                return False
            if e.younger_than is None and e.at_least is None:
                return True
            if not m["birth_month"]:
                return False
            year, month = map(int, m["birth_month"].split("-"))
            age = (day.year * 12 + day.month - year * 12 - month) // 12
            return (e.younger_than is None or age < e.younger_than) and (e.at_least is None or age >= e.at_least)

        return float(len({m["person_id"] for m in present if fits(m)}))

    def homes(self, person, day):
        return {
            m["household_id"]
            for m in self.known("member", day)
            if m["person_id"] == person and m["valid_from"] <= day and (m["valid_to"] is None or m["valid_to"] > day)
        }

    def _fitting(self, e, h, day):
        if getattr(e, "through", None):
            named = {
                r[e.through]
                for r in self.seen("reading", day)
                if r["household_id"] == h and (day - r["period_end"]).days < e.days
            } - {None}
            return [
                r for r in self.known(e.table, day) if r[e.through] in named and all(r.get(c) in v for c, v in e.where)
            ]
        return [r for r in self.seen(e.table, day) if r["household_id"] == h and all(r.get(c) in v for c, v in e.where)]

    def events(self, e, h, day):
        rows = [r for r in self._fitting(e, h, day) if r[e.date] and -e.ahead <= (day - r[e.date]).days < e.days]
        rows = [r for r in rows if r[e.date].month not in e.except_months]
        return self.summary(e, rows, [(day - r[e.date]).days for r in rows])

    def holding(self, e, h, day):
        rows = self._fitting(e, h, day)
        if e.what == "ended":
            gone = [(day - r[e.end]).days for r in rows if r[e.end] is not None and r[e.end] <= day]
            return float(min(gone)) if gone else None
        rows = [r for r in rows if r[e.start] and r[e.start] <= day and (r[e.end] is None or r[e.end] > day)]
        if e.what == "left":
            left = [(r[e.end] - day).days for r in rows if r[e.end] is not None]
            return float(min(left)) if left else None
        if e.what == "longest":
            return float(max((day - r[e.start]).days for r in rows)) if rows else None
        return self.summary(e, rows, [(day - r[e.start]).days for r in rows])

    def summary(self, e, rows, ago):
        if e.what == "count":
            return float(len(rows))
        if e.what == "any":
            return float(bool(rows))
        if e.what in ("since", "held"):
            return float(min(ago)) if rows else None
        pairs = [(-a, float(r[e.measure]) * e.scale) for a, r in zip(ago, rows) if r[e.measure] is not None]
        if not pairs:
            return None
        values = [x for _, x in pairs]
        return {"total": math.fsum(values), "largest": max(values), "latest": max(pairs)[1]}[e.what]

    def lookup(self, e, h, day):
        record = self.population(day)[h]
        chain = [area.code for area in self.tree.chain(record["area_code"] or "")]
        table = {d.Line: "assistance_line", d.Schedule: "schedule", d.AreaReading: "area_reading"}[type(e)]
        for code in (*chain, None):
            rows = [r for r in self.known(table, day) if r.get("area_code") == code]
            if isinstance(e, d.Schedule) and e.what != "amount":
                rows = [r for r in rows if r["kind"] == e.kind and r["stage"] == e.stage]
                if rows:
                    return self.dates(e, [(r["valid_from"] - day).days for r in rows])
                continue
            if isinstance(e, d.AreaReading):
                months = e.within * (3 if self.grain == "quarter" else 1)
                rows = [
                    r
                    for r in rows
                    if r["kind"] == e.kind
                    and r["period_end"] <= day
                    and (day.year - r["period_end"].year) * 12 + day.month - r["period_end"].month < months
                ]
                pick, scale, column = "period_end", 1.0, "value"
            else:
                rows = [r for r in rows if r["valid_from"] <= day]
                pick, scale = "valid_from", e.scale
                column = e.column if isinstance(e, d.Line) else "amount"
                if isinstance(e, d.Line):
                    rows = [r for r in rows if r["residence"] in (record["residence"], None)]
                else:
                    rows = [r for r in rows if r["kind"] == e.kind and r["stage"] == e.stage]
            if rows:
                newest = max(rows, key=lambda r: (r[pick], r["known_from"]))
                return None if newest[column] is None else float(newest[column]) * scale
        return self.dates(e, []) if isinstance(e, d.Schedule) and e.what != "amount" else None

    def dates(self, e, until):
        if e.what == "count":
            return float(len([u for u in until if -e.days < u <= e.ahead]))
        found = [u for u in until if 0 <= u <= e.ahead] if e.what == "next" else [-u for u in until if -e.days < u < 0]
        return float(min(found)) if found else None

    def panel(self, definitions):
        """Every indicator of every household on every day."""
        return {
            (day, h): {name: self.value(plain(e), h, day) for name, e in definitions.items()}
            for day in self.days
            for h in sorted(self.population(day))
        }


def _reverse(code):
    return tuple(-ord(character) for character in code)


__all__ = ["Reference", "date"]
